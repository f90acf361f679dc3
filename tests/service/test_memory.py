"""Runs that the memory does not hold: each phase, by injected errors and by real ones."""

import asyncio
import errno
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPTextModel, DPTForDepthEstimation

from engine import cache
from engine.cache import ComponentCache
from engine.checkpoints.catalog import find_model
from engine.errors import CheckpointError, OutOfMemory
from engine.memory import is_out_of_memory
from engine.models.autoencoder_kl import AutoencoderKL
from engine.models.unet2d_condition import UNet2DConditionModel
from engine.pipelines.control import Control
from engine.pipelines.request import Request
from engine.pipelines.stable_diffusion import StableDiffusionPipeline
from engine.service import Service
from engine.service.events import Event, Failed, Started
from engine.service.messages import Picture, Run
from engine.service.room import Room
from engine.service.runner import EngineRunner
from tests.pipelines.parity import painting
from tests.service.limited import LimitedWorker
from tests.service.pictures import run, saved, serving
from tests.service.stub import request, watch

PARTS = {"vae", "text_encoder", "tokenizer", "unet", "scheduler"}
ERRORS: dict[str, Callable[[], Any]] = {
    "cuda": lambda: raising(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")),
    "cpu": lambda: torch.empty(10**15),  # the allocator's own error
    "cublas": lambda: raising(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling")),
    "mps": lambda: raising(RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)")),
    "python": lambda: raising(MemoryError()),
    "system": lambda: raising(OSError(errno.ENOMEM, "Cannot allocate memory")),
}
PHASES: dict[str, tuple[Any, str, int]] = {
    "loading": (cache, "load_component", 4),
    "text": (CLIPTextModel, "forward", 1),
    "first step": (UNet2DConditionModel, "predict", 1),
    "second step": (UNet2DConditionModel, "predict", 2),
    "last step": (UNet2DConditionModel, "predict", 4),
    "preview": (StableDiffusionPipeline, "preview", 1),
    "previewer": (AutoencoderKL, "decode", 1),  # which is fitted to it, before the first step
    "decoding": (AutoencoderKL, "decode", 1),
    "decoding the second": (AutoencoderKL, "decode", 2),
}
"""Where the memory runs out: in which call of what, in a run of two images at once."""


def raising(error: Exception) -> None:
    raise error


@dataclass
class Exhausted:
    """A function that finds no memory in some of its calls, from 1, after it took a good deal."""

    function: Callable[..., Any]
    calls: set[int]
    fail: Callable[[], Any]

    def __post_init__(self) -> None:
        self.numbers = count(1)
        self.taken: list[weakref.ref[torch.Tensor]] = []

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        if next(self.numbers) in self.calls:
            large = torch.zeros(1_000_000)
            self.taken.append(weakref.ref(large))
            self.fail()
        return self.function(*arguments, **more)

    def __get__(self, owner: Any, kind: type) -> Callable[..., Any]:
        return lambda *arguments, **more: self(owner, *arguments, **more)


def exhaust(patch: pytest.MonkeyPatch, owner: Any, name: str, *calls: int) -> Exhausted:
    made = Exhausted(getattr(owner, name), {*calls}, ERRORS["cpu"])
    patch.setattr(owner, name, made)
    return made


@pytest.fixture(scope="module")
def models(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, tiny_ddpm_checkpoint: Path
) -> Path:
    """tiny and tiny-ddpm in one folder."""
    folder = tmp_path_factory.mktemp("both")
    for one in (tiny_checkpoint, tiny_ddpm_checkpoint):
        (folder / one.name).symlink_to(one)
    return folder


@pytest.fixture
def service(models: Path, tmp_path: Path) -> Iterator[Service]:
    with serving(models, tmp_path / "outputs") as made:
        yield made


BOTH = request(seed=3, count=2, batch_size=2)
DDPM = Request("tiny-ddpm", task="unconditional", steps=2)


@pytest.fixture(scope="module")
def drawn(models: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The files of BOTH where there is memory enough."""

    async def draw() -> list[bytes]:
        with serving(models, tmp_path_factory.mktemp("outputs")) as made:
            return await files(made, BOTH)

    return asyncio.run(draw())


async def files(service: Service, asked: Request) -> list[bytes]:
    return [path.read_bytes() for path in saved(await run(service, asked))]


async def failure(service: Service, asked: Request, previews: bool = True) -> str:
    """The message with which a run fails."""
    last = (await watch(service, service.submit(asked, "ann", previews=previews)))[-1]
    assert isinstance(last, Failed), last
    return last.message


async def kept(service: Service) -> set[tuple[str, str]]:
    """Models and names of the components in the cache."""
    figures = await service.query("figures")
    return {(one["model"], one["name"]) for one in figures["components"]}


@pytest.mark.parametrize("phase", PHASES)
async def test_a_run_that_does_not_fit_says_what_would_and_leaves_nothing(
    service: Service, drawn: list[bytes], monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    owner, name, call = PHASES[phase]
    with monkeypatch.context() as patch:
        full = exhaust(patch, owner, name, call)
        message = await failure(service, BOTH, previews=not phase.startswith("decoding"))
    assert [one() for one in full.taken] == [None]
    if phase in ("loading", "previewer"):
        assert message.startswith("Out of memory (cpu): the model 'tiny', whose files have ")
        assert message.endswith(
            "cannot be loaded. Choose a smaller model, or close other programs that use this "
            "memory."
        )
    else:
        assert message == (
            "Out of memory (cpu): 64 × 64, 2 at once, does not fit with 'tiny'. "
            "Try At once 1 instead of 2."
        )
    whole = {("tiny", part) for part in PARTS}
    assert await kept(service) == (set() if phase == "loading" else whole)
    assert await files(service, BOTH) == drawn


@pytest.mark.parametrize("error", ERRORS)
def test_every_kind_of_memory_is_told_by_its_error(error: str) -> None:
    with pytest.raises((RuntimeError, MemoryError, OSError)) as raised:
        ERRORS[error]()
    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shape mismatch"),
        OSError(errno.ENOSPC, "No space"),
        ValueError("out of memory"),
    ],
)
def test_other_errors_are_not_taken_for_it(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_a_text_encoder_that_does_not_fit_is_not_called_damaged(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> Any:
        return ComponentCache(1).components(tiny_checkpoint, ["text_encoder"], "cpu", torch.float32)

    for error, told in ((ERRORS["cuda"], torch.OutOfMemoryError), (bad_header, CheckpointError)):
        monkeypatch.setattr(CLIPTextModel, "from_pretrained", lambda *_, error=error, **__: error())
        with pytest.raises(told):
            load()


def bad_header() -> None:
    raise RuntimeError("size mismatch")


async def test_what_has_fitted_is_told_with_its_own_figures(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fits in (request(width=32, height=40), request(width=32, height=40, count=2, batch_size=2)):
        await run(service, fits)
    with monkeypatch.context() as patch:
        exhaust(patch, UNet2DConditionModel, "predict", 1, 2)
        larger, same = [await failure(service, asked) for asked in (BOTH, fits)]
    assert larger.endswith("32 × 40, 2 at once, has fitted here: take that, or something between.")
    assert same.endswith(
        "32 × 40, 2 at once, has fitted here before: close other programs that use this memory, "
        "then try again."
    )


async def test_models_that_a_run_does_not_need_are_given_up_for_it(
    service: Service, drawn: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(service, DDPM)
    with monkeypatch.context() as patch:
        exhaust(patch, UNet2DConditionModel, "predict", 2)
        message = await failure(service, BOTH)
    assert message.endswith("Other models were given up since: the same may fit now.")
    assert {model for model, _ in await kept(service)} == {"tiny"}
    assert await files(service, BOTH) == drawn


async def test_a_model_is_loaded_once_more_where_others_could_be_given_up(
    service: Service, drawn: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(service, DDPM)
    with monkeypatch.context() as patch:
        full = exhaust(patch, cache, "load_component", 4)
        assert await files(service, BOTH) == drawn
    assert full.taken[0]() is None
    assert await kept(service) == {("tiny", part) for part in PARTS}


async def test_a_model_that_never_fits_is_tried_twice_at_most(
    service: Service, drawn: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(service, DDPM)
    with monkeypatch.context() as patch:
        full = exhaust(patch, cache, "load_component", *range(1, 100))
        message = await failure(service, BOTH)
    assert message.endswith(
        "cannot be loaded. Here have fitted: tiny-ddpm. Choose such a one, or close other programs "
        "that use this memory."
    )
    assert len(full.taken) == 2
    assert await kept(service) == set()
    assert await files(service, BOTH) == drawn


@pytest.mark.parametrize(
    ("asked", "advice"),
    [
        (request(count=9, batch_size=4), "Try At once 2 instead of 4."),
        (request(width=512, height=256), "Try 384 × 192."),
        (request(), "Try 48 × 48."),
        (request(width=8, height=8), "Choose a smaller model, or close other programs"),
        (DDPM, "Choose a smaller model, or close other programs"),
    ],
)
def test_advice_where_nothing_is_known(models: Path, asked: Request, advice: str) -> None:
    def attempt() -> Iterator[Event | Picture]:
        yield Started(total=2, count=min(asked.count, asked.batch_size))
        raise MemoryError

    room = Room("cpu", ComponentCache(1))
    with pytest.raises(OutOfMemory, match=advice):
        list(room.hold(asked, find_model(models, asked.model), attempt))


async def test_a_process_that_meets_its_limit_works_on(models: Path, tmp_path: Path) -> None:
    service = Service(lambda: LimitedWorker("cpu", "float32", models), tmp_path / "out", models)
    service.start()
    try:
        before = await files(service, BOTH)
        pid = service.status["pid"]
        await service.query("limit", more=64_000_000)
        for _ in range(2):
            message = await failure(
                service, request(width=512, height=512, count=16, batch_size=16)
            )
            assert message == (
                "Out of memory (cpu): 512 × 512, 16 at once, does not fit with 'tiny'. "
                "64 × 64, 2 at once, has fitted here: take that, or something between."
            )
            assert await files(service, BOTH) == before
        assert service.status["pid"] == pid
    finally:
        await asyncio.to_thread(service.stop)


@pytest.mark.parametrize("kind", ERRORS)
def test_a_query_that_finds_no_memory_says_so(
    tiny_depth_checkpoint: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = EngineRunner("cpu", "float32", tiny_depth_checkpoint.parent)
    path = tmp_path / "a.png"
    painting(40, 30).save(path)
    full = Exhausted(DPTForDepthEstimation.forward, {1}, ERRORS[kind])
    monkeypatch.setattr(DPTForDepthEstimation, "forward", lambda *args, **more: full(*args, **more))
    ask = partial(runner.query, "depth", model=tiny_depth_checkpoint.name, picture=str(path))
    with pytest.raises(
        OutOfMemory, match=r"Out of memory \(cpu\): what was asked for does not fit"
    ):
        ask()
    assert full.taken[0]() is None
    assert ask()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_that_is_full_works_on(models: Path) -> None:
    runner = EngineRunner("cuda", "float32", models)

    def draw(asked: Request) -> list[bytes]:
        events = runner.run(Run("job", asked, previews=True), Control())
        return [event.png for event in events if isinstance(event, Picture)]

    before = draw(BOTH)
    runner.release()
    held, total = torch.cuda.memory_allocated(), torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 256_000_000) / total)
    try:
        with pytest.raises(OutOfMemory, match="64 × 64, 2 at once, has fitted here"):
            draw(request(width=1024, height=1024, count=16, batch_size=16))
        runner.release()
        assert torch.cuda.memory_allocated() == held
        assert draw(BOTH) == before
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
