"""What schedulers share: lookup, noise, scaling, state."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

import engine.schedulers
from engine.errors import EngineError
from engine.schedulers import SCHEDULERS
from tests.compare import relative_error
from tests.schedulers.cases import (
    BACKWARDS,
    BAD_SCHEDULES,
    BEFORE,
    CLASSES,
    OPTIONS,
    OWN,
    PLAIN,
    STARTS,
    STOCHASTIC,
    UPWARDS,
    predictions,
    spacings,
)
from tests.schedulers.mixture import ANSWERS
from tests.schedulers.oracle import (
    QUIET,
    STABLE_DIFFUSION,
    arrives,
    difference,
    fitting,
    keys,
    noise,
    pair,
    theirs,
    trajectory,
)

pytestmark = QUIET


def made(cls: str, steps: int | None = None, **config: Any) -> Any:
    """A scheduler of a class, with those of the settings that the class has."""
    settings = fitting(cls, STABLE_DIFFUSION | config)
    ours = getattr(engine.schedulers, cls)(**settings)
    if steps is not None:
        ours.set_timesteps(steps)
    return ours


def nearest(scheduler: Any, timesteps: torch.Tensor) -> torch.Tensor:
    """The same timesteps as another scheduler has them, whose last digits may differ."""
    if scheduler.timesteps is None:  # diffusers' PNDM before set_timesteps
        return timesteps
    gaps = (scheduler.timesteps[None] - timesteps[:, None]).abs()
    assert gaps.amin(1).max() <= 1e-3
    return scheduler.timesteps[gaps.argmin(1)]


@pytest.mark.parametrize(
    ("cls", "steps"),
    [
        (cls, steps)
        for cls in CLASSES
        if hasattr(theirs(cls), "add_noise")
        for steps in (None, 10)
        if steps or "beta_schedule" in keys(cls)
    ],
)
def test_add_noise(cls: str, steps: int | None) -> None:
    ours, oracle = pair(cls, **fitting(cls, STABLE_DIFFUSION))
    if steps is not None:
        ours.set_timesteps(steps)
        oracle.set_timesteps(steps)
    elif cls in BACKWARDS:
        oracle = theirs("DDIMScheduler")(**STABLE_DIFFUSION)
    begins = [point.index for point in ours.points if point.stage == 0]
    timesteps = ours.timesteps[[begins[1], begins[4]]]
    noised = ours.add_noise(noise(1), noise(2), timesteps)
    expected = oracle.add_noise(noise(1), noise(2), nearest(oracle, timesteps))
    assert relative_error(noised, expected) <= 1e-6


@pytest.mark.parametrize(
    "cls", [cls for cls in CLASSES if "v_prediction" in predictions(cls, {}) and cls not in OWN]
)
def test_velocity_gives_back_the_picture(cls: str) -> None:
    """A v-prediction model that answers `get_velocity` is one that knows the picture."""
    plain = PLAIN.get(cls, {}) | {"clip_sample": False}
    scheduler = made(cls, 10, prediction_type="v_prediction", **plain)
    for t in scheduler.timesteps[[0, 5, 9]]:
        timesteps = t.repeat(2)
        velocity = scheduler.get_velocity(noise(1), noise(2), timesteps)
        noised = scheduler.add_noise(noise(1), noise(2), timesteps)
        scheduler.reset()
        x0 = scheduler.step(velocity, t, noised).pred_original_sample
        assert relative_error(x0, noise(1)) <= 1e-4


def test_velocity_equals_diffusers() -> None:
    # Euler's there takes the schedule's index for a training timestep, and is not followed
    ours, theirs = pair("DDIMScheduler", **STABLE_DIFFUSION)
    timesteps = torch.tensor([3, 800])
    velocity = ours.get_velocity(noise(1), noise(2), timesteps)
    assert relative_error(velocity, theirs.get_velocity(noise(1), noise(2), timesteps)) <= 1e-6


@pytest.mark.parametrize(
    ("cls", "spacing"),
    [(cls, spacing) for cls in CLASSES for spacing in spacings(cls, keys(cls), {})],
)
def test_scaling(cls: str, spacing: str) -> None:
    config = fitting(cls, STABLE_DIFFUSION | {"timestep_spacing": spacing}) | PLAIN.get(cls, {})
    for steps in (1, 7, 30):
        ours, oracle = pair(cls, **config)
        ours.set_timesteps(steps)
        oracle.set_timesteps(steps)
        highest = getattr(oracle, "init_noise_sigma", 1.0)  # not so in diffusers' flow matching
        assert ours.init_noise_sigma == pytest.approx(float(highest), rel=1e-6)
        assert len(ours) == ours.config.num_train_timesteps
        if hasattr(oracle, "sigmas"):
            # theirs repeats those of a step that calls the model twice
            starts = slice(0, len(ours.timesteps), ours.order)
            torch.testing.assert_close(
                ours.sigmas[starts], oracle.sigmas[starts], rtol=1e-5, atol=0
            )
            torch.testing.assert_close(ours.sigmas[-1], oracle.sigmas[-1], rtol=1e-5, atol=0)
        scaled = ours.scale_model_input(noise(), ours.timesteps[-1])
        if hasattr(oracle, "scale_model_input"):
            expected = oracle.scale_model_input(noise(), oracle.timesteps[-1])
            assert relative_error(scaled, expected) <= 1e-6


@pytest.mark.parametrize("cls", CLASSES)
def test_a_timestep_may_be_an_element_a_copy_or_a_number(cls: str) -> None:
    scheduler = made(cls, 12, **PLAIN.get(cls, {}))
    for index, t in enumerate(scheduler.timesteps):
        scheduler.set_begin_index(index)  # PNDM has a timestep twice
        forms = (t, scheduler.timesteps[index : index + 1], t.clone(), t.item())
        assert [scheduler.point(form).index for form in forms] == [index] * 4


@pytest.mark.parametrize("cls", CLASSES)
def test_a_timestep_outside_the_schedule(cls: str) -> None:
    scheduler = made(cls, 4)
    with pytest.raises(EngineError, match=r"timestep 3 is not in .*nearest is"):
        scheduler.step(noise(), 3, noise())


@pytest.mark.parametrize("cls", CLASSES)
def test_a_loop_over_numbers_is_a_loop_over_elements(cls: str) -> None:
    scheduler = made(cls, 12)
    expected, _ = trajectory(scheduler)
    scheduler.set_timesteps(12)
    scheduler.timesteps = scheduler.timesteps.clone()
    walked, _ = trajectory(scheduler)
    assert all(torch.equal(a, b) for a, b in zip(walked, expected, strict=True))


def fakes(cls: str) -> list[dict[str, Any]]:
    """Settings whose steps are made of other operations."""
    kinds = [{"prediction_type": kind} for kind in made(cls).predictions()]
    return [*kinds, *OPTIONS[cls].values()]


@pytest.mark.parametrize(("cls", "settings"), [(c, s) for c in CLASSES for s in fakes(c)], ids=str)
def test_no_step_waits_for_the_device(cls: str, settings: dict[str, Any]) -> None:
    """Neither over a schedule of its own nor over the rest of another's."""
    scheduler = made(cls, **settings)
    learned = str(scheduler.config.get("variance_type")).startswith("learned")
    upwards = cls == UPWARDS or settings.get("invert_sigmas")
    schedules = [partial(scheduler.set_timesteps, 14), partial(scheduler.resume, 0.8, 6, 14)]
    with FakeTensorMode():
        for begin in schedules[:1] if upwards else schedules:  # upwards there is no rest
            begin()
            x = torch.empty(2, 3, 2, 2)
            scheduler.add_noise(x, x, scheduler.timesteps[3:4])
            for t in scheduler.timesteps:
                m = scheduler.scale_model_input(x, t)
                m = torch.cat([m, m], dim=1) if learned else m
                x = scheduler.step(m, t, x, **STOCHASTIC.get(cls, {})).prev_sample
            scheduler.add_noise(x, x, scheduler.timesteps[3:4])
            with pytest.raises(DataDependentOutputException):
                x.sum().item()


