"""What a picture says, on its way to the controls of a tab."""

import io
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from engine.pipelines.changes import Change
from engine.pipelines.request import Request
from engine.service import Service
from engine.service.recall import Recalled
from tests.ui.stub import SECRET, StubWorker, stub_models
from ui.opening import Opening
from ui.pictures import PictureRoute
from ui.recall import RecallGroup
from ui.session import NOTHING, Owners
from ui.shared import Shared
from ui.tabs import TABS
from ui.tabs.tab import Tab

CHANGES = (Change(3, scheduler="Euler"), Change(5, guidance_scale=2.0, steps=8))
SETTINGS = {"task": "text-to-image", "model": "stub", "prompt": "a cube", "steps": 9, "seed": 4}


class Desk:
    """The tabs of a page, and what a picture brings to one of them."""

    def __init__(self, folder: Path) -> None:
        self.models = stub_models(folder / "models")
        self.service = Service(lambda: StubWorker(self.models), folder / "outputs", self.models)
        owners, route = Owners(SECRET), PictureRoute(folder / "outputs", SECRET)
        self.session = owners.session({})
        with gr.Blocks() as page:
            self.group = RecallGroup()
            session = gr.BrowserState({})
            opened = page.load(None, None, None)
            shared = Shared(
                self.service, self.models, route, owners, session, opened, {}, Opening()
            )
            made = [kind(shared) for kind in TABS]
            self.group.place_answer()
            with gr.Tabs():
                for tab in made:
                    tab.build(list)
            self.group.connect(shared, made)
        self.tabs: dict[str, Tab] = {tab.task: tab for tab in made}

    def bring(self, told: Recalled, task: str) -> tuple[dict[str, Any], str]:
        """Values by names of the inputs of a tab, and what is said."""
        models = ["stub"] * len(self.tabs)
        updates = self.group.bring(self.session, vars(told), *models)
        inputs = self.tabs[task].inputs
        values = {name: updates[one] for name, one in inputs.items() if one in updates}
        said = next(one for key, one in updates.items() if key.elem_id == "recalled")
        return values, said


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_settings_and_changes_come_to_the_tab_of_the_task(desk: Desk) -> None:
    changes = [change.to_dict() for change in CHANGES]
    told = Recalled("Stepwise", {**SETTINGS, "changes": changes})
    values, said = desk.bring(told, "text-to-image")
    assert values["prompt"] == "a cube" and values["steps"] == 9
    assert values["seed"] == 4 and values["random_seed"] is False
    assert values["changes"] == changes
    assert "in Text to image" in said and "<dl>" not in said
    assert desk.bring(Recalled("Stepwise", SETTINGS), "text-to-image")[0]["changes"] == NOTHING


def test_what_a_tab_lacks_is_told_and_escaped(desk: Desk) -> None:
    settings = {**SETTINGS, "model": "<i>dream", "strength": 0.5}
    values, said = desk.bring(Recalled("<b>", settings, {"Lora": "<u>"}), "text-to-image")
    assert values["model"] == "stub"
    for text in ("&lt;i&gt;dream (there is none", "0.5 (Text to image has no", "&lt;u&gt;"):
        assert text in said
    assert not {"<b>", "<i>", "<u>"} & {said[at : at + 3] for at in range(len(said))}


def test_pictures_that_are_kept_come_back_and_others_are_told(desk: Desk) -> None:
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    name = desk.service.take(file.getvalue(), desk.session["owner"])
    request = Request("stub", task="inpaint", image=name, mask="a" * 64, padding=None, prompt="b")
    values, said = desk.bring(Recalled("Stepwise", request.check().used()), "inpaint")
    assert values["image"] == name and values["only_marked"] is False
    assert "<dt>mask</dt><dd>it is not kept here: choose it again</dd>" in said
    assert "<dt>image</dt>" not in said


@pytest.mark.parametrize(
    ("settings", "left", "task"),
    [
        ({"prompt": "a"}, {}, "text-to-image"),
        ({"prompt": "a", "strength": 0.5}, {}, "image-to-image"),
        ({"prompt": "a", "strength": 0.5}, {"Hires upscale": "2"}, "text-to-image"),
        ({"prompt": "a", "strength": 0.5, "mask_blur": 8}, {}, "inpaint"),
    ],
)
def test_other_apps_do_not_name_the_task(
    desk: Desk, settings: dict[str, Any], left: dict[str, str], task: str
) -> None:
    values, said = desk.bring(Recalled("AUTOMATIC1111", settings, left), task)
    assert values["prompt"] == "a"
    assert ("the file does not hold it" in said) is (task != "text-to-image")


def test_names_come_as_the_lists_have_them_and_what_does_not_fit_is_told(desk: Desk) -> None:
    def bring(**settings: Any) -> tuple[Any, Any, str]:
        values, said = desk.bring(Recalled("a", {"prompt": "a"} | settings), "text-to-image")
        return values.get("scheduler"), values.get("schedule_type"), said

    assert bring(scheduler="DPM++ 2M Karras")[:2] == ("DPM++ 2M", "Karras")
    sampler, _, said = bring(scheduler="no such")
    assert sampler == "" and "<dt>sampler</dt><dd>no such (it does not fit" in said
    _, kind, said = bring(scheduler="Euler", schedule_type="no such")
    assert kind == "" and "<dt>schedule type</dt><dd>no such (it does not fit" in said


def test_the_size_of_a_picture_of_an_unknown_model_is_taken(desk: Desk) -> None:
    told = Recalled("a", {"model": "dream", "prompt": "a", "width": 128, "height": 64})
    values, said = desk.bring(told, "text-to-image")
    assert values["width"]["value"] == 128 and values["height"]["value"] == 64
    assert "dream (there is none" in said


def test_an_image_of_a_batch_says_which_it_is(desk: Desk) -> None:
    told = Recalled("Stepwise", {**SETTINGS, "count": 3, "batch_size": 3}, index=1)
    values, said = desk.bring(told, "text-to-image")
    assert values["batch_size"] == 3 and values["count"]["value"] == 3
    assert "of the 3 it is number 2" in said
