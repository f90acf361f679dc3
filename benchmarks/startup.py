"""How long a person waits for the page: from `python app.py` to the first HTTP 200.

Beside it stands the time that `import gradio` takes alone, the floor of what the app can reach,
and what `import engine` adds to a program, by the interpreter's own count. All run in a new
interpreter each time, in turns. Run it from the root of the repository:

    python -m benchmarks.startup --runs 5
"""

import argparse
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 120.0  # seconds after which a start has failed


def free_port() -> int:
    """A TCP port that is free on this machine now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def import_seconds() -> float:
    """Seconds that a new interpreter takes to import gradio and leave."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import gradio"], check=True, cwd=ROOT)
    return time.perf_counter() - begin


def engine_seconds() -> float:
    """Seconds that a new interpreter counts for `import engine`, with all that it imports."""
    command = [sys.executable, "-X", "importtime", "-c", "import engine"]
    done = subprocess.run(command, check=True, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    _, cumulative, name = done.stderr.splitlines()[-1].split("|")
    if name.strip() != "engine":
        raise RuntimeError(f"the last import is {name.strip()}, not engine")
    return int(cumulative) / 1e6


def page_seconds() -> float:
    """Seconds from starting `app.py` to its first HTTP 200; raises `RuntimeError` if none comes."""
    port = free_port()
    command = [sys.executable, "app.py", "--host", "127.0.0.1", "--port", str(port)]
    begin = time.perf_counter()
    app = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        while time.perf_counter() - begin < LIMIT:
            if app.poll() is not None:
                raise RuntimeError(f"app.py ended with exit status {app.returncode}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=LIMIT) as answer:
                    if answer.status == 200:
                        return time.perf_counter() - begin
            except urllib.error.HTTPError:
                pass  # it listens, and is not ready
            except OSError:
                time.sleep(0.01)
        raise RuntimeError(f"no page within {LIMIT:.0f} s")
    finally:
        app.terminate()
        app.wait(timeout=30)


def main() -> None:
    """Print the runs' medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="starts to measure (default 5)")
    runs = parser.parse_args().runs
    if runs < 1:
        parser.error(f"--runs is {runs}; it must be 1 or more")

    (
        import_seconds(),
        engine_seconds(),
        page_seconds(),
    )  # byte code and the disk's cache: every later start has them
    found = [(import_seconds(), engine_seconds(), page_seconds()) for _ in range(runs)]
    gradio, engine, page = (statistics.median(column) for column in zip(*found, strict=True))
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(f"runs: {runs}, load average: {os.getloadavg()[0]:.1f}")
    print(f"import gradio alone:           median {gradio:.2f} s")
    print(f"import engine alone:           median {engine * 1000:.0f} ms")
    print(f"python app.py to first 200:    median {page:.2f} s")
    print(f"  each run: {', '.join(f'{seconds:.2f}' for *_, seconds in found)}")
    print(f"ratio: {page / gradio:.2f}")


if __name__ == "__main__":
    main()