@pytest.mark.parametrize("cls", CLASSES)
def test_a_step_before_set_timesteps_leaves_nothing_behind(cls: str) -> None:
    scheduler = made(cls)
    torch.manual_seed(11)
    t = scheduler.timesteps[-3]
    first = scheduler.step(noise(1), t, noise())
    before = copy.deepcopy(vars(scheduler))
    torch.manual_seed(11)
    again = scheduler.step(noise(1), t.item(), noise())
    assert torch.equal(first.prev_sample, again.prev_sample)
    assert repr(before) == repr(vars(scheduler))
    scheduler.set_timesteps(12)
    trained = made(cls, 12)
    assert torch.equal(trajectory(scheduler)[0][-1], trajectory(trained)[0][-1])


@pytest.mark.parametrize(("cls", "steps"), BEFORE.items())
def test_a_step_before_set_timesteps_goes_to_the_timestep_below(
    cls: str, steps: int | None
) -> None:
    _, oracle = pair(cls, **fitting(cls, STABLE_DIFFUSION) | PLAIN.get(cls, {}))
    if steps is not None:
        oracle.set_timesteps(steps)
    t = oracle.timesteps[oracle.timesteps == 500][0]
    torch.manual_seed(11)
    expected = oracle.step(noise(1), t, noise()).prev_sample
    torch.manual_seed(11)
    assert relative_error(made(cls).step(noise(1), 500, noise()).prev_sample, expected) <= 1e-5


