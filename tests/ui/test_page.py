import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import gradio as gr
import pytest
from gradio_client.exceptions import AppError  # type: ignore[import-untyped]

from engine.pipelines.limits import LIMITS
from engine.service import Service
from tests.api import client
from tests.repository import ROOT
from tests.ui.page import launch_page
from tests.ui.stub import SECRET, StubWorker, stub_models
from ui.app import build_page
from ui.controls import ENDS, refresh, side, span
from ui.pictures import PictureRoute
from ui.session import Owners


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    models, outputs = stub_models(tmp_path / "models"), tmp_path / "outputs"
    service = Service(lambda: StubWorker(models), outputs, models)
    page, _, url = launch_page(service, models, outputs)
    service.start()
    yield url
    page.close(verbose=False)
    service.stop()


def test_the_api_names_its_parameters(url: str) -> None:
    endpoints = client(url).view_api(return_format="dict")["named_endpoints"]
    names = {
        name: {parameter["parameter_name"] for parameter in endpoint["parameters"]}
        for name, endpoint in endpoints.items()
    }
    shared = {"model", "scheduler", "schedule_type", "steps", "seed", "count", "batch_size"}
    shared |= {"variation_seed", "variation_strength", "owner"}
    sized = {"prompt", "negative_prompt", "guidance_scale", "width", "height"}
    first = shared | sized | {"image", "strength"}
    assert names == {
        "/text_to_image": shared | sized,
        "/image_to_image": first | {"fit"},
        "/inpaint": first | {"mask", "fill", "mask_blur", "padding", "invert_mask"},
        "/depth_to_image": first | {"fit", "depth_map", "invert_depth"},
        "/unconditional": shared,
    }


def test_the_api_draws(url: str) -> None:
    api = client(url)
    draw = {"prompt": "a", "model": "stub", "steps": 2, "api_name": "/text_to_image"}
    first, second = api.predict(**draw, seed=7, count=2)
    assert (first["seed"], second["seed"]) == (7, 8)
    with urlopen(url + second["url"]) as answer:
        second_png = answer.read()
    assert second_png.startswith(b"\x89PNG")
    for wrong, message in (
        ({"width": 60}, "width is 60, which is not a multiple of 8"),
        ({"model": "no"}, "not in the models folder"),
        ({"prompt": "broken"}, "Git LFS pointer"),
        ({"model": "stub-ddpm"}, "can do: unconditional"),
    ):
        with pytest.raises(AppError, match=message):
            api.predict(**(draw | wrong))
    (picture,) = api.predict(model="stub-ddpm", steps=2, seed=3, api_name="/unconditional")
    assert picture["seed"] == 3
    given = base64.b64encode(second_png).decode()
    begin = {"image": given, "prompt": "a", "model": "stub", "steps": 2}
    (changed,) = api.predict(**begin, api_name="/image_to_image")
    (painted,) = api.predict(**begin, mask=given, api_name="/inpaint")
    own = {"model": "stub-depth", "depth_map": given}
    (kept,) = api.predict(**(begin | own), api_name="/depth_to_image")
    assert changed["width"] == painted["width"] == kept["width"] == 64
    with pytest.raises(AppError, match="image is no base64"):
        api.predict(**(begin | {"image": "/etc/passwd"}), api_name="/image_to_image")


def test_models_may_come_and_go(tmp_path: Path) -> None:
    models = stub_models(tmp_path)
    kept = {"choices": ["stub"], "info": None}
    assert refresh(models, "text-to-image", "gone") == kept | {"value": "stub"}
    assert refresh(models, "text-to-image", "stub") == kept, "the value stays"
    only = {"choices": ["stub-ddpm"], "value": "stub-ddpm", "info": None}
    assert refresh(models, "unconditional", None) == only
    none = refresh(tmp_path / "none", "text-to-image", "stub")
    assert "put one that can into the models folder" in none.pop("info")
    assert none == {"choices": [], "value": None}


def page_without_models(folder: Path) -> gr.Blocks:
    service = Service(lambda: StubWorker(folder), folder, folder)
    return build_page(service, folder, PictureRoute(folder, SECRET), Owners(SECRET))


def test_a_page_asks_little_of_server_and_browser(tmp_path: Path) -> None:
    events = page_without_models(tmp_path).fns.values()
    (opened,) = [event for event in events if event.name == "session"]
    at_once = [event for event in events if any(kind == "load" for _, kind in event.targets)]
    then = [event for event in events if event.trigger_after == opened._id and event.fn]
    assert len(at_once) + len(then) <= 6
    progress = [event.show_progress_on for event in events]
    assert all(one == progress[0] and len(one or ()) == 1 for one in progress)
    assert {e.show_progress for e in events if e.fn and e.targets} == {"hidden"}


def test_controls_end_where_a_request_does_or_where_people_stay(tmp_path: Path) -> None:
    page = page_without_models(tmp_path)
    fields = {"Steps": "steps", "Guidance": "guidance_scale", "Pictures": "count", "Seed": "seed"}
    found = [
        (fields[block.label], (block.minimum, block.maximum))
        for block in page.blocks.values()
        if isinstance(block, gr.Slider | gr.Number) and block.label in fields
    ]
    assert {field for field, _ in found} == set(fields.values())
    allowed = {field: {LIMITS[field], (LIMITS[field][0], ENDS.get(field))} for field, _ in found}
    assert all(ends in allowed[field] for field, ends in found)


def test_a_slider_reaches_on_to_what_is_sent_to_it() -> None:
    assert [span("steps", value, 200)["maximum"] for value in (25, 200, 201)] == [200, 200, 1000]
    assert span("steps") == {"minimum": 1, "maximum": 1000}


def test_a_side_beyond_the_usual_is_not_cut() -> None:
    ends = [tuple(side(64, value)[end] for end in ("minimum", "maximum")) for value in (64, 8, 512)]
    assert ends == [(32, 128), (8, 128), (32, 512)]
    assert side(64)["value"] == 64 and side(64, 512)["value"] == 512


def test_the_interface_imports_no_torch() -> None:
    code = "import sys, app, ui.app, engine.service; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
