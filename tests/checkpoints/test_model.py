"""Models from and to files: variants, shards, types, the names of older versions."""

import re
import shutil
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import CheckpointError, EngineError
from engine.models import AutoencoderKL, UNet2DConditionModel, UNet2DModel
from tests.checkpoints.load import same
from tests.compare import relative_error

WEIGHTS = "diffusion_pytorch_model"
OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def unet(tiny_checkpoint: Path) -> UNet2DConditionModel:
    return UNet2DConditionModel.from_pretrained(tiny_checkpoint, subfolder="unet")


def test_shards_and_variants_are_read_here_and_by_diffusers(unet: Any, tmp_path: Path) -> None:
    unet.save_pretrained(tmp_path, max_shard_size="200KB")
    half = UNet2DConditionModel.from_pretrained(tmp_path, dtype=torch.float16)
    half.save_pretrained(tmp_path, variant="fp16", max_shard_size=200_000)
    shards = [name for name in names(tmp_path) if name.endswith(".safetensors")]
    assert len([name for name in shards if ".fp16-0" in name]) > 1
    assert all((tmp_path / name).stat().st_size <= 210_000 for name in shards)
    for variant, dtype, saved in ((None, torch.float32, unet), ("fp16", torch.float16, half)):
        options = {"variant": variant, "torch_dtype": dtype}
        assert same(UNet2DConditionModel.from_pretrained(tmp_path, **options), saved)
        assert same(diffusers.UNet2DConditionModel.from_pretrained(tmp_path, **options), saved)


def test_variants_saved_by_diffusers_are_read(unet: Any, tmp_path: Path) -> None:
    theirs = diffusers.UNet2DConditionModel.from_config(unet.config.to_dict())
    theirs.save_pretrained(tmp_path, variant="ema", max_shard_size="200KB")
    assert same(UNet2DConditionModel.from_pretrained(tmp_path, variant="ema"), theirs)
    with pytest.raises(CheckpointError, match="variant=None; there are: variant='ema'"):
        UNet2DConditionModel.from_pretrained(tmp_path)
    # how versions before 2024 called the index
    index = tmp_path / f"{WEIGHTS}.safetensors.index.ema.json"
    index.rename(tmp_path / f"{WEIGHTS}.safetensors.ema.index.json")
    assert same(UNet2DConditionModel.from_pretrained(tmp_path, variant="ema"), theirs)


def test_saving_anew_replaces_the_same_variant_alone(unet: Any, tmp_path: Path) -> None:
    unet.save_pretrained(tmp_path, max_shard_size="200KB")
    unet.save_pretrained(tmp_path, variant="fp16")
    unet.save_pretrained(tmp_path)
    plain = [f"{WEIGHTS}.fp16.safetensors", f"{WEIGHTS}.safetensors"]
    assert names(tmp_path) == ["config.json", *plain]
    mapped = UNet2DConditionModel.from_pretrained(tmp_path)
    mapped.save_pretrained(tmp_path)  # over the very file that its weights lie in
    assert same(mapped, unet)
    mapped.save_pretrained(tmp_path, max_shard_size="200KB")
    assert f"{WEIGHTS}.safetensors" not in names(tmp_path)
    assert same(UNet2DConditionModel.from_pretrained(tmp_path), unet)


