import json
from typing import Any

import pytest

from engine.errors import RequestError
from ui.presets import LONGEST, MOST, read_presets


def test_what_was_exported_is_read() -> None:
    told = {"task": "inpaint", "settings": {"steps": 7}, "presets": {"mine": {"prompt": "a"}}}
    assert read_presets(json.dumps(told).encode()) == ({"steps": 7}, {"mine": {"prompt": "a"}})
    assert read_presets(b"{}") == ({}, {})


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (b"", "no JSON that was exported here"),
        (b"\xff\xfe", "no JSON that was exported here"),
        (b"[" * 100_000, "no JSON that was exported here"),
        (b" " * (MOST + 1), "more than 1,000,000 bytes"),
        (["steps"], "no JSON that was exported here"),
        ({"settings": 5}, "no JSON that was exported here"),
        ({"presets": {"mine": 5}}, "no JSON that was exported here"),
        ({"presets": {" ": {}}}, "name of a preset"),
        ({"presets": {"a" * (LONGEST + 1): {}}}, "name of a preset"),
        ({"presets": {"mine": {"steps": 0}}}, "steps is 0"),
        ({"settings": {"seed": -1}}, "seed is -1"),
        ({"settings": {"unheard": 1}}, "unheard is no setting"),
    ],
)
def test_any_other_file_is_told(told: Any, why: str) -> None:
    data = told if isinstance(told, bytes) else json.dumps(told).encode()
    with pytest.raises(RequestError, match=why):
        read_presets(data)
