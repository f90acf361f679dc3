"""What models, schedulers and pipelines return is read in the three ways of diffusers."""

from typing import Any

import pytest

from engine.models.autoencoder_kl import AutoencoderKLOutput, DecoderOutput
from engine.models.unet2d import UNet2DOutput
from engine.models.unet2d_condition import UNet2DConditionOutput
from engine.pipelines import PipelineOutput
from engine.schedulers import SchedulerOutput

OUTPUTS: list[Any] = [
    AutoencoderKLOutput,
    DecoderOutput,
    PipelineOutput,
    SchedulerOutput,
    UNet2DConditionOutput,
    UNet2DOutput,
]


@pytest.mark.parametrize("cls", OUTPUTS)
def test_by_attribute_by_place_and_by_key(cls: Any) -> None:
    output = cls(*range(len(cls._fields)))
    for place, name in enumerate(cls._fields):
        assert getattr(output, name) == output[place] == output[name] == place
    assert output[:1] == (0,) and [*output] == list(range(len(output)))
    for name in ("nothing", "count"):
        with pytest.raises(KeyError, match=f"'{name}'; there are: {cls._fields[0]}"):
            output[name]
