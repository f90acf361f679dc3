"""Public calls take the arguments of diffusers, by the same names and in the same order."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import diffusers
import pytest
import torch

import engine
from engine.errors import EngineError
from engine.neutral import LOADING, NEUTRAL


class Call(NamedTuple):
    """left_out: what diffusers takes and ours does not, on purpose. own: what only ours takes."""

    name: str
    left_out: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()


LOADED = {"variant", "dtype", "torch_dtype", "use_safetensors"}
FROM_HUB = {"revision", "cache_dir", "token", "local_files_only"}
FLASHPACK = frozenset({"use_flashpack"})  # a file format of one library
CALLS = [
    Call("AutoencoderKL.decode"),
    Call("AutoencoderKL.encode"),
    Call("AutoencoderKL.forward"),
    Call("DDIMScheduler.from_pretrained", own=frozenset(FROM_HUB)),
    Call("DDIMScheduler.save_pretrained"),
    Call("DiffusionPipeline.from_pretrained", own=frozenset(FROM_HUB | LOADED)),
    Call("DiffusionPipeline.save_pretrained", left_out=FLASHPACK),
    Call("DiffusionPipeline.to"),
    Call("UNet2DConditionModel.forward"),
    Call("UNet2DModel.forward"),
    Call("UNet2DModel.from_pretrained", own=frozenset(FROM_HUB | LOADED | {"subfolder"})),
    Call("UNet2DModel.num_parameters"),
    Call("UNet2DModel.save_pretrained", left_out=FLASHPACK),
]


def named(library: Any, path: str) -> Any:
    for name in path.split("."):
        library = getattr(library, name)
    return library


def arguments(call: Callable[..., Any]) -> list[str]:
    """The names before any `**kwargs`, which diffusers has nearly everywhere."""
    parameters = inspect.signature(call).parameters.values()
    return [one.name for one in parameters if one.kind is not one.VAR_KEYWORD]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_arguments_are_those_of_diffusers(call: Call) -> None:
    ours, theirs = (arguments(named(library, call.name)) for library in (engine, diffusers))
    assert call.left_out <= set(theirs) and not call.own & set(theirs)
    shared = [name for name in theirs if name not in call.left_out]
    assert ours[: len(shared)] == shared
    assert set(ours[len(shared) :]) == call.own


@pytest.mark.parametrize("name", NEUTRAL)
def test_what_changes_nothing_is_taken_at_its_neutral_value_alone(
    name: str, tiny_checkpoint: Path, tiny_ddpm_checkpoint: Path, tmp_path: Path
) -> None:
    neutral, instead = NEUTRAL[name]
    noise = torch.zeros(1, 4, 16, 16)
    unet = engine.UNet2DConditionModel.from_pretrained(tiny_checkpoint / "unet")
    calls: list[tuple[Callable[..., Any], bool]] = [
        (functools.partial(unet.forward, noise, 1, torch.zeros(1, 7, 24)), False),
        (unet.num_parameters, False),
    ]
    for cls in (engine.UNet2DModel, engine.DDPMScheduler, engine.DiffusionPipeline):
        load = functools.partial(cls.from_pretrained, tiny_ddpm_checkpoint)
        calls += [(load, True), (functools.partial(load().save_pretrained, tmp_path), False)]
    taken = 0
    for call, loads in calls:
        if (loads and name in LOADING) or name in inspect.signature(call).parameters:
            taken += 1
            call(**{name: neutral})
            with pytest.raises(EngineError, match=name) as caught:
                call(**{name: not neutral})
            assert instead in str(caught.value)
    assert taken


@pytest.mark.parametrize("name", ["AutoencoderKL", "UNet2DConditionModel", "UNet2DModel"])
def test_constructors_take_the_settings_of_diffusers(name: str) -> None:
    ours, theirs = named(engine, name), named(diffusers, name)
    parameters = inspect.signature(theirs.__init__).parameters
    defaults = {key: one.default for key, one in parameters.items() if key != "self"}
    positional = [
        key
        for key, one in inspect.signature(ours.__init__).parameters.items()
        if one.kind is one.POSITIONAL_OR_KEYWORD
    ]
    assert positional == list(parameters)[: len(positional)]
    with torch.device("meta"):
        assert dict(ours().config) == dict(ours(**defaults).config) == defaults
        assert ours(**defaults).config.given == set(defaults)
        for key in ours.only:
            with pytest.raises(EngineError, match=f"{key} is 'other', supported is only"):
                ours(**{key: "other"})


def test_misspelt_arguments_of_a_model_are_told(tiny_ddpm_checkpoint: Path) -> None:
    with pytest.raises(TypeError, match="torch_dtyp"):
        engine.UNet2DModel.from_pretrained(tiny_ddpm_checkpoint, torch_dtyp=torch.float16)


def test_keywords_move_and_cast_a_pipeline(tiny_ddpm_checkpoint: Path) -> None:
    pipeline = engine.DiffusionPipeline.from_pretrained(tiny_ddpm_checkpoint)
    assert pipeline.to(device="cpu", dtype=torch.float16) is pipeline
    assert (pipeline.device.type, pipeline.dtype) == ("cpu", torch.float16)
