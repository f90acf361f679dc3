"""The stages that begin with tabletop, a few steps at toy size, and what their UNets are shown."""

from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from engine.models import AutoencoderKL, UNet2DConditionModel
from engine.pipelines import (
    DiffusionPipeline,
    StableDiffusionDepth2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)
from engine.pipelines.depth_to_image import normalized
from tests.compare import relative_error
from training import autoencoder, depth, diffusion, estimator, finetune, inpaint
from training.dataset import load_scenes, load_shards, make_shard, to_pixels
from training.export import export, export_depth, export_inpaint
from training.finetune import Start, rows_of, widened
from training.loop import Options
from training.render import SIZE
from training.scene import mirrored, sample_scenes
from training.text import make_tokenizer

FEW = Options(minutes=5, rate=3e-3, steps=12, warmup=2, average=0.5)
KEPT = ("scheduler", "text_encoder", "tokenizer", "vae")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    make_shard(folder, 0, 12, SIZE)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A random text-to-image model at toy size, as `export` writes one."""
    folder = tmp_path_factory.mktemp("base")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(autoencoder.CONFIG, "block_out_channels", (8, 8, 8, 8))
        patch.setitem(diffusion.UNET, "block_out_channels", (16, 80))
        torch.manual_seed(0)
        tokenizer = make_tokenizer(folder / "words")
        vae = AutoencoderKL(**autoencoder.CONFIG)
        # latents are what they are: nothing is drawn around them
        vae.get_parameter("quant_conv.bias").data[4:] = -30.0
        export(diffusion.make_networks(tokenizer), vae, tokenizer, folder / "model")
    return folder / "model"


@pytest.fixture
def start(base, shards, tmp_path):
    model = StableDiffusionPipeline.from_pretrained(base)
    latents = diffusion.kept_latents(model.vae, load_shards(shards), tmp_path / "latents")
    return Start(model, latents, diffusion.with_mirrored(load_scenes(shards)))


def falls(losses: list[float]) -> bool:
    third = len(losses) // 3
    return sum(losses[-third:]) < 0.98 * sum(losses[:third])


@pytest.fixture
def losses(monkeypatch):
    """The loss of every step of a stage."""
    values: list[float] = []

    def watched(fit):
        def run(model, loss, *others):
            def kept(generator):
                value = loss(generator)
                values.append(value.item())
                return value

            fit(model, kept, *others)

        return run

    for stage in (finetune, estimator):
        monkeypatch.setattr(stage, "fit", watched(stage.fit))
    return values


@pytest.fixture
def seen(monkeypatch):
    """What UNets were shown beside noisy latents, call by call, for the first of the batch."""
    calls: list[torch.Tensor] = []
    predict = UNet2DConditionModel.predict

    def watched(unet, sample, conditioning):
        calls.append(sample[:1, 4:].clone())
        return predict(unet, sample, conditioning)

    monkeypatch.setattr(UNet2DConditionModel, "predict", watched)
    return calls


def check_folder(model: Path, base: Path, kind: type, **pictures: Image.Image) -> None:
    """It loads here and in diffusers, draws the same in both, and has the base's own files."""
    drawn = []
    ours = DiffusionPipeline.from_pretrained(model)
    theirs = diffusers.DiffusionPipeline.from_pretrained(model)
    theirs.set_progress_bar_config(disable=True)
    assert type(ours) is kind and type(theirs).__name__ == kind.__name__
    for pipeline in (ours, theirs):
        generator = torch.Generator().manual_seed(0)
        call = {"num_inference_steps": 2, "generator": generator, "output_type": "np"}
        drawn.append(torch.from_numpy(pipeline("a red sphere", **pictures, **call).images))
    assert drawn[0].shape == (1, SIZE, SIZE, 3)
    assert relative_error(*drawn) <= 1e-4
    for name in KEPT:
        for file in (base / name).iterdir():
            assert (model / name / file.name).read_bytes() == file.read_bytes()


def picture(shards: Path, row: int = 0) -> Image.Image:
    return Image.fromarray(load_shards(shards)[row].permute(1, 2, 0).numpy())


def test_a_widened_unet_draws_as_before(base):
    unet = UNet2DConditionModel.from_pretrained(base / "unet")
    sample, text = torch.randn(2, 4, 32, 32), torch.randn(2, 7, 128)
    timesteps = torch.tensor([3, 800])
    expected = unet(sample, timesteps, text).sample
    wide = widened(unet, 5)
    assert wide.config.in_channels == 9 and unet.config.in_channels == 4
    wider = torch.cat((sample, torch.randn(2, 5, 32, 32)), 1)
    assert (wide(wider, timesteps, text).sample - expected).abs().max() <= 1e-5


def test_rows_of_the_second_half_are_mirror_images(start, shards):
    images = load_shards(shards)
    rows = torch.tensor([1, 13])
    assert torch.equal(rows_of(images, rows), torch.stack((images[1], images[1].flip(-1))))
    assert start.scenes[13] == mirrored(start.scenes[1])
    latents = diffusion.encode_images(start.model.vae, rows_of(images, rows))
    assert (latents - start.latents[rows]).abs().max() <= 1e-4


