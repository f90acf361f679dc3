from typing import Any

import pytest

from engine.errors import RequestError
from ui.request import request_from

PAGE: dict[str, Any] = {
    "model": "tabletop",
    "prompt": "a cube",
    "negative_prompt": "",
    "scheduler": "DPM++ 2M",
    "schedule_type": "Karras",
    "steps": 25.0,
    "guidance_scale": 5,
    "width": 64,
    "height": 64,
    "seed": 3,
    "batch_size": 2,
    "variation_seed": 3,
    "variation_strength": 0.5,
    "count": 1,
}


def test_values_reach_the_request_by_name() -> None:
    request = request_from(task="text-to-image", random_seed=False, **PAGE)
    assert request.used() == PAGE | {"task": "text-to-image", "changes": []}
    assert isinstance(request.steps, int)


def test_a_new_seed_leaves_room_for_all_pictures() -> None:
    values = PAGE | {"seed": None, "count": 100}
    seeds = {request_from(task="text-to-image", random_seed=True, **values).seed for _ in range(9)}
    assert len(seeds) == 9


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("model", None),
        ("steps", None),
        ("steps", 0),
        ("steps", 2.5),
        ("steps", "7"),
        ("steps", True),
        ("steps", float("nan")),
        ("steps", float("inf")),
        ("width", 60),
        ("seed", -1),
        ("count", 101),
        ("guidance_scale", None),
        ("guidance_scale", 51),
        ("scheduler", "Eulr"),
        ("schedule_type", "Caras"),
        ("scheduler", "Euler Beta"),
    ],
)
def test_a_wrong_value_is_named(field: str, value: object) -> None:
    with pytest.raises(RequestError, match=field.replace("_", "[_ ]")):
        request_from(task="text-to-image", **(PAGE | {field: value}))


@pytest.mark.parametrize("only", [True, False])
def test_the_marked_part_alone_has_a_padding(only: bool) -> None:
    names = {"image": "0" * 64, "mask": "1" * 64, "padding": 32, "strength": 1}
    request = request_from(task="inpaint", only_marked=only, **PAGE, **names)
    assert request.padding == (32 if only else None) and request.image == "0" * 64


def test_a_task_without_a_prompt_needs_none() -> None:
    values = {name: PAGE[name] for name in ("model", "scheduler", "steps", "seed", "count")}
    assert request_from(task="unconditional", **values).prompt == ""
    with pytest.raises(RequestError, match="prompt"):
        request_from(task="text-to-image", **values)
