"""Settings that change in the course of a run."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import engine
from engine import DiffusionPipeline
from engine.errors import EngineError
from engine.pipelines import Control, Request
from engine.pipelines.changes import Change
from engine.schedulers import scheduler_named
from tests.compare import relative_error
from tests.pipelines.drain import drain
from tests.pipelines.live import live
from tests.samplers import SAMPLERS

ASKED = Request("tiny", "a red ball", negative_prompt="b", scheduler="Euler", steps=8, seed=3)

CHANGES: dict[str, dict[str, Any]] = {
    "sampler": {"scheduler": "DPM++ 2M"},
    "combined name": {"scheduler": "Heun Karras"},
    "the model's own": {"scheduler": ""},
    "schedule type": {"schedule_type": "Karras"},
    "type by the table": {"schedule_type": "Simple"},
    "guidance": {"guidance_scale": 2.0},
    "guidance off": {"guidance_scale": 1.0},
    "more steps": {"steps": 12},
    "fewer steps": {"steps": 6},
    "fewer steps than done": {"steps": 2},
    "all at once": {
        "scheduler": "Euler a",
        "schedule_type": "Beta",
        "guidance_scale": 0.0,
        "steps": 10,
    },
}


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint: Path) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def unconditional(tiny_ddpm_checkpoint: Path) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_ddpm_checkpoint)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_takes_effect_and_its_record_makes_the_same_picture(
    name: str, pipeline: Any
) -> None:
    change, plain = CHANGES[name], live(pipeline, ASKED)
    lived = live(pipeline, ASKED, {3: change})
    assert [(one.change, one.refused) for one in lived.taken] == [(Change(3, **change), "")]
    assert lived.seen[3].taken == tuple(lived.taken)
    assert lived.image != plain.image
    assert all(torch.isfinite(progress.latents).all() for progress in lived.seen)
    for ours, theirs in zip(lived.seen[:3], plain.seen, strict=False):
        assert torch.equal(ours.latents, theirs.latents)
    record = Request.from_dict(json.loads(json.dumps(lived.record.to_dict()))).check()
    assert live(pipeline, record).image == lived.image


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_before_the_first_call_is_that_of_the_request(name: str, pipeline: Any) -> None:
    change = CHANGES[name]
    asked = live(pipeline, replace(ASKED, **change))
    lived = live(pipeline, ASKED, {0: change})
    assert lived.image == asked.image
    assert len(lived.seen) == len(asked.seen)
    assert live(pipeline, lived.record).image == asked.image


@pytest.mark.parametrize("name", SAMPLERS)
def test_from_and_to_every_sampler(name: str, unconditional: Any) -> None:
    other = "Euler" if name != "Euler" else "DDIM"
    for first, second in ((name, other), (other, name)):
        asked = Request("tiny-ddpm", task="unconditional", scheduler=first, steps=6, seed=3)
        lived = live(unconditional, asked, {3: {"scheduler": second}})
        assert [one.refused for one in lived.taken] == [""]
        assert all(torch.isfinite(progress.latents).all() for progress in lived.seen)
        kinds = {type(progress.scheduler).__name__ for progress in lived.seen}
        assert len(kinds) == 2
        # the sample goes on from the level that it has, and the model sees it as it would have
        call = lived.taken[0].change.call
        as_before = live(unconditional, asked).seen[call]
        assert lived.seen[call].point.sigma == as_before.point.sigma
        x_and_eps = [seen.sizes[::2] for seen in (lived.seen[call], as_before)]
        assert relative_error(*x_and_eps) <= 1e-3
        sigmas = [p.point.sigma for p in lived.seen if p.point.stage == 0]
        assert sigmas == sorted(sigmas, reverse=True)
        assert live(unconditional, lived.record).image == lived.image


@pytest.mark.parametrize(("first", "second"), [(5.0, 1.0), (1.0, 5.0), (0.0, 0.5)])
def test_guidance_crosses_one_either_way(first: float, second: float, pipeline: Any) -> None:
    asked = replace(ASKED, guidance_scale=first)
    lived = live(pipeline, asked, {4: {"guidance_scale": second}})
    whole = live(pipeline, replace(ASKED, guidance_scale=second))
    assert (lived.image == live(pipeline, asked).image) is (max(first, second) <= 1)
    assert (lived.image == whole.image) is (max(first, second) <= 1)
    assert live(pipeline, lived.record).image == lived.image


@pytest.mark.parametrize(
    ("scheduler", "steps", "calls"),
    [("Euler", 12, 12), ("Euler", 5, 5), ("Euler", 2, 4), ("Heun", 12, 24), ("PNDM", 12, 13)],
)
def test_so_many_steps_are_left(scheduler: str, steps: int, calls: int, pipeline: Any) -> None:
    lived = live(pipeline, replace(ASKED, scheduler=scheduler), {3: {"steps": steps}})
    last = lived.seen[-1]
    assert len(lived.seen) == last.calls
    assert abs(last.calls - calls) <= (scheduler != "Euler")
    assert [progress.call for progress in lived.seen] == list(range(1, last.calls + 1))
    assert last.step == last.total == max(steps, 4)
    assert lived.seen[-1].point.next_sigma <= 0.03


def test_a_change_waits_for_the_end_of_a_step(pipeline: Any) -> None:
    lived = live(pipeline, replace(ASKED, scheduler="Heun"), {3: {"scheduler": "Euler"}})
    assert [progress.point.stage for progress in lived.seen[:5]] == [0, 1, 0, 1, 0]
    assert [one.change for one in lived.taken] == [Change(4, scheduler="Euler")]


def test_a_sampler_without_a_schedule_type_keeps_the_present_one(pipeline: Any) -> None:
    asked = replace(ASKED, scheduler="Euler Karras")
    lived = live(pipeline, asked, {2: {"scheduler": "DPM++ 2M"}, 4: {"scheduler": "Heun Beta"}})
    second, third = (lived.seen[call].scheduler.config for call in (2, 4))
    assert second.use_karras_sigmas
    assert third.use_beta_sigmas and not third.use_karras_sigmas


def test_several_changes_at_once_are_taken_in_order(pipeline: Any) -> None:
    control = Control()
    run = pipeline.stream_request(ASKED, control)
    next(run), next(run)
    control.change(scheduler="DDIM", steps=9)
    control.change(scheduler="Flow Euler")
    control.change(steps=8)
    control.change(guidance_scale=ASKED.guidance_scale)  # is so already
    progress = next(run)
    assert [bool(one.refused) for one in progress.taken] == [False, True, False]
    assert type(progress.scheduler).__name__ == "DDIMScheduler"
    assert progress.total == 8


def test_of_a_flood_only_the_newest_is_met(pipeline: Any) -> None:
    control = Control()
    run = pipeline.stream_request(ASKED, control)
    next(run)
    for steps in [6, 7, 9] * 500:
        control.change(steps=steps)
        control.change(scheduler="DDIM" if steps == 9 else "Heun")
    progress = next(run)
    assert [one.change.settings for one in progress.taken] == [{"steps": 9}, {"scheduler": "DDIM"}]


def test_a_control_keeps_nothing_of_a_request_for_the_next_run(pipeline: Any) -> None:
    control = Control()
    drain(pipeline.stream_request(replace(ASKED, scheduler="Heun"), control))
    progress = next(pipeline.stream("a", num_inference_steps=3, control=control))
    assert type(progress.scheduler) is type(pipeline.scheduler)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scheduler": "Flow Euler"}, "is for flow models, and this is a diffusion model"),
        ({"scheduler": "EDM Euler"}, "is for EDM models"),
        ({"scheduler": "DDIM inverse"}, "leads from a picture to noise"),
        ({"scheduler": "Oiler"}, "Nearest: Euler"),
        ({"schedule_type": "Kara"}, "Nearest: Karras"),
        ({"scheduler": "Euler Karras", "schedule_type": "Beta"}, "say one"),
        ({"guidance_scale": float("nan")}, "guidance_scale is nan"),
        ({"guidance_scale": 51}, "it must be from 0 to 50"),
        ({"steps": 0}, "steps is 0"),
        ({"steps": 2.5}, "steps is 2.5"),
        ({"steps": 1001}, "steps is 1001"),
        ({"scheduler": 5}, "scheduler is 5"),
    ],
)
def test_what_cannot_be_is_refused_and_the_run_goes_on(
    change: dict[str, Any], words: str, pipeline: Any
) -> None:
    lived = live(pipeline, ASKED, {3: change})
    (taken,) = lived.taken
    assert words in taken.refused
    assert taken.change.settings == change or "nan" in words
    assert lived.record == ASKED
    assert lived.image == live(pipeline, ASKED).image


def test_more_steps_than_the_model_was_trained_on(pipeline: Any) -> None:
    own = pipeline.scheduler
    short = type(own).from_config(own.config, num_train_timesteps=10)
    try:
        pipeline.scheduler = short
        (taken,) = live(pipeline, ASKED, {3: {"steps": 11}}).taken
    finally:
        pipeline.scheduler = own
    assert "steps is 11: this model was trained on 10 timesteps" in taken.refused


@pytest.mark.parametrize(
    "cls",
    [
        *("FlowMatchEulerDiscreteScheduler", "EDMEulerScheduler", "IPNDMScheduler"),
        *("CMStochasticIterativeScheduler", "DDIMInverseScheduler"),
    ],
)
def test_a_scheduler_of_another_family_is_refused(cls: str, pipeline: Any) -> None:
    own = pipeline.scheduler
    try:
        pipeline.scheduler = getattr(engine, cls).from_config(own.config)
        with pytest.raises(EngineError, match=rf"{cls} .*Give the pipeline a scheduler that fits"):
            pipeline("a red ball", num_inference_steps=2)
    finally:
        pipeline.scheduler = own


def test_a_model_without_texts_has_no_guidance_to_change(unconditional: Any) -> None:
    asked = Request("tiny-ddpm", task="unconditional", steps=6, seed=3)
    lived = live(unconditional, asked, {2: {"guidance_scale": 3.0}, 3: {"scheduler": "Euler a"}})
    refused, taken = lived.taken
    assert "reads no text" in refused.refused
    assert taken.change == Change(3, scheduler="Euler a")
    assert live(unconditional, lived.record).image == lived.image


def test_a_change_that_comes_too_late_is_nothing(pipeline: Any) -> None:
    lived = live(pipeline, ASKED, {8: {"steps": 20}})
    assert lived.taken == [] and len(lived.seen) == 8


def test_the_pipeline_keeps_its_own_scheduler(pipeline: Any) -> None:
    own = pipeline.scheduler
    before = live(pipeline, replace(ASKED, scheduler="")).image
    live(pipeline, ASKED, {2: {"scheduler": "UniPC Karras"}})
    assert pipeline.scheduler is own
    assert live(pipeline, replace(ASKED, scheduler="")).image == before


def test_the_library_takes_changes_too(pipeline: Any) -> None:
    control = Control()
    run = pipeline.stream("a", num_inference_steps=6, control=control)
    next(run)
    control.change(scheduler="Heun")
    seen, _ = drain(run)
    assert type(seen[-1].scheduler).__name__ == "HeunDiscreteScheduler"
    with pytest.raises(TypeError, match="colour"):
        control.change(colour="red")


@pytest.fixture
def opened(pipeline: Any) -> Iterator[list[str]]:
    """The files that are opened while `watching` is on."""
    found: list[str] = []
    watching = [True]

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open":
            found.append(str(arguments[0]))

    for name in SAMPLERS:  # modules are read when they are first used
        scheduler_named(name, pipeline.scheduler.config)
    sys.addaudithook(note)  # it cannot be taken away again
    yield found
    watching.clear()


@pytest.mark.parametrize("kind", ["", "Karras", "Simple"])
def test_a_swap_reads_nothing(kind: str, pipeline: Any, opened: list[str]) -> None:
    for name in SAMPLERS:
        made = scheduler_named(name, pipeline.scheduler.config, kind)
        made.set_timesteps(20)
    assert opened == []
    (Path(__file__)).read_bytes()
    assert opened == [__file__]
