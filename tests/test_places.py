"""The app where people run it: as a plain user in a checkout that cannot be written, and behind the
proxy of a notebook server. Both draw a picture through a real Chromium."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Response

from tests.browser.studio import LIMIT, Studio
from tests.repository import ROOT, repository_files

PLAIN_USER = 1000


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home that a plain user may enter and own; pytest's own folders let only us in."""
    folder = Path(tempfile.mkdtemp(prefix="stepwise-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, onerror=_unlock)


def _unlock(remove, path, _error) -> None:
    """Make the folder writable again in which something could not be removed."""
    Path(path).parent.chmod(0o755)
    remove(path)


@contextlib.contextmanager
def running(command: Sequence[str], url: str, cwd: Path, env: dict[str, str]) -> Iterator[None]:
    """A server that answers at `url` inside the block, and is gone after it."""
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, cwd=cwd, env=env, stdout=log, stderr=log)
        try:
            end = time.monotonic() + LIMIT
            while not _answers(url):
                if server.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    pytest.fail(f"{command} gave no page:\n{log.read().decode()}")
                time.sleep(0.1)
            yield
        finally:
            server.terminate()
            server.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(home: Path, **more: str) -> dict[str, str]:
    """A bare environment: nothing of ours, an empty home, temporary files inside it."""
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "VIRTUAL_ENV") if key in os.environ}
    small = {"OMP_NUM_THREADS": "1"}  # more threads only wait for one another
    return {**kept, **small, "HOME": str(home), "TMPDIR": str(home), **more}


def draw(chromium: Browser, url: str) -> list[Response]:
    """Ask the page for one picture and wait until it is shown. Returns the server's answers."""
    page = chromium.new_page()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    studio = Studio(page, url)
    studio.run("a large shiny red sphere", Steps=10)
    studio.wait("done")
    picture = page.locator('img[src*="pictures/"]').first
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") >= 64
    page.close()
    assert studio.errors == []
    return answers


def test_plain_user_in_a_read_only_checkout(chromium: Browser, home: Path) -> None:
    checkout = home / "checkout"
    for path in repository_files():
        copy = checkout / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    own = home / "own"
    own.mkdir()
    as_user = []
    if os.getuid() == 0:
        os.chown(own, PLAIN_USER, PLAIN_USER)
        # The interpreter may lie in root's home: this user may read everything, and write as any.
        read = "-all,+dac_read_search"
        as_user = ["setpriv", f"--reuid={PLAIN_USER}", f"--regid={PLAIN_USER}", "--clear-groups"]
        as_user += [f"--inh-caps={read}", f"--ambient-caps={read}", f"--bounding-set={read}"]
    for folder in (checkout, *(path for path in checkout.rglob("*") if path.is_dir())):
        folder.chmod(0o555)

    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = [*as_user, sys.executable, "app.py", "--port", str(port)]
    with running(command, url, checkout, environment(own)):
        draw(chromium, url)

    (picture,) = own.rglob("*.png")
    with Image.open(picture) as image:
        assert "stepwise" in image.info
    assert picture.stat().st_uid == own.stat().st_uid


def test_behind_the_proxy_of_a_notebook_server(chromium: Browser, home: Path) -> None:
    app, server = free_port(), free_port()
    base = "/studiolab/default/jupyter/"
    path = f"{base}proxy/{app}"
    env = environment(home, STEPWISE_OUTPUTS=str(home / "outputs"))
    jupyter = [sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"]
    jupyter += [f"--ServerApp.base_url={base}", f"--ServerApp.port={server}"]
    jupyter += ["--ServerApp.port_retries=0", "--IdentityProvider.token="]
    jupyter += ["--ServerApp.jpserver_extensions", "jupyter_server_proxy=True"]
    command = [sys.executable, "app.py", "--port", str(app), "--root-path", path]
    site = f"http://127.0.0.1:{server}"
    with (
        running(command, f"http://127.0.0.1:{app}/", ROOT, env),
        running(jupyter, f"{site}{base}api/status", home, env),
    ):
        answers = draw(chromium, f"{site}{path}/")

    assert [answer.url for answer in answers if answer.status >= 400] == []
    local = [answer.url for answer in answers if answer.url.startswith("http")]
    assert len(local) > 10
    assert [url for url in local if not url.startswith(f"{site}{path}/")] == []
