"""Configurations: frozen, and honest about what was given."""

import copy
import pickle
from pathlib import Path

import pytest

from engine.config import Config, Configured, configured
from engine.errors import CheckpointError


class Thing(Configured):
    config_name = "thing.json"

    @configured
    def __init__(self, size: int = 3, names: tuple[str, ...] = ("a",)) -> None:
        self.seen = size


class Relative(Configured):
    config_name = "thing.json"

    @configured
    def __init__(self, size: int = 5, other: int = 1) -> None:
        self.seen = size


def test_a_write_raises() -> None:
    config = Thing().config
    with pytest.raises(TypeError, match="frozen"):
        config.size = 4
    with pytest.raises(TypeError):
        config["size"] = 4
    with pytest.raises(TypeError):
        Config({"deep": {"a": 1}}).deep["a"] = 2
    assert config.size == config["size"] == 3


def test_unknown_setting_lists_the_known() -> None:
    with pytest.raises(AttributeError, match="size, names"):
        _ = Thing().config.colour


def test_round_trip_keeps_what_is_not_understood(tmp_path: Path) -> None:
    thing = Thing.from_config({"size": 7, "_class_name": "Thing", "future": [1, 2]})
    assert thing.seen == 7 and thing.config.given == {"size", "future"}
    thing.save_config(tmp_path)
    again = Thing.from_config(Config.load(tmp_path / "thing.json"))
    assert again.config.to_dict() == thing.config.to_dict()
    assert again.config.future == (1, 2)


def test_a_relative_takes_only_what_was_given() -> None:
    assert Relative.from_config(Thing().config).seen == 5
    assert Relative.from_config(Thing(size=4).config).seen == 4
    assert Relative.from_config(Thing(4).config, size=9).seen == 9


def test_copies_are_equal() -> None:
    config = Thing(names=("x", "y")).config
    for other in (copy.deepcopy(config), pickle.loads(pickle.dumps(config))):  # noqa: S301
        assert other.to_dict() == config.to_dict() and other.given == config.given


@pytest.mark.parametrize("text", ["", "[1]", "{'a': 1}", "\x00"])
def test_bad_json_names_the_file(text: str, tmp_path: Path) -> None:
    path = tmp_path / "thing.json"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=r"thing\.json"):
        Config.load(path)
