from pathlib import Path
from typing import Any

import pytest

from engine.checkpoints.catalog import ModelInfo, find_model
from engine.schedulers.registry import SCHEDULERS, unfit
from tests.ui.stub import stub_models
from ui.samplers import sampler_choices, unoffered

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
    note = unoffered(model(kind))
    left = [name for name in SCHEDULERS if (name, name) not in offered]
    assert 0 < len(left) < len(SCHEDULERS)
    assert note.count("<li>") == len(left)
    assert f"{len(left)} samplers do not fit" in note
    assert all(unfit(name, KINDS[kind]) in note for name in left)


def test_the_models_own_is_named_as_in_the_list(tmp_path: Path) -> None:
    info = find_model(stub_models(tmp_path), "stub")
    assert sampler_choices(info)[0] == ("Model's own (DDIM)", "")
    assert sampler_choices(None) == [("Model's own", "")]
    assert unoffered(None) == ""
