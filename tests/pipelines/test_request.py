"""Requests: checked field by field, and carried as JSON without loss."""

import json
from typing import Any

import pytest

from engine.errors import RequestError
from engine.pipelines.request import Request


def test_round_trip() -> None:
    request = Request("m", "a", "b", "Euler", 7, 2.5, 64, 72, 9, 2)
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
        ({"count": 17}, "count is 17"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 10**400}, "it must be from 0 to 4294967295"),
        ({"seed": 2**32 - 1, "count": 2}, "runs out"),
        ({"task": "unconditional"}, "prompt is 'a', but an unconditional model reads no text"),
        ({"task": "unconditional", "prompt": "", "negative_prompt": "b"}, "negative_prompt is 'b'"),
        ({"task": "unconditional", "prompt": "", "width": -8}, "width is -8"),
    ],
)
def test_bad_fields_are_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as caught:
        Request.from_dict({"model": "m", "prompt": "a"} | change).check()
    assert words in str(caught.value)


def test_an_unconditional_request_needs_no_prompt_and_no_multiple_of_eight() -> None:
    request = Request("m", task="unconditional", width=28, height=28)
    assert request.check() is request


def test_unknown_fields_are_named() -> None:
    with pytest.raises(RequestError, match="colour"):
        Request.from_dict({"model": "m", "colour": "red"})
