"""Every stage from nothing, a few steps at toy size: the loss falls and the folder loads."""

import pytest
import torch

from engine.models import AutoencoderKL
from engine.pipelines import DDPMPipeline, DiffusionPipeline
from training import autoencoder, diffusion, judge, unconditional
from training.dataset import load_shards, make_shard
from training.export import export, export_unconditional
from training.loop import Options, fit
from training.text import make_tokenizer

FEW = Options(minutes=5, rate=3e-3, steps=12, warmup=2, average=0.5)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    make_shard(folder, 0, 20, 64)
    return load_shards(folder)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(autoencoder.CONFIG, "block_out_channels", (8, 8, 8))
    monkeypatch.setitem(diffusion.UNET, "block_out_channels", (16, 32))
    monkeypatch.setitem(unconditional.UNET, "block_out_channels", (16, 32, 32))
    torch.manual_seed(0)


@pytest.fixture
def losses(monkeypatch):
    """The loss of every step of a stage."""
    values: list[float] = []

    def watched(model, loss, options, folder):
        def kept(generator):
            value = loss(generator)
            values.append(value.item())
            return value

        return fit(model, kept, options, folder)

    for stage in (autoencoder, diffusion, judge, unconditional):
        monkeypatch.setattr(stage, "fit", watched)
    return values


def falls(values: list[float]) -> bool:
    third = len(values) // 3
    return sum(values[-third:]) < 0.98 * sum(values[:third])


def test_shards_keep_pictures_and_scenes(shards, tmp_path):
    images, scenes = shards
    assert images.shape == (20, 3, 64, 64) and images.dtype == torch.uint8
    make_shard(tmp_path, 0, 20, 64)
    again, same = load_shards(tmp_path)
    assert torch.equal(images, again) and scenes == same


def test_text_to_image_from_nothing(shards, tmp_path, losses):
    images, scenes = shards
    vae = autoencoder.train(images, FEW, tmp_path / "vae", batch=4)
    assert falls(losses)
    latents = diffusion.encode_images(vae, images)
    assert abs(latents.std().item() - 1) <= 0.05
    tokenizer = make_tokenizer(tmp_path / "tokenizer")
    losses.clear()
    networks = diffusion.train(latents, scenes, tokenizer, FEW, 8, tmp_path / "run")
    assert falls(losses)
    export(networks, vae, tmp_path / "model")
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "model")
    (image,) = pipeline("a red sphere", num_inference_steps=2).images
    assert image.size == (64, 64)
    assert AutoencoderKL.from_pretrained(tmp_path / "vae/vae").config.scaling_factor > 0


def test_unconditional_from_nothing(shards, tmp_path, losses):
    images, scenes = shards
    unet = unconditional.train(images, scenes, FEW, 8, tmp_path / "run")
    assert falls(losses)
    export_unconditional(unet, tmp_path / "model")
    assert not any(path.is_dir() for path in (tmp_path / "model").iterdir())
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "model")
    assert isinstance(pipeline, DDPMPipeline)
    (image,) = pipeline(num_inference_steps=2).images
    assert image.size == (unconditional.SIZE, unconditional.SIZE)


def test_judge_from_nothing(shards, tmp_path, losses):
    images, scenes = shards
    trained = judge.train(images, scenes, FEW, 16, tmp_path / "run")
    assert falls(losses)
    trained.save_pretrained(tmp_path / "judge")
    loaded = judge.Judge.from_pretrained(tmp_path / "judge")
    single = [scene for scene in scenes if len(scene.solids) == 1]
    found = judge.score(loaded, torch.zeros(len(single), 3, 64, 64), judge.labels(single))
    assert found.both <= min(found.color, found.shape) <= found.total == len(single)


def test_a_run_that_is_resumed_counts_and_draws_on(tmp_path):
    model = torch.nn.Linear(4, 1)

    def loss(generator):
        return model(torch.randn(8, 4, generator=generator)).square().mean()

    def run(steps):
        fit(model, loss, Options(minutes=5, rate=1e-2, steps=steps, warmup=1), tmp_path)
        return torch.load(tmp_path / "state.pt", weights_only=True)

    first, second = run(6), run(10)
    assert (first["step"], second["step"]) == (6, 10)
    assert second["seconds"] > first["seconds"]
    drawn = torch.Generator().manual_seed(0)
    for _ in range(10):
        torch.randn(8, 4, generator=drawn)
    assert torch.equal(second["generator"], drawn.get_state())
    assert all(
        torch.equal(value, second["average"][key]) for key, value in model.state_dict().items()
    )
