from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from engine.errors import RequestError
from tests.ui.stub import stub_models
from ui.controls import ENDS
from ui.settings import check_setting, fill, settings_of

TASK = "text-to-image"


@pytest.fixture
def inputs() -> dict[str, Any]:
    names = ("prompt", "model", "steps", "guidance_scale", "width", "height", "random_seed")
    return {name: gr.Number() for name in names}


def by_name(inputs: dict[str, Any], updates: dict[Any, Any]) -> dict[str, Any]:
    return {name: updates[one] for name, one in inputs.items() if one in updates}


def test_settings_come_back_to_their_controls(tmp_path: Path, inputs: dict[str, Any]) -> None:
    values = {"prompt": "a cube", "model": "stub", "steps": 7, "guidance_scale": 40, "width": 0}
    got = by_name(inputs, fill(inputs, values, stub_models(tmp_path), TASK))
    assert got["prompt"] == "a cube" and got["model"] == "stub" and got["steps"] == 7
    assert got["guidance_scale"]["value"] == 40 > ENDS["guidance_scale"]
    assert got["guidance_scale"]["maximum"] >= 40  # it would be cut otherwise
    assert got["width"]["value"] == 16  # what the stub draws
    assert "height" not in got


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", "many"),
        ("steps", None),
        ("steps", [1]),
        ("guidance_scale", float("nan")),
        ("width", 10**30),
        ("random_seed", "yes"),
        ("prompt", 5),
        ("prompt", "a" * 20_000),
        ("unheard", 1),
    ],
)
def test_what_cannot_be_a_setting_is_left_out(
    tmp_path: Path, inputs: dict[str, Any], name: str, value: Any
) -> None:
    values = {"model": "stub", "steps": 7, name: value}
    got = by_name(inputs, fill(inputs, values, stub_models(tmp_path), TASK))
    assert name not in got and got["model"] == "stub"
    with pytest.raises(RequestError, match=name):
        check_setting(name, value)


def test_sizes_of_a_model_that_is_gone_are_left_out(tmp_path: Path, inputs: dict[str, Any]) -> None:
    values = {"model": "gone", "steps": 7, "width": 1024, "height": 1024}
    got = by_name(inputs, fill(inputs, values, stub_models(tmp_path), TASK))
    assert got == {"steps": 7}


def test_names_of_styles_are_a_list() -> None:
    check_setting("styles", ["Sky"])
    for wrong in ("Sky", [5], None):
        with pytest.raises(RequestError, match="styles"):
            check_setting("styles", wrong)


def test_pictures_are_no_settings() -> None:
    inputs = {"image": gr.BrowserState(""), "steps": gr.Number()}
    assert list(settings_of(inputs)) == ["steps"]
