from html import escape
from pathlib import Path
from typing import Any

import pytest

from engine.checkpoints.catalog import ModelInfo, find_model
from engine.schedulers.registry import SCHEDULERS, unfit, unfit_type
from engine.schedulers.schedule_types import SCHEDULE_TYPES
from tests.ui.stub import stub_models
from ui.samplers import sampler_choices, type_choices, unoffered

KINDS: dict[str, dict[str, Any]] = {
    "diffusion": {"_class_name": "DDIMScheduler", "prediction_type": "epsilon"},
    "flow": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
    "EDM": {"_class_name": "EDMEulerScheduler"},
}


def model(kind: str) -> ModelInfo:
    config = KINDS[kind]
    return ModelInfo("m", Path(), "P", (), 8, 8, config["_class_name"], config, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_every_sampler_is_offered_or_it_is_said_why_not(kind: str) -> None:
    (own, empty), *offered = sampler_choices(model(kind))
    assert (own.startswith("Model's own ("), empty) == (True, "")
    note = unoffered(model(kind), "")
    left = [name for name in SCHEDULERS if (name, name) not in offered]
    assert 0 < len(left) < len(SCHEDULERS)
    types = [name for name in SCHEDULE_TYPES if unfit_type(name, "", KINDS[kind])]
    assert note.count("<li>") == len(left) + len(types)
    assert f"{len(left)} samplers do not fit" in note
    assert not types or f"{len(types)} schedule types do not fit" in note
    assert all(escape(unfit_type(name, "", KINDS[kind])) in note for name in types)
    assert all(unfit(name, KINDS[kind]) in note for name in left)


def test_the_models_own_is_named_as_in_the_list(tmp_path: Path) -> None:
    info = find_model(stub_models(tmp_path), "stub")
    assert sampler_choices(info)[0] == ("Model's own (DDIM)", "")
    assert sampler_choices(None) == [("Model's own", "")]
    assert unoffered(None, "") == ""


def test_only_the_schedule_types_that_fit_are_offered() -> None:
    def names(kind: str, sampler: str | None) -> list[str]:
        choices = type_choices(model(kind), sampler)
        assert choices[0] == ("Automatic", "")
        return [name for name, _ in choices[1:]]

    assert len(names("diffusion", "")) == len(SCHEDULE_TYPES) - 1
    assert names("EDM", "EDM DPM++ 2M") == ["Karras", "Exponential"]
    assert names("flow", "UniPC") == names("flow", None) == ["Karras", "Exponential", "Beta"]
    assert names("flow", "Flow Heun") == []
    assert len(type_choices(None)) == len(type_choices(None, "")) == len(SCHEDULE_TYPES)
