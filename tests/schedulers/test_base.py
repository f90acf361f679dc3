"""What schedulers share: lookup, noise, scaling, state."""

import copy
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

import engine.schedulers
from engine.errors import EngineError
from engine.schedulers import SCHEDULERS
from engine.schedulers.tables import SPACINGS
from tests.compare import relative_error
from tests.schedulers.oracle import CLASSES, STABLE_DIFFUSION, noise, pair, trajectory

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")  # of diffusers

STOCHASTIC: dict[str, dict[str, Any]] = {
    "DDIMScheduler": {"eta": 1.0},
    "DDPMScheduler": {},
    "EulerDiscreteScheduler": {"s_churn": 5.0},
}


def made(cls: str, steps: int | None = None, **config: Any) -> Any:
    """A scheduler of a class, with those of the settings that the class has."""
    kind = getattr(engine.schedulers, cls)
    settings = (STABLE_DIFFUSION | config).items()
    ours = kind(**{key: value for key, value in settings if key in kind.keys})
    if steps is not None:
        ours.set_timesteps(steps)
    return ours


@pytest.mark.parametrize("steps", [None, 10])
@pytest.mark.parametrize("cls", CLASSES)
def test_add_noise(cls: str, steps: int | None) -> None:
    ours, theirs = pair(cls, **STABLE_DIFFUSION)
    if steps is not None:
        ours.set_timesteps(steps)
        theirs.set_timesteps(steps)
    timesteps = ours.timesteps[[1, 4]]
    noised = ours.add_noise(noise(1), noise(2), timesteps)
    assert relative_error(noised, theirs.add_noise(noise(1), noise(2), timesteps)) <= 1e-6


@pytest.mark.parametrize("cls", CLASSES)
def test_velocity_gives_back_the_picture(cls: str) -> None:
    """A v-prediction model that answers `get_velocity` is one that knows the picture."""
    scheduler = made(
        cls, 10, prediction_type="v_prediction", skip_prk_steps=True, clip_sample=False
    )
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


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("cls", CLASSES)
def test_scaling(cls: str, spacing: str) -> None:
    for steps in (1, 7, 30):
        ours, theirs = pair(cls, **STABLE_DIFFUSION, timestep_spacing=spacing, **prk(cls))
        ours.set_timesteps(steps)
        theirs.set_timesteps(steps)
        assert ours.init_noise_sigma == pytest.approx(float(theirs.init_noise_sigma), rel=1e-6)
        assert len(ours) == len(theirs) == 1000
        if hasattr(theirs, "sigmas"):
            torch.testing.assert_close(ours.sigmas, theirs.sigmas, rtol=1e-5, atol=0)
        t = ours.timesteps[-1]
        scaled = ours.scale_model_input(noise(), t)
        assert relative_error(scaled, theirs.scale_model_input(noise(), t)) <= 1e-6


def prk(cls: str) -> dict[str, bool]:
    return {"skip_prk_steps": True} if cls == "PNDMScheduler" else {}


@pytest.mark.parametrize("cls", CLASSES)
def test_a_timestep_may_be_an_element_a_copy_or_a_number(cls: str) -> None:
    scheduler = made(cls, 12, **prk(cls))
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


@pytest.mark.parametrize("thresholding", [False, True])
@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("cls", CLASSES)
def test_no_step_waits_for_the_device(cls: str, prediction_type: str, thresholding: bool) -> None:
    scheduler = made(cls, prediction_type=prediction_type, thresholding=thresholding)
    with FakeTensorMode():
        scheduler.set_timesteps(14)
        x = torch.empty(2, 3, 2, 2)
        for t in scheduler.timesteps:
            scheduler.add_noise(x, x, scheduler.timesteps[3:4])
            m = scheduler.scale_model_input(x, t)
            x = scheduler.step(m, t, x, **STOCHASTIC.get(cls, {})).prev_sample
        with pytest.raises(DataDependentOutputException):
            x.sum().item()


@pytest.mark.parametrize("cls", CLASSES)
def test_a_step_before_set_timesteps_leaves_nothing_behind(cls: str) -> None:
    scheduler = made(cls)
    torch.manual_seed(11)
    first = scheduler.step(noise(1), scheduler.timesteps[-3], noise())
    before = copy.deepcopy(vars(scheduler))
    torch.manual_seed(11)
    again = scheduler.step(noise(1), 2, noise())
    assert torch.equal(first.prev_sample, again.prev_sample)
    assert repr(before) == repr(vars(scheduler))
    scheduler.set_timesteps(12)
    trained = made(cls, 12)
    assert torch.equal(trajectory(scheduler)[0][-1], trajectory(trained)[0][-1])


