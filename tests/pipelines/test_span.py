"""Parts of a schedule: two of them, one after the other, are the whole."""

from typing import Any

import pytest
import torch

from engine import DiffusionPipeline
from engine.pipelines import Control
from engine.pipelines.span import Span
from engine.schedulers import scheduler_named
from tests.compare import relative_error
from tests.pipelines.drain import drain
from tests.pipelines.parity import blob, painting, seeded
from tests.samplers import SAMPLERS
from tests.xl import PUBLISHED

FORGETFUL = ("DDIM", "Euler", "Heun", "DPM2")
"""Samplers whose steps draw nothing, and know nothing of those before."""
PICTURE, MASK = painting(), blob((12, 20, 44, 52))


@pytest.fixture(scope="module")
def pipeline(tiny_xl_checkpoint: Any) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_xl_checkpoint)


@pytest.mark.parametrize("part", [0.25, 0.6])
@pytest.mark.parametrize("sampler", FORGETFUL)
def test_two_parts_are_the_whole(sampler: str, part: float, pipeline: Any) -> None:
    pipeline.scheduler = scheduler_named(sampler, PUBLISHED)
    last = pipeline.as_task("image-to-image")
    call = {"num_inference_steps": 9, "output_type": "latent"}
    whole = pipeline("a", generator=seeded(), **call).images
    begun = pipeline("a", generator=seeded(), denoising_end=part, **call).images
    ended = last("a", image=begun, denoising_start=part, **call).images
    assert relative_error(ended, whole) <= 1e-5
    assert relative_error(begun, whole) > 1e-2


@pytest.mark.parametrize("checkpoint", ["tiny_xl_checkpoint", "tiny_xl_inpaint_checkpoint"])
@pytest.mark.parametrize("sampler", FORGETFUL)
def test_two_parts_of_what_is_repainted(
    sampler: str, checkpoint: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(checkpoint)
    repaint: Any = DiffusionPipeline.from_pretrained(folder).as_task("inpaint")
    repaint.scheduler = scheduler_named(sampler, PUBLISHED)
    # the latents of the picture are drawn in the same order in both parts
    call = {"image": PICTURE, "mask_image": MASK, "num_inference_steps": 6, "strength": 1.0}
    call |= {"output_type": "latent"}
    whole = repaint("a", generator=seeded(), **call).images
    begun = repaint("a", generator=seeded(), denoising_end=0.5, **call).images
    ended = repaint("a", generator=seeded(), denoising_start=0.5, latents=begun, **call).images
    assert relative_error(ended, whole) <= 1e-5


@pytest.mark.parametrize("part", [0.1, 0.4, 0.75, 0.93])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_no_step_is_divided_left_out_or_made_twice(sampler: str, part: float) -> None:
    scheduler = scheduler_named(sampler, PUBLISHED)
    scheduler.set_timesteps(20)
    first, second = Span(end=part), Span(start=part)
    stop, begin = first.stop(scheduler, 0), second.begin(scheduler, 20)
    assert 0 < stop == begin < len(scheduler.points)
    assert scheduler.points[begin].stage == 0
    cutoff = 1000 - round(1000 * part)
    assert scheduler.points[begin].timestep < cutoff <= scheduler.points[0].timestep
    assert Span(start=0.0).begin(scheduler, 20) == 0
    assert second.stop(scheduler, begin) == len(scheduler.points)


def test_progress_tells_the_part(pipeline: Any) -> None:
    pipeline.scheduler = scheduler_named("Heun", PUBLISHED)
    seen, _ = drain(pipeline.stream("a", num_inference_steps=10, denoising_end=0.55))
    steps = sum(t >= 450 for t in pipeline.scheduler.timesteps.unique().tolist())
    assert {(one.total, one.calls) for one in seen} == {(steps, 2 * steps)}
    assert [one.call for one in seen] == list(range(1, 2 * steps + 1))
    assert seen[-1].whole and seen[-1].step == steps


@pytest.mark.parametrize("change", [{"scheduler": "DDIM"}, {"steps": 20}, {"steps": 5}])
@pytest.mark.parametrize("before", [0, 2])
def test_a_change_on_the_way_ends_at_the_same_noise(
    change: dict[str, Any], before: int, pipeline: Any
) -> None:
    pipeline.scheduler = scheduler_named("Euler", PUBLISHED)
    control = Control()
    run = pipeline.stream("a", num_inference_steps=10, denoising_end=0.6, control=control)
    for _ in range(before):
        next(run)
    control.change(**change)
    seen, _ = drain(run)
    assert seen[0].taken and not seen[0].taken[0].refused
    assert seen[-1].step == seen[-1].total
    points = seen[-1].scheduler.points
    assert points[seen[-1].point.index].timestep >= 400 - 1
    assert points[seen[-1].point.index + 1].timestep < 400 + 1
    assert torch.isfinite(seen[-1].latents).all()