@pytest.mark.parametrize("cls", CLASSES)
def test_set_timesteps_forgets_the_last_run(cls: str) -> None:
    scheduler = made(cls, 6)
    first, _ = trajectory(scheduler)
    scheduler.set_timesteps(6)
    second, _ = trajectory(scheduler)
    assert torch.equal(first[-1], second[-1])


@pytest.mark.parametrize(
    ("cls", "start"),
    [
        (cls, start)
        for cls in CLASSES
        if STOCHASTIC.get(cls) != {}
        for start in STARTS.get(cls, (0, 1, 2, 5, 8, 14))
    ],
)
def test_every_point_lies_on_x0_plus_sigma_eps(cls: str, start: int) -> None:
    assert arrives(made(cls, 20, timestep_spacing="leading", clip_sample=False), start)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls != UPWARDS])
def test_levels_of_any_kind(cls: str) -> None:
    """Custom levels, and the rest of a schedule from a level that is none of its own."""
    scheduler = made(cls, clip_sample=False, clip_denoised=False)
    end = [] if scheduler.scaling == "flow" else [0.0]
    scheduler.set_timesteps(sigmas=[0.9, 0.6, 0.3, 0.1, *end])
    runs = [copy.copy(scheduler)]
    scheduler.resume(0.7, 4, 9)
    assert scheduler.points[0].sigma == 0.7
    assert scheduler.points[-1].next_sigma == pytest.approx(scheduler.end_sigma)
    for run in (*runs, scheduler):
        assert run.num_inference_steps == sum(point.stage == 0 for point in run.points) >= 4
        assert len(run.timesteps) == len(run.points) >= (4 - 1) * run.order + 1
        if STOCHASTIC.get(cls) == {}:
            assert all(sample.isfinite().all() for sample in trajectory(run)[0])
        else:
            assert arrives(run)