@pytest.mark.parametrize("cls", CLASSES)
def test_a_step_before_set_timesteps_goes_to_the_timestep_below(cls: str) -> None:
    _, theirs = pair(cls, **STABLE_DIFFUSION, **prk(cls))
    if cls in ("DDIMScheduler", "PNDMScheduler"):  # whose own steps need it
        theirs.set_timesteps(1000)
    t = torch.tensor(500.0) if cls == "EulerDiscreteScheduler" else 500
    torch.manual_seed(11)
    expected = theirs.step(noise(1), t, noise()).prev_sample
    torch.manual_seed(11)
    assert relative_error(made(cls).step(noise(1), 500, noise()).prev_sample, expected) <= 1e-5


@pytest.mark.parametrize("cls", CLASSES)
def test_set_timesteps_forgets_the_last_run(cls: str) -> None:
    scheduler = made(cls, 6)
    first, _ = trajectory(scheduler)
    scheduler.set_timesteps(6)
    second, _ = trajectory(scheduler)
    assert torch.equal(first[-1], second[-1])


@pytest.mark.parametrize("start", range(0, 15, 2))
@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls != "DDPMScheduler"])
def test_every_point_lies_on_x0_plus_sigma_eps(cls: str, start: int) -> None:
    """With a model that knows the picture, any start is carried straight to the end."""
    scheduler = made(cls, 20, timestep_spacing="leading", clip_sample=False)
    x0, eps = noise(1), noise(2)
    point = scheduler.point(scheduler.timesteps[start])
    x = point.scale * (x0 + point.sigma * eps)
    for t in scheduler.timesteps[start:]:
        point = scheduler.point(t)
        assert relative_error(x, point.scale * (x0 + point.sigma * eps)) <= 1e-5
        x, original = scheduler.step(eps, t, x)
        assert relative_error(original, x0) <= 1e-4
    assert relative_error(x, point.next_scale * (x0 + point.next_sigma * eps)) <= 1e-5


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


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("DDIMScheduler", {"num_inference_steps": 0}, "is 0; choose 1 to 1000"),
    ("DDIMScheduler", {"num_inference_steps": 1001}, "is 1001; choose 1 to 1000"),
    ("DDIMScheduler", {"timesteps": [9, 3]}, "takes no custom"),
    ("PNDMScheduler", {"num_inference_steps": 3}, "needs 4 or more"),
    ("DDPMScheduler", {"timesteps": [1000, 3]}, "whole numbers below 1000"),
    ("DDPMScheduler", {"timesteps": [9, 2.5]}, "whole numbers below 1000"),
    ("DDPMScheduler", {"timesteps": [9, 9]}, "descending"),
    ("DDPMScheduler", {"sigmas": [9.0, 0.0]}, "takes no custom sigmas"),
    ("EulerDiscreteScheduler", {}, "exactly one"),
    ("EulerDiscreteScheduler", {"num_inference_steps": 3, "sigmas": [1.0, 0.0]}, "exactly one"),
    ("EulerDiscreteScheduler", {"timesteps": [3, 9]}, r"timesteps are \[3.0, 9.0\]"),
    ("EulerDiscreteScheduler", {"sigmas": [3.0, 9.0, 0.0]}, "descending"),
    ("EulerDiscreteScheduler", {"sigmas": [float("nan"), 0.0]}, "descending"),
]


@pytest.mark.parametrize(("cls", "arguments", "message"), BAD)
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
    with pytest.raises(EngineError, match="was given weight"):
        scheduler.step(noise(), t, noise(), weight=1.0)
    with pytest.raises(EngineError, match="Both generator and variance_noise"):
        scheduler.step(noise(), t, noise(), generator=torch.Generator(), variance_noise=noise())


def test_bad_eta() -> None:
    with pytest.raises(EngineError, match=r"eta is 2.0; choose"):
        made("DDIMScheduler", 5).step(noise(), 801, noise(), eta=2.0)


def test_every_class_is_in_the_registry_once() -> None:
    assert len(set(CLASSES)) == len(SCHEDULERS)
