"""Requests: checked field by field, and carried as JSON without loss."""

import json
from typing import Any

import pytest

from engine.errors import RequestError
from engine.pipelines.changes import Change
from engine.pipelines.request import Request

NAME = "0" * 64
FROM = {"task": "image-to-image", "image": NAME}
MASKED = {"task": "inpaint", "image": NAME, "mask": NAME}


def test_round_trip() -> None:
    changes = (Change(3, scheduler="Heun Karras", steps=9), Change(5, guidance_scale=1.0))
    request = Request("m", "a", "b", "Euler", 7, 2.5, 64, 72, 9, 2, changes=changes)
    assert request.to_dict()["changes"][1] == {"call": 5, "guidance_scale": 1.0}
    assert Request.from_dict(json.loads(json.dumps(request.to_dict()))) == request
    assert request.check() is request


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prompt": " "}, "prompt is empty"),
        ({"prompt": "x" * 10_001}, "10001 characters"),
        ({"prompt": None}, "prompt is None"),
        ({"model": ""}, "model is empty"),
        ({"task": "dance"}, "task is 'dance'"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"steps": True}, "steps is True"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan"),
        ({"guidance_scale": -1}, "guidance_scale is -1"),
        ({"width": 63}, "use 56 or 64"),
        ({"height": 4}, "use 8 or 8"),
        ({"count": 101}, "count is 101"),
        ({"batch_size": 17}, "batch_size is 17"),
        ({"variation_strength": 1.5}, "variation_strength is 1.5"),
        (
            {"variation_strength": 0.5, "variation_seed": 2**32 - 1, "count": 2},
            "variation_seed is 4294967295: with 2 images it runs out",
        ),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 10**400}, "it must be from 0 to 4294967295"),
        ({"seed": 2**32 - 1, "count": 2}, "runs out"),
        ({"scheduler": "Oiler"}, "There is no scheduler 'Oiler'. Nearest: Euler"),
        ({"schedule_type": "Krras"}, "no schedule type 'Krras'. Nearest: Karras"),
        ({"scheduler": "Euler Karras", "schedule_type": "Beta"}, "schedule_type is 'Beta': say"),
        ({"changes": {"call": 1}}, "changes is {'call': 1}: a list"),
        ({"changes": [3]}, "changes has 3; known fields: call"),
        ({"changes": [{"steps": 3}]}, "changes has {'steps': 3}"),
        ({"changes": [{"call": 1, "seed": 3}]}, "known fields: call, scheduler"),
        ({"changes": [{"call": 1}]}, "the change after call 1 changes nothing"),
        ({"changes": [{"call": -1, "steps": 3}]}, "call is -1"),
        ({"changes": [{"call": 1, "steps": True}]}, "steps is True"),
        ({"changes": [{"call": 1, "scheduler": "Hoin"}]}, "Nearest: Heun"),
        (
            {
                "task": "unconditional",
                "prompt": "",
                "changes": [{"call": 1, "guidance_scale": 2}],
            },
            "sets guidance_scale, but the task unconditional takes none",
        ),
        ({"task": "unconditional"}, "prompt is 'a', but unconditional takes none"),
        ({"task": "unconditional", "prompt": "", "negative_prompt": "b"}, "negative_prompt is 'b'"),
        ({"task": "unconditional", "prompt": "", "width": -8}, "width is -8"),
        ({"strength": 0.5}, "strength is '0.5', but text-to-image takes none"),
        ({"image": NAME}, "but text-to-image takes none"),
        ({"task": "image-to-image"}, "image is missing: choose a picture"),
        ({"task": "image-to-image", "image": "../a.png"}, "image is '../a.png': the name that an"),
        ({"task": "image-to-image", "image": None}, "image is 'None'"),
        (FROM | {"strength": 0.01}, "strength is 0.01, which leaves none of 25 steps: take a"),
        (FROM | {"strength": 2}, "strength is 2"),
        (FROM | {"fit": "squash"}, "fit is 'squash'; choose one of: resize, crop, fill"),
        (FROM | {"mask": NAME}, "but image-to-image takes none"),
        (FROM | {"task": "inpaint"}, "mask is missing: mark what is to be repainted"),
        (MASKED | {"fill": "magic"}, "fill is 'magic'; choose one of: original, noise, blank"),
        (MASKED | {"mask_blur": 65}, "mask_blur is 65"),
        (MASKED | {"mask_blur": 0.5}, "mask_blur is 0.5: a whole number"),
        (MASKED | {"padding": -1}, "padding is -1"),
        (MASKED | {"invert_mask": "yes"}, "invert_mask is 'yes': give true or false"),
    ],
)
def test_bad_fields_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as caught:
        Request.from_dict({"model": "m", "prompt": "a"} | change).check()
    assert words in str(caught.value)


