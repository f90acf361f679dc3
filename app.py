"""Start Stepwise: `python app.py`, then open the address that it prints."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent

OPTIONS = {
    "host": "address to listen on; 0.0.0.0 for the whole network",
    "port": "port to listen on",
    "share": "make a public link through gradio.live",
    "auth": "user:password that visitors must give; several with commas between",
    "root-path": "path under which a proxy shows the page",
    "device": "where the models run",
    "dtype": "number format of the models",
    "models": "folder of model folders",
    "outputs": "folder for finished pictures",
    "styles": "file of prompt styles",
    "quota": "gigabytes of pictures that everyone is asked to keep within; 0 for no limit",
}


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> argparse.Namespace:
    """Options of the command line; those it does not give come from the environment."""
    parser = argparse.ArgumentParser(
        prog="app.py",
        description="Stepwise: a diffusion studio in the browser.",
        epilog="Each option can also be set by the environment variable in brackets.",
    )
    special: dict[str, dict[str, object]] = {
        "port": {"type": int},
        "share": {"action": argparse.BooleanOptionalAction},
        "auth": {"type": accounts, "metavar": "USER:PASSWORD"},
        "device": {"choices": ("auto", "cuda", "mps", "cpu")},
        "dtype": {"choices": ("auto", "float32", "float16", "bfloat16")},
        "models": {"type": Path},
        "outputs": {"type": Path},
        "styles": {"type": Path},
        "quota": {"type": gigabytes},
    }
    defaults: dict[str, object] = {
        "host": "0.0.0.0" if environ.get("SPACE_ID") else "127.0.0.1",
        "port": 7860,
        "share": False,
        "device": "auto",
        "dtype": "auto",
        "models": ROOT / "assets" / "models",
        "outputs": default_outputs(environ),
        "styles": ROOT / "assets" / "styles.csv",
        "quota": 1.0 if environ.get("SPACE_ID") else 0.0,
    }
    given = []
    for name, text in OPTIONS.items():
        variable = "STEPWISE_" + name.upper().replace("-", "_")
        default = defaults.get(name)
        shown = {None: "none", False: "no"}.get(default, str(default))  # type: ignore[call-overload]
        parser.add_argument(
            f"--{name}",
            default=default,
            help=f"{text} [{variable}] (default: {shown})",
            **special.get(name, {}),  # type: ignore[arg-type]
        )
        given += _from_environment(name, environ.get(variable, ""))
    return parser.parse_args([*given, *argv])


def _from_environment(name: str, value: str) -> list[str]:
    """The option as if it had been typed, so that it is checked in the same way."""
    if name == "share":
        return ["--share"] if value.lower() in ("1", "true", "yes") else []
    return [f"--{name}={value}"] if value else []


def gigabytes(text: str) -> float:
    """A number, 0 or more. Raises ValueError for anything else."""
    if not 0 <= (number := float(text)) < float("inf"):
        raise ValueError(text)
    return number


def accounts(text: str) -> list[tuple[str, str]]:
    """`user:password,...` as pairs."""
    pairs = [part.partition(":") for part in text.split(",")]
    if any(not user or not password for user, _, password in pairs):
        raise argparse.ArgumentTypeError("must be user:password, or several with commas between")
    return [(user, password) for user, _, password in pairs]


def default_outputs(environ: Mapping[str, str]) -> Path:
    """Beside the code, or in the user's data folder where the code cannot be written to."""
    beside = ROOT / "outputs"
    if os.access(beside if beside.exists() else ROOT, os.W_OK):
        return beside
    home = environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "stepwise" / "outputs"


def main() -> None:
    options = parse(sys.argv[1:], os.environ)
    # before gradio is imported: it reads these once
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    temporary = tempfile.TemporaryDirectory(prefix="stepwise-")  # gone when the process ends
    os.environ.setdefault("GRADIO_TEMP_DIR", temporary.name)

    from engine.service import ProcessWorker, Service
    from ui.app import build_page, page_options
    from ui.pictures import PictureRoute
    from ui.secret import load_secret
    from ui.session import Owners
    from ui.styles import load_styles

    models, outputs = options.models.resolve(), options.outputs.resolve()
    service = Service(
        lambda: ProcessWorker(options.device, options.dtype, models),
        outputs,
        models,
        quota=int(options.quota * 1e9),
    )
    secret = load_secret(outputs)
    route, owners = PictureRoute(outputs, secret), Owners(secret)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    page = build_page(service, models, route, owners, load_styles(options.styles))
    try:
        _, local, shared = page.launch(
            server_name=options.host,
            server_port=options.port,
            share=options.share,
            auth=options.auth,
            root_path=options.root_path,
            prevent_thread_lock=True,
            quiet=True,
            **page_options(service, route, owners),
        )
    except OSError:
        sys.exit(
            f"Stepwise cannot listen on {options.host}, port {options.port}: it is taken, or not "
            f"allowed. Choose another with --port."
        )
    print(f"Stepwise is at {shared or local}", flush=True)
    try:
        service.start()
        page.block_thread()
    finally:
        service.stop()


if __name__ == "__main__":
    main()
