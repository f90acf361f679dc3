"""A real app.py, a real Chromium, and a tab as a person uses it."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.repository import ROOT
from ui.sketch import LEAST, MOST

__all__ = ["LIMIT", "LONG", "Server", "Studio", "chromium_path", "open_chromium", "serve"]

LIMIT = 180
"""Seconds after which a test gives up: far beyond what a busy machine needs."""

LONG = {"Steps": 1000, "Pictures": 16, "At once": 16}
"""Numbers of a run that outlasts what a test does meanwhile, also on a busy machine."""

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Server:
    """A running app.py; `url` ends with a slash."""

    process: subprocess.Popen
    url: str
    outputs: Path

    @property
    def worker(self) -> int:
        """Process id of the worker, the only child."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        (child,) = [pid for task in tasks for pid in (task / "children").read_text().split()]
        return int(child)


@contextmanager
def serve(folder: Path, models: Path) -> Iterator[Server]:
    """app.py on a free port, its outputs and its log in `folder`. Raises RuntimeError."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"port": port, "models": models, "outputs": folder / "outputs"}
    with open(folder / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py"), *(f"--{k}={v}" for k, v in options.items())],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        url = f"http://127.0.0.1:{port}/"
        _wait_for(url, process, folder / "log")
        yield Server(process, url, folder / "outputs")
    finally:
        process.terminate()
        process.wait(LIMIT)


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end and process.poll() is None:
        try:
            urlopen(url, timeout=LIMIT).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"app.py does not answer:\n{log.read_text()}")


def chromium_path() -> str | None:
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def open_chromium(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        expect.set_options(timeout=LIMIT * 1000)
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


class Studio:
    """One tab in one page, opened by its address; `errors` are those that the page has logged."""

    def __init__(self, page: Page, url: str, task: str = "text-to-image") -> None:
        self.page = page
        page.set_default_timeout(LIMIT * 1000)
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        # Chromium ignores autofocus where the address has a fragment
        page.goto(url if task == "text-to-image" else f"{url}#{task}")
        self._arrive()
        self._look_at(task)

    def _arrive(self) -> None:
        """Wait until the page has heard of the engine: until then its tabs are laid out."""
        self.page.locator(".chip[data-state=ready], .chip[data-state=busy]").wait_for()

    def open(self, task: str) -> None:
        """Turn to the tab of `task`."""
        self.page.locator(f"[role=tab][data-tab-id={task}]").click()
        self._look_at(task)

    def _look_at(self, task: str) -> None:
        self.task = task
        self.tab = self.page.locator(f"#tab-{task}")
        self.prompt = self.tab.get_by_label("Prompt", exact=True)
        self.line = self.tab.locator(".status .line")
        self.film = self.tab.locator(".film")
        self.slider = self.tab.locator(".walk input[type=range]")
        self.generate = self.tab.locator("button.generate")
        self.line.wait_for()

    def button(self, name: str) -> Locator:
        return self.tab.get_by_role("button", name=name)

    def button_of_page(self, name: str) -> Locator:
        """One that is in no tab."""
        return self.page.get_by_role("button", name=name)

    def controls(self) -> list[tuple[str, str]]:
        """Role and name of every control of the page, as a screen reader is told."""
        session = self.page.context.new_cdp_session(self.page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        roles = ["button", "checkbox", "combobox", "link", "slider", "spinbutton", "tab", "textbox"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"] and node["role"]["value"] in roles
        ]

    def fill(self, prompt: str = "a", **numbers: object) -> None:
        """Type the prompt, where the tab has one, and the numbers of sliders by their labels."""
        if self.prompt.count():
            self.prompt.fill(prompt)
        for label, value in numbers.items():
            self.tab.get_by_label(f"number input for {label}").fill(str(value))

    def begin(self) -> None:
        """Have all that a run needs: in a tab that begins with a picture, one to begin with."""
        tries = self.tab.locator(".tries button")
        if tries.count():
            tries.first.click()
            expect(self.prompt).not_to_have_value("")
            self.fill(Strength=1)

    def at(self, task: str) -> None:
        """What is done next is in the tab of `task`, which is open already."""
        expect(self.page.locator(f"#tab-{task}")).to_be_visible()
        self._look_at(task)

    def give(self, field: str, data: bytes, taken: bool = True) -> None:
        """Upload a picture for a field of a Request; taken: whether the service is to keep it."""
        with self._kept(field) if taken else nullcontext():
            self._given(field).locator("input[type=file]").set_input_files(
                {"name": "a.png", "mimeType": "image/png", "buffer": data}
            )

    def remove(self, field: str) -> None:
        """Take away the picture that was given for a field."""
        with self._kept(field):
            self._given(field).get_by_role("button", name="Remove Image").click()

    def _given(self, field: str) -> Locator:
        label = {"image": "Picture", "mask": "Mask", "depth_map": "Depth map"}[field]
        return self.tab.locator(".given", has_text=label)

    @contextmanager
    def _kept(self, field: str) -> Iterator[None]:
        """Waits until the browser keeps another name of a picture than before."""
        key = f"stepwise.{self.task}.{field}"
        before = self.page.evaluate("key => localStorage.getItem(key)", key)
        yield
        self.page.wait_for_function(
            "([key, before]) => localStorage.getItem(key) !== before", arg=[key, before]
        )

    def paint(
        self, start: tuple[float, float], end: tuple[float, float], size: tuple[int, int]
    ) -> None:
        """Draw with the mouse over a picture of a size; places are shares of its sides."""
        canvas = self.tab.locator("canvas").first
        canvas.scroll_into_view_if_needed()
        self.page.wait_for_timeout(1000)  # it moves while it is laid out
        box = canvas.bounding_box()
        assert box
        zoom = float(self.tab.get_by_text(re.compile(r"^\d+%$")).inner_text()[:-1]) / 100
        scale = min(max(*size, LEAST), MOST) / max(size)
        wide, high = (side * scale * zoom for side in size)
        left, top = box["x"] + (box["width"] - wide) / 2, box["y"] + (box["height"] - high) / 2
        mouse = self.page.mouse
        mouse.move(left + wide * start[0], top + high * start[1])
        mouse.down()
        mouse.move(left + wide * end[0], top + high * end[1], steps=12)
        mouse.up()
        self.page.wait_for_timeout(500)

    def options(self, label: str) -> Locator:
        """The list of a combobox, opened; those chosen from before may still be fading out."""
        box = self.tab.get_by_role("combobox", name=label, exact=True)
        box.click()
        return self.page.locator(f"[id='{box.get_attribute('aria-controls')}']")

    def choose(self, label: str, option: str) -> None:
        self.options(label).get_by_role("option", name=option, exact=True).click()

    def start(self) -> None:
        """Ctrl+Enter, wherever one stands; the line that the next `wait` sees is of this run."""
        expect(self.generate).to_be_enabled()
        self.line.evaluate("line => line.removeAttribute('data-phase')")
        self.page.keyboard.press("Control+Enter")

    def wait(self, *phases: str) -> Locator:
        """The status line once it is in one of the phases."""
        found = self.tab.locator(
            ", ".join(f".status .line[data-phase={phase}]" for phase in phases)
        )
        found.wait_for()
        return found

    def end(self, *phases: str) -> Locator:
        """The status line of a run that has ended, once the page has heard the last of it."""
        line = self.wait(*phases)
        expect(self.tab.locator("button.stop")).to_be_disabled()
        return line

    def run(self, prompt: str = "a", **numbers: object) -> str:
        """A run to its end; returns the text of the status line."""
        self.fill(prompt, **numbers)
        self.start()
        return self.end("done", "failed", "stopped").inner_text()

    def reload(self) -> None:
        """Open the page anew. The errors so far are dropped: leaving cuts Gradio's connection."""
        self.page.reload()
        self.errors.clear()
        self._arrive()

    @property
    def step(self) -> int:
        return int(self.line.get_attribute("data-step") or 0)

    def wait_for_step(self, step: int) -> None:
        """Until at least so many steps are done."""
        self.page.wait_for_function(
            "([tab, step]) => +document.querySelector(tab + ' .line')?.dataset.step >= step",
            arg=[f"#tab-{self.task}", step],
        )

    def memory(self) -> tuple[object, ...]:
        """The objects that the engine holds, and how often it has loaded one."""
        rows = self.tab.locator(".hood tr[data-component]")
        rows.first.wait_for()
        ids = rows.evaluate_all("rows => rows.map(r => [r.dataset.component, r.dataset.id])")
        return ids, self.tab.locator(".hood .memory").get_attribute("data-loads")