# PNDM blends what the model says as it is, and so depends on what that is
@pytest.mark.parametrize(
    "cls",
    [
        cls
        for cls in CLASSES
        if "prediction_type" in keys(cls) and cls not in ("PNDMScheduler", *OWN)
    ],
)
def test_what_a_model_says_may_be_put_in_any_way(cls: str) -> None:
    """Some classes of diffusers have no "sample"; here all are the same but for rounding."""
    runs = []
    for kind in made(cls).predictions():
        scheduler = made(cls, 9, prediction_type=kind, clip_sample=False)
        torch.manual_seed(11)
        x, samples = scheduler.points[0].sigma * noise(dtype=torch.float64), []
        x = x * scheduler.points[0].scale
        for t in scheduler.timesteps:
            at = scheduler.point(t)
            x0 = 0.8 * torch.tanh(x / at.scale / (1 + at.sigma))
            eps = (x / at.scale - x0) / at.sigma
            x, believed = scheduler.step(ANSWERS[kind](x0, eps, at.sigma), t, x)
            samples += [x, believed]
        runs.append(samples)
    for other in runs[1:]:
        assert difference((other, []), (runs[0], [])) <= 1e-6


@pytest.mark.parametrize("cls", STOCHASTIC)
def test_a_generator_for_each_image_makes_each_as_if_alone(cls: str) -> None:
    scheduler = made(cls)

    def run(seeds: list[int], images: slice) -> torch.Tensor:
        scheduler.set_timesteps(4)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        x = noise()[images]
        for t in scheduler.timesteps:
            x, _ = scheduler.step(x, t, x, generator=generators, **STOCHASTIC[cls])
        return x

    both = run([1, 2], slice(2))
    assert torch.equal(both, torch.cat([run([1], slice(1)), run([2], slice(1, 2))]))
    with pytest.raises(EngineError, match="3 generators for 2 images"):
        run([1, 2, 3], slice(2))


def test_all_steps_of_training_with_an_offset() -> None:
    """The offset would leave the table: diffusers fails here."""
    scheduler = made("DDIMScheduler", 40, num_train_timesteps=40)
    assert scheduler.timesteps[0] == scheduler.timesteps[1] == 39
    assert all(torch.isfinite(sample).all() for sample in trajectory(scheduler)[0])


@pytest.mark.parametrize(("cls", "arguments", "message"), BAD_SCHEDULES)
def test_bad_schedules(cls: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        made(cls).set_timesteps(**arguments)


def test_custom_timesteps_and_a_shape_of_sigmas_exclude_each_other() -> None:
    with pytest.raises(EngineError, match="use_karras_sigmas makes its own"):
        made("EulerDiscreteScheduler", use_karras_sigmas=True).set_timesteps(timesteps=[9, 3])


@pytest.mark.parametrize("cls", CLASSES)
def test_bad_step_options(cls: str) -> None:
    scheduler = made(cls, 5)
    t = scheduler.timesteps[0]
    with pytest.raises(EngineError, match=r"no option of \w+\.step 'weight'"):
        scheduler.step(noise(), t, noise(), weight=1.0)
    with pytest.raises(EngineError, match="Both generator and variance_noise"):
        scheduler.step(noise(), t, noise(), generator=torch.Generator(), variance_noise=noise())


def test_bad_order() -> None:
    scheduler = made("LMSDiscreteScheduler", 5)
    with pytest.raises(EngineError, match=r"order is 0; choose 1 or more"):
        scheduler.step(noise(), scheduler.timesteps[0], noise(), order=0)


def test_bad_eta() -> None:
    with pytest.raises(EngineError, match=r"eta is 2.0; choose"):
        made("DDIMScheduler", 5).step(noise(), 801, noise(), eta=2.0)


def test_every_class_has_a_name() -> None:
    assert {kind for kind, *_ in SCHEDULERS.values()} == set(CLASSES)


def test_a_resumed_run_of_ddpm_ends_without_noise() -> None:
    scheduler = made("DDPMScheduler", variance_type="fixed_large", clip_sample=False)
    scheduler.resume(1.0, 3, 20)
    assert scheduler.timesteps[-1] > 0
    assert arrives(scheduler, stochastic=True)
