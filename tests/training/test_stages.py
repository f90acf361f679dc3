"""Every stage from nothing, a few steps at toy size: the loss falls and the folder loads."""

import pytest
import torch
from PIL import Image

from engine.models import AutoencoderKL
from engine.pipelines import DDPMPipeline, DiffusionPipeline
from training import autoencoder, diffusion, judge, unconditional
from training.dataset import load_scenes, load_shards, make_shard
from training.export import export, export_unconditional
from training.loop import Options, fit
from training.render import SIZE
from training.text import make_tokenizer

FEW = Options(minutes=5, rate=3e-3, steps=12, warmup=2, average=0.5)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    make_shard(folder, 0, 20, SIZE)
    return folder


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(autoencoder.CONFIG, "block_out_channels", (8, 8, 8, 8))
    monkeypatch.setitem(diffusion.UNET, "block_out_channels", (16, 32))
    monkeypatch.setitem(unconditional.UNET, "block_out_channels", (8, 8, 32, 32))
    torch.manual_seed(0)


@pytest.fixture
def losses(monkeypatch):
    """The loss of every step of a stage."""
    values: list[float] = []

    def watched(model, loss, options, folder, sheet=None):
        def kept(generator):
            value = loss(generator)
            values.append(value.item())
            return value

        fit(model, kept, options, folder, sheet)

    for stage in (autoencoder, diffusion, judge, unconditional):
        monkeypatch.setattr(stage, "fit", watched)
    return values


def falls(values: list[float]) -> bool:
    third = len(values) // 3
    return sum(values[-third:]) < 0.98 * sum(values[:third])


def test_shards_keep_pictures_and_scenes(shards, tmp_path):
    images, scenes = load_shards(shards), load_scenes(shards)
    assert images.shape == (20, 3, SIZE, SIZE) and images.dtype == torch.uint8
    assert load_shards(shards, "depth").shape == (20, SIZE, SIZE)
    counts = load_shards(shards, "solids").flatten(1).amax(1).tolist()
    assert all(count <= len(scene.solids) for count, scene in zip(counts, scenes, strict=True))
    make_shard(tmp_path, 0, 20, SIZE)
    assert torch.equal(images, load_shards(tmp_path)) and scenes == load_scenes(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"training\.dataset"):
        load_shards(tmp_path / "none")


def test_text_to_image_from_nothing(shards, tmp_path, losses):
    images, scenes = load_shards(shards), load_scenes(shards)
    vae = autoencoder.train(images, FEW, tmp_path / "vae", batch=2)
    assert falls(losses)
    with Image.open(tmp_path / "vae/sheet.png") as sheet:
        assert sheet.size == (8 * SIZE, 2 * SIZE)
    latents = diffusion.encode_images(vae, images)
    assert abs(latents.std((0, 2, 3)) - 1).max() <= 0.05 and abs(latents.mean()) <= 0.05
    tokenizer = make_tokenizer(tmp_path / "tokenizer")
    losses.clear()
    networks = diffusion.train(latents, scenes, tokenizer, FEW, 8, tmp_path / "run")
    assert falls(losses)
    old = tmp_path / "model/unet/diffusion_pytorch_model-00001-of-00002.safetensors"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    (tmp_path / "model/README.md").write_text("what it is")
    export(networks, vae, tokenizer, tmp_path / "model")
    assert not old.exists() and (tmp_path / "model/README.md").exists()
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "model")
    (image,) = pipeline("a red sphere", num_inference_steps=2).images
    assert image.size == (SIZE, SIZE)
    again = AutoencoderKL.from_pretrained(tmp_path / "vae/vae")
    assert abs(diffusion.encode_images(again, images) - latents).max() <= 1e-4


def test_unconditional_from_nothing(shards, tmp_path, losses):
    images, scenes = load_shards(shards), load_scenes(shards)
    unet = unconditional.train(images, scenes, FEW, 8, tmp_path / "run")
    assert falls(losses)
    export_unconditional(unet, tmp_path / "model")
    assert not any(path.is_dir() for path in (tmp_path / "model").iterdir())
    pipeline = DiffusionPipeline.from_pretrained(tmp_path / "model")
    assert isinstance(pipeline, DDPMPipeline)
    (image,) = pipeline(num_inference_steps=2).images
    assert image.size == (unconditional.SIZE, unconditional.SIZE)


def test_judge_from_nothing(shards, tmp_path, losses):
    images, scenes = load_shards(shards), load_scenes(shards)
    wanted = judge.labels(load_shards(shards, "solids"), scenes)
    trained = judge.train(images, wanted, FEW, 16, tmp_path / "run")
    assert falls(losses)
    trained.save_pretrained(tmp_path / "judge")
    loaded = judge.Judge.from_pretrained(tmp_path / "judge")
    right = judge.right_answers(loaded, scenes[:4])
    assert right["floor"][1] == 4 and all(0 <= a <= b for a, b in right.values())


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


def test_a_long_run_says_how_its_loss_falls(tmp_path, capsys):
    model = torch.nn.Linear(4, 1)

    def loss(generator):
        return model(torch.randn(8, 4, generator=generator)).square().mean()

    fit(model, loss, Options(minutes=5, rate=1e-2, steps=200, warmup=1), tmp_path)
    header, *rows = (tmp_path / "loss.csv").read_text().splitlines()
    assert header == "step,minutes,loss" and [int(row.split(",")[0]) for row in rows] == [100, 200]
    with Image.open(tmp_path / "loss.png") as plot:
        assert len(plot.getcolors()) > 3
    assert "min left" in capsys.readouterr().out