def test_tasks_that_begin_with_a_picture_say_which_and_how_many_steps_are_made() -> None:
    for more in (FROM, MASKED | {"padding": None}, MASKED | {"padding": 32, "strength": 1.0}):
        request = Request.from_dict({"model": "m", "prompt": "a", "steps": 50} | more)
        assert Request.from_dict(json.loads(json.dumps(request.used()))).check() == request
        assert request.pictures == {k: v for k, v in more.items() if k in ("image", "mask")}
        assert request.executed == int(50 * request.strength)
    assert Request("m", "a", steps=50).executed == 50
    depth = Request("m", "a", task="depth-to-image", image=NAME, depth_map="1" * 64)
    assert list(depth.check().pictures) == ["image", "depth_map"]


def test_an_unconditional_request_needs_no_prompt_and_no_multiple_of_eight() -> None:
    request = Request("m", task="unconditional", width=28, height=28)
    assert request.check() is request


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheduler": "Flow Euler"}, "Flow Euler is for flow models, and this is a diffusion"),
        ({"scheduler": "DDIM inverse"}, "leads from a picture to noise"),
        ({"steps": 101}, "steps is 101: this model was trained on 100 timesteps"),
        ({"changes": [{"call": 2, "steps": 101}]}, "steps is 101"),
        ({"changes": [{"call": 2, "scheduler": "EDM Euler"}]}, "is for EDM models"),
    ],
)
def test_what_a_model_cannot_do_is_told_by_its_settings(change: dict[str, Any], words: str) -> None:
    settings = {"_class_name": "DDPMScheduler", "num_train_timesteps": 100}
    request = Request.from_dict({"model": "m", "prompt": "a", "steps": 100})
    assert request.check().check_for(settings) is request
    with pytest.raises(RequestError) as caught:
        Request.from_dict(request.to_dict() | change).check().check_for(settings)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schedule_type": "Beta"}, "schedule_type is 'Beta': Beta is not for EDMEulerScheduler"),
        ({"scheduler": "EDM DPM++ 2M Simple"}, "choose Automatic or Karras or Exponential"),
        (
            {"scheduler": "EDM DPM++ 2M", "schedule_type": "AYS"},
            "not for EDM DPM++ 2M with EDM models",
        ),
        ({"changes": [{"call": 2, "schedule_type": "DDIM"}]}, "schedule_type is 'DDIM'"),
        ({"changes": [{"call": 2, "scheduler": "EDM Euler Normal"}]}, "schedule_type is 'Normal'"),
    ],
)
def test_a_schedule_type_has_to_fit_as_well(change: dict[str, Any], words: str) -> None:
    settings = {"_class_name": "EDMEulerScheduler", "num_train_timesteps": 100}
    fine = {"changes": [{"call": 2, "scheduler": "EDM DPM++ 2M"}, {"call": 3, "scheduler": ""}]}
    request = Request.from_dict({"model": "m", "prompt": "a", "schedule_type": "Karras"} | fine)
    assert request.check().check_for(settings) is request
    with pytest.raises(RequestError) as caught:
        asked = request.to_dict() | {"schedule_type": ""} | change
        Request.from_dict(asked).check().check_for(settings)
    assert words in str(caught.value)


def test_unknown_fields_are_named() -> None:
    with pytest.raises(RequestError, match="colour"):
        Request.from_dict({"model": "m", "colour": "red"})