def test_weights_of_the_asked_type_are_not_copied(unet: Any, tmp_path: Path) -> None:
    unet.save_pretrained(tmp_path, max_shard_size="200KB")
    loaded = UNet2DConditionModel.from_pretrained(tmp_path)
    lines = Path("/proc/self/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in lines if str(tmp_path) in line]
    mapped = [range(int(start, 16), int(end, 16)) for start, end in spans]
    assert len(mapped) > 1
    for weight in loaded.parameters():
        here = any(weight.data_ptr() in span for span in mapped)
        layout = torch.channels_last if weight.ndim == 4 else torch.contiguous_format
        assert here == (weight.ndim != 4) and weight.is_contiguous(memory_format=layout)


def test_a_loaded_model_is_trained_as_in_diffusers(unet: Any, tmp_path: Path) -> None:
    unet.save_pretrained(tmp_path)
    file = (tmp_path / f"{WEIGHTS}.safetensors").read_bytes()
    ours = UNet2DConditionModel.from_pretrained(tmp_path)
    theirs = diffusers.UNet2DConditionModel.from_pretrained(tmp_path)
    sample, text = torch.randn(2, 4, 16, 16), torch.randn(2, 7, 24)
    noise = torch.randn_like(sample)
    for model in (ours, theirs):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        for _ in range(2):
            loss = (model(sample, torch.tensor([3, 999]), text).sample - noise).square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            with torch.no_grad():  # a look between steps changes nothing
                model(sample, 5, text)
    before, expected = unet.state_dict(), theirs.state_dict()
    for name, weight in ours.state_dict().items():
        assert relative_error(weight, expected[name]) <= 1e-5, name
        assert not torch.equal(weight, before[name])
    # what is mapped from the file is changed in memory alone
    assert (tmp_path / f"{WEIGHTS}.safetensors").read_bytes() == file


@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_type_by_either_name(name: str, tiny_checkpoint: Path) -> None:
    def load(**options: Any) -> UNet2DConditionModel:
        return UNet2DConditionModel.from_pretrained(tiny_checkpoint / "unet", **options)

    assert load(**{name: torch.bfloat16}).dtype is torch.bfloat16
    with pytest.raises(EngineError, match=r"'float16'.*torch\.float16"):
        load(**{name: "float16"})
    with pytest.raises(EngineError, match="torch_dtype is"):
        load(dtype=torch.float16, torch_dtype=torch.float32)


def test_repr_says_what_it_is(unet: Any) -> None:
    assert repr(unet).startswith(
        f"UNet2DConditionModel: {unet.num_parameters():,} parameters, torch.float32 on cpu\n"
    )
    assert '"cross_attention_dim": 24' in repr(unet)
    assert unet.num_parameters() == sum(p.numel() for p in unet.parameters()) > 100_000


def old_autoencoder() -> tuple[type, Any, tuple[torch.Tensor, ...]]:
    theirs = diffusers.AutoencoderKL(block_out_channels=(8,), norm_num_groups=4)
    return AutoencoderKL, theirs, (torch.randn(1, 3, 8, 8),)


def old_unconditional() -> tuple[type, Any, tuple[torch.Tensor, ...]]:
    theirs = diffusers.UNet2DModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=None,
        layers_per_block=1,
        norm_num_groups=4,
    )
    return UNet2DModel, theirs, (torch.randn(1, 3, 8, 8), torch.tensor([7]))


@pytest.mark.parametrize("make", [old_autoencoder, old_unconditional])
@torch.no_grad()
def test_old_attention_names(make: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    ours, theirs, arguments = make()
    theirs.save_pretrained(tmp_path)
    path = tmp_path / f"{WEIGHTS}.safetensors"
    pattern = re.compile(r"(attentions\.\d+\.)(to_q|to_k|to_v|to_out\.0)\.")
    tensors = {
        pattern.sub(lambda match: f"{match[1]}{OLD_NAMES[match[2]]}.", key): tensor
        for key, tensor in load_file(path).items()
    }
    assert sum(".proj_attn." in key for key in tensors) >= 2
    save_file(tensors, path, {"format": "pt"})
    reference = type(theirs).from_pretrained(tmp_path)
    assert same(reference, theirs)
    loaded = ours.from_pretrained(tmp_path)
    error = relative_error(loaded(*arguments).sample, reference(*arguments).sample)
    assert error <= 1e-5
    both = tensors | {key: t for key, t in theirs.state_dict().items() if "to_q" in key}
    save_file(both, path)
    with pytest.raises(CheckpointError, match=r"to_q.* second time"):
        ours.from_pretrained(tmp_path)


def test_part_of_a_pair_is_not_enough(tiny_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_checkpoint / "vae", tmp_path / "vae")
    path = tmp_path / "vae" / f"{WEIGHTS}.safetensors"
    tensors = load_file(path)
    tensors["encoder.mid_block.attentions.0.quarry.weight"] = tensors.pop(
        "encoder.mid_block.attentions.0.to_q.weight"
    )
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=r"to_q\.weight.*quarry\.weight"):
        AutoencoderKL.from_pretrained(tmp_path / "vae")