def test_inpaint_from_nothing(start, base, shards, tmp_path, losses):
    images, solids = load_shards(shards), load_shards(shards, "solids")
    unet = inpaint.train(start, images, solids, FEW, 4, tmp_path / "run")
    assert falls(losses)
    assert unet.conv_in.weight[:, 4:].abs().amax() > 0
    export_inpaint(unet, base, tmp_path / "model")
    mask = Image.fromarray(np.uint8(255) * (load_shards(shards, "solids")[0].numpy() > 0))
    check_folder(
        tmp_path / "model",
        base,
        StableDiffusionInpaintPipeline,
        image=picture(shards),
        mask_image=mask,
    )


def test_depth_from_nothing(start, base, shards, tmp_path, losses):
    unet = depth.train(start, load_shards(shards, "depth"), FEW, 4, tmp_path / "run")
    assert falls(losses)
    assert unet.conv_in.weight[:, 4:].abs().amax() > 0
    export_depth(unet, estimator.make_estimator(), base, tmp_path / "model")
    check_folder(tmp_path / "model", base, StableDiffusionDepth2ImgPipeline, image=picture(shards))


def test_estimator_from_nothing(shards, tmp_path, losses):
    images, exact = load_shards(shards), load_shards(shards, "depth")
    model = estimator.train(images, exact, FEW, 4, tmp_path / "run")
    assert falls(losses)
    with torch.inference_mode():
        estimated = model(to_pixels(images[:4])).predicted_depth
    assert torch.isfinite(estimator.abs_rel(estimated, exact[:4].float())).all()


def test_inpainting_shows_in_training_what_the_pipeline_does(start, shards, seen):
    images, solids = load_shards(shards), load_shards(shards, "solids")
    mask = (solids[:1] > 0)[:, None].float()
    pipeline = StableDiffusionInpaintPipeline(
        **start.model.components | {"unet": widened(start.model.unet, inpaint.CHANNELS)}
    )
    pipeline(
        "a red sphere",
        picture(shards),
        Image.fromarray(np.uint8(255 * mask[0, 0].numpy())),
        num_inference_steps=1,
    )
    expected = inpaint.shown(start.model.vae, to_pixels(images[:1]), mask, None)
    assert seen[0].shape == expected.shape == (1, 5, 32, 32)
    assert (seen[0] - expected).abs().max() <= 1e-4


def test_depth_shows_in_training_what_the_pipeline_does(start, shards, seen):
    inverse = 1 / load_shards(shards, "depth")[:1].float()
    pipeline = StableDiffusionDepth2ImgPipeline(
        **{name: getattr(start.model, name) for name in KEPT},
        unet=widened(start.model.unet, depth.CHANNELS),
        depth_estimator=None,
        feature_extractor=None,
    )
    pipeline("a red sphere", picture(shards), inverse, num_inference_steps=2)
    expected = normalized(inverse[:, None], torch.Size((32, 32)))
    assert (seen[0] - expected).abs().max() <= 1e-5
    assert expected[0, 0, -1].mean() > expected[0, 0, 0].mean()  # the table's edge is nearest
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        rough = depth.as_estimated(inverse[:, None], generator)
        both = torch.stack((rough.flatten(), inverse.flatten()))
        assert 0.95 < torch.corrcoef(both)[0, 1] < 1


def test_what_is_asked_of_a_hidden_solid_names_it_alone_or_the_whole(start):
    generator = torch.Generator().manual_seed(0)
    scene = sample_scenes(1, seed=3, count=2)[0]
    told = [inpaint.asked(scene, [1], generator) for _ in range(200)]
    assert abs(told.count(scene) / 200 - 0.5) < 0.1
    assert abs(told.count(replace(scene, solids=scene.solids[1:])) / 200 - 0.25) < 0.1
    assert all(one.startswith("a") for one in told if isinstance(one, str))
    assert [inpaint.asked(scene, hidden, generator) for hidden in ([], [0, 1])] == [scene] * 2


def test_the_loss_of_depth_knows_no_scale_or_shift():
    generator = torch.Generator().manual_seed(0)
    maps, other = torch.rand(2, 3, 64, 64, generator=generator)
    loss = estimator.scale_and_shift_invariant
    assert loss(5 * maps + 2, maps) <= 1e-4
    assert abs(loss(0.1 * maps + 7, other) - loss(maps, other)) <= 1e-3
    assert loss(-maps, maps) > loss(maps + 0.1 * other, maps) > 0.01


def test_abs_rel_is_of_inverse_depth_after_the_best_fit():
    depths = 1 + torch.rand(2, 16, 16, generator=torch.Generator().manual_seed(0))
    assert (estimator.abs_rel(3 / depths - 1, depths) <= 1e-5).all()
    wrong = 1 / depths
    wrong[1] = wrong[1].flip(0)
    errors = estimator.abs_rel(wrong, depths)
    assert errors[0] <= 1e-5 and errors[1] > 0.05
    flat = estimator.abs_rel(torch.ones(1, 16, 16), torch.tensor([1.0, 2.0]).repeat(8, 1, 8)[:1])
    # inverse depth is 1 and 0.5 by turns, and 0.75 is nearest
    assert abs(flat - (0.25 + 0.5) / 2).max() <= 1e-5


def test_the_processor_gives_the_pixels_of_the_training(shards):
    values = estimator.make_processor()(images=[picture(shards)], return_tensors="pt").pixel_values
    assert (values - to_pixels(load_shards(shards)[:1])).abs().max() <= 1e-5
