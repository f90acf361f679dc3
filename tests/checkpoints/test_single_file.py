"""Checkpoints in one file, in the layout of their authors, beside diffusers that reads the same."""

import copy
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from engine import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel, UNet2DModel
from engine.cache import ComponentCache
from engine.checkpoints.catalog import find_model, list_models
from engine.checkpoints.components import component_files, load_component, read_index
from engine.checkpoints.original.build import build
from engine.checkpoints.original.tokenizer import clip_tokenizer
from engine.checkpoints.provenance import Provenance
from engine.checkpoints.single_file import SingleFile
from engine.errors import CheckpointError, EngineError
from engine.service.queries import describe_model
from tests.checkpoints.hub import StandIn
from tests.checkpoints.load import same
from tests.checkpoints.original import TINY, Made
from tests.pipelines.parity import blob, painting, parity

Original = Callable[[str], tuple[Made, Path]]
PUBLISHED = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
TEXT_KEYS = (
    *("hidden_act", "hidden_size", "intermediate_size", "max_position_embeddings"),
    *("num_attention_heads", "num_hidden_layers", "vocab_size", "eos_token_id", "layer_norm_eps"),
)
UNET = "model.diffusion_model."


def scheduler(made: Made) -> Any:
    """As the published folders of the family have it."""
    if made.tiny.pipeline.startswith("StableDiffusionXL"):
        return diffusers.EulerDiscreteScheduler(**PUBLISHED, timestep_spacing="leading")
    if made.tiny.prediction == "v_prediction":
        return diffusers.DDIMScheduler(
            **PUBLISHED, clip_sample=False, set_alpha_to_one=False, prediction_type="v_prediction"
        )
    return diffusers.PNDMScheduler(**PUBLISHED, set_alpha_to_one=False, skip_prk_steps=True)


def rounded(model: torch.nn.Module) -> torch.nn.Module:
    """A copy with what half precision keeps of the weights."""
    return copy.deepcopy(model).half().float()


@pytest.fixture(scope="module")
def reference(original: Original, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Makes the pipeline that diffusers reads from a family's file, with a folder of settings."""

    @functools.cache
    def of(name: str) -> Any:
        made, path = original(name)
        folder = tmp_path_factory.mktemp("settings")
        first = clip_tokenizer("<|endoftext|>" if made.tiny.clip else "!")
        parts: dict[str, Any] = {"scheduler": scheduler(made), "tokenizer": first}
        if made.tiny.pipeline.startswith("StableDiffusionXL"):
            parts |= {"text_encoder": None, "tokenizer_2": clip_tokenizer("!")}
            parts["tokenizer"] = first if made.tiny.clip else None
        elif name == "2 depth":
            parts |= {"depth_estimator": None, "feature_extractor": None}
        else:
            parts |= {"safety_checker": None, "feature_extractor": None}
            parts["requires_safety_checker"] = False
        kind = getattr(diffusers, made.tiny.pipeline)
        if not hasattr(kind, "from_single_file"):
            return kind(**parts | {key: rounded(model) for key, model in made.models.items()})
        kind(**parts | made.models).save_pretrained(folder)
        absent = {key: None for key, part in parts.items() if part is None}
        given = {key: None for key in absent if key not in made.models}
        return kind.from_single_file(path, config=str(folder), local_files_only=True, **given)

    return of


@pytest.mark.parametrize("name", TINY)
def test_every_tensor_and_setting_is_that_of_diffusers(
    name: str, original: Original, reference: Callable[[str], Any]
) -> None:
    made, path = original(name)
    theirs, file = reference(name), SingleFile(path, made.tiny.prediction)
    assert file.index()["_class_name"] == made.tiny.pipeline
    assert file.parts.keys() == made.models.keys()
    for part, model in made.models.items():
        ours, other = build(file, part, torch.float32), getattr(theirs, part)
        assert ours.state_dict().keys() == other.state_dict().keys() and same(ours, other)
        assert not any(tensor.is_meta for tensor in [*ours.parameters(), *ours.buffers()])
        assert not ours.training
        if part.startswith("text"):
            keys = (*TEXT_KEYS, *(["projection_dim"] if part == "text_encoder_2" else []))
            assert {k: getattr(ours.config, k) for k in keys} == {
                k: getattr(model.config, k) for k in keys
            }
        else:
            assert ours.config.to_dict() == type(ours).from_config(model.config).config.to_dict()
    settings = scheduler(made).config
    assert file.classes["scheduler"] == type(scheduler(made)).__name__
    ours = build(file, "scheduler", torch.float32).config
    assert {key: ours[key] for key in settings if key in ours and not key.startswith("_")} == {
        key: value for key, value in settings.items() if key in ours and not key.startswith("_")
    }
    for part in ("tokenizer", "tokenizer_2"):
        assert (part in file.classes) == (getattr(theirs, part, None) is not None)
        if part in file.classes:
            pad = build(file, part, torch.float32).pad_token
            assert pad == getattr(theirs, part).pad_token


@pytest.mark.parametrize("name", [name for name in TINY if not name.startswith("XL")])
def test_pictures_are_those_of_diffusers(
    name: str, original: Original, reference: Callable[[str], Any]
) -> None:
    made, path = original(name)
    ours = DiffusionPipeline.from_single_file(path, prediction_type=made.tiny.prediction)
    assert type(ours).__name__ == made.tiny.pipeline
    given: dict[str, Any] = {"prompt": "a photo", "num_inference_steps": 2}
    if "depth" in name:
        depth = torch.linspace(0, 1, 64 * 64).reshape(1, 64, 64)
        given |= {"image": painting(), "depth_map": depth}
    else:
        given |= {"height": 64, "width": 64}
    if "inpainting" in name:
        given |= {"image": painting(), "mask_image": blob((16, 16, 48, 48))}
    assert parity(ours, reference(name), **given) <= 1e-4


def test_a_class_takes_the_file_for_its_own_task(original: Original) -> None:
    from engine import StableDiffusionImg2ImgPipeline

    _, path = original("1")
    pipeline = StableDiffusionImg2ImgPipeline.from_single_file(path, torch_dtype=torch.float16)
    assert type(pipeline) is StableDiffusionImg2ImgPipeline
    assert pipeline.dtype is torch.float16 and pipeline.unet.dtype is torch.float16
    assert pipeline.components["safety_checker"] is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_what_has_the_type_already_is_not_copied(
    dtype: torch.dtype, original: Original, tmp_path: Path
) -> None:
    made, _ = original("2")
    file = SingleFile(made.save(tmp_path / "model.safetensors", dtype))
    models = [build(file, part, dtype) for part in made.models]
    lines = Path("/proc/self/maps").read_text().splitlines()
    spans = [line.split()[0].split("-") for line in lines if str(tmp_path) in line]
    mapped = [range(int(start, 16), int(end, 16)) for start, end in spans]
    weights = [weight for model in models for weight in model.parameters()]
    assert len(weights) > 100
    for weight in weights:
        here = any(weight.data_ptr() in span for span in mapped)
        assert here == (weight.ndim != 4) and weight.dtype is dtype


def test_moving_averages_are_taken_where_there_is_nothing_else(
    original: Original, tmp_path: Path
) -> None:
    made, path = original("XL refiner")
    averages = {
        "model_ema.diffusion_model" + key.removeprefix(UNET).replace(".", ""): tensor + 1
        for key, tensor in made.tensors.items()
        if key.startswith(UNET)
    } | {"model_ema.decay": torch.tensor(0.9), "model_ema.num_updates": torch.tensor(7)}
    both = made.save(tmp_path / "both.safetensors", torch.float16, **averages)
    assert same(
        UNet2DConditionModel.from_single_file(both), UNet2DConditionModel.from_single_file(path)
    )
    rest = {key: tensor for key, tensor in made.tensors.items() if not key.startswith(UNET)}
    alone = Made(made.tiny, made.models, rest).save(tmp_path / "ema.safetensors", **averages)
    unet = UNet2DConditionModel.from_single_file(alone).state_dict()
    for key, tensor in made.models["unet"].state_dict().items():
        assert torch.equal(unet[key], tensor + 1), key


def without(made: Made, prefix: str, path: Path) -> Path:
    kept = {key: tensor for key, tensor in made.tensors.items() if not key.startswith(prefix)}
    return Made(made.tiny, made.models, kept).save(path, torch.float16)


def test_what_a_file_lacks_is_given(original: Original, tmp_path: Path) -> None:
    made, path = original("1")
    for prefix, name in (("first_stage_model.", "vae"), ("cond_stage_model.", "text_encoder")):
        part = without(made, prefix, tmp_path / f"{name}.safetensors")
        with pytest.raises(CheckpointError, match=rf"{name}\.safetensors holds no {name}.*{name}="):
            DiffusionPipeline.from_single_file(part)
        own = DiffusionPipeline.from_single_file(path).components[name]
        pipeline = DiffusionPipeline.from_single_file(part, **{name: own})
        assert pipeline.components[name] is own
        assert DiffusionPipeline.from_single_file(part, **{name: None}).components[name] is None


def test_tensors_that_are_missing_misshapen_or_too_many(original: Original, tmp_path: Path) -> None:
    _, path = original("1")
    key = f"{UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_v.weight"
    tensors = load_file(path)
    for name, change in (
        ("to_v", {key: None}),
        ("odd", {f"{UNET}input_blocks.1.1.odd": torch.zeros(2)}),
        (r"to_v\.weight has the shape \[3, 3\]", {key: torch.zeros(3, 3)}),
        ("no whole unet", {f"{UNET}input_blocks.0.0.weight": torch.zeros(())}),
        ("token_embedding", {
            "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": None
        }),
    ):  # fmt: skip
        changed = {k: t for k, t in (tensors | change).items() if t is not None}
        save_file(changed, tmp_path / "broken.safetensors")
        with pytest.raises(CheckpointError, match=rf"broken\.safetensors.*{name}"):
            DiffusionPipeline.from_single_file(tmp_path / "broken.safetensors")


@pytest.mark.parametrize("prefix", ["first_stage_model.", "vae.", "", "diffusers", "old"])
def test_an_autoencoder_alone(prefix: str, original: Original, tmp_path: Path) -> None:
    made, whole = original("1")
    path, first = tmp_path / "vae.safetensors", "first_stage_model."
    state = {key.removeprefix(first): t for key, t in made.tensors.items() if key.startswith(first)}
    if prefix in ("diffusers", "old"):
        state = made.models["vae"].state_dict()
    if prefix == "old":
        names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        for new, old in names.items():
            state = {key.replace(f".{new}.", f".{old}."): t for key, t in state.items()}
    kept = prefix if prefix.endswith(".") else ""
    tensors = {kept + key: tensor.half().contiguous() for key, tensor in state.items()}
    save_file(tensors | {"loss.logvar": torch.zeros(())}, path)
    vae = AutoencoderKL.from_single_file(path, scaling_factor=0.13025, dtype=torch.float16)
    assert same(vae, AutoencoderKL.from_single_file(whole, dtype=torch.float16))
    assert vae.config.scaling_factor == 0.13025
    assert AutoencoderKL.from_single_file(path).config.scaling_factor == 0.18215
    pipeline = DiffusionPipeline.from_single_file(whole, vae=vae)
    assert pipeline.components["vae"] is vae
    with pytest.raises(CheckpointError, match="an autoencoder alone: load it by AutoencoderKL"):
        DiffusionPipeline.from_single_file(path)
    with pytest.raises(EngineError, match="scaling_facto"):
        AutoencoderKL.from_single_file(path, scaling_facto=1.0)
    with pytest.raises(CheckpointError, match="holds no UNet2DModel; it has: UNet2DCond"):
        UNet2DModel.from_single_file(whole)


def test_an_autoencoder_for_other_models(tmp_path: Path) -> None:
    theirs = diffusers.AutoencoderKL(latent_channels=16, norm_num_groups=32)
    save_file(theirs.state_dict(), tmp_path / "ae.safetensors")
    with pytest.raises(CheckpointError, match="16 latent channels"):
        AutoencoderKL.from_single_file(tmp_path / "ae.safetensors")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.ckpt", "can run code"),
        ("none.safetensors", "is no file"),
        ("https://example.org/a/b/blob/main/x.safetensors", "is no file"),
    ],
)
def test_what_is_no_such_file(name: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02")
    given = name if name.startswith("https") else tmp_path / name
    for cls in (DiffusionPipeline, AutoencoderKL):
        with pytest.raises(CheckpointError, match=words):
            cls.from_single_file(given)


def test_an_address_on_the_hub(hub: StandIn, cache: Path, original: Original) -> None:
    _, path = original("1")
    hub.repo("a/tiny").commit({"models/tiny.safetensors": path.read_bytes()})
    link = "https://huggingface.co/a/tiny/blob/main/models/tiny.safetensors"
    vae = AutoencoderKL.from_single_file(link, cache_dir=cache)
    assert hub.downloads() == ["models/tiny.safetensors"]
    assert same(vae, AutoencoderKL.from_single_file(path))


def test_a_file_stands_for_a_folder(original: Original, tmp_path: Path) -> None:
    made, path = original("1")
    kind, specs = read_index(path)
    assert kind == made.tiny.pipeline and specs["safety_checker"] is None
    for name, spec in specs.items():
        if spec:
            assert component_files(path, name, spec) == [path]
            component = load_component(path, name, spec, torch.float32)
            assert type(component).__name__ == spec.cls
    assert Provenance().of(path)["weights"].keys() == {path.name}


def test_components_of_a_file_are_kept_one_by_one(original: Original) -> None:
    _, path = original("1")
    _, other = original("1 inpainting")
    cache, loaded = ComponentCache(10**9), list[str]()
    first = cache.pipeline(path, "text-to-image", "cpu", torch.float16, loaded.append)
    assert set(loaded) == {"vae", "text_encoder", "tokenizer", "unet", "scheduler"}
    again = cache.pipeline(path, "inpaint", "cpu", torch.float16, loaded.append)
    assert len(loaded) == 5 and again.components["unet"] is first.components["unet"]
    inpaint = cache.pipeline(other, "inpaint", "cpu", torch.float16)
    assert inpaint.components["unet"] is not first.components["unet"]


def test_tokenizers_of_one_file_are_told_apart(original: Original) -> None:
    _, path = original("XL")
    cache = ComponentCache(10**9)
    first, second = cache.components(path, ("tokenizer", "tokenizer_2"), "cpu", torch.float32)
    assert (first.pad_token_id, second.pad_token_id) == (49407, 0)


def test_files_are_listed_beside_folders(
    original: Original, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    _, path = original("2")
    (tmp_path / "two.safetensors").symlink_to(path)
    (tmp_path / "folder").symlink_to(tiny_checkpoint)
    save_file({"lora_unet_x.lora_up.weight": torch.zeros(2)}, tmp_path / "style.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(b"\0")
    folder, file = list_models(tmp_path)
    assert (folder.name, file.name) == ("folder", "two.safetensors")
    assert file == find_model(tmp_path, "two.safetensors") and file.path.is_file()
    assert file.tasks == ("text-to-image", "image-to-image", "inpaint")
    assert (file.width, file.height, file.bytes) == (192, 192, path.stat().st_size)
    assert file.scheduler == file.scheduler_config["_class_name"] == "DDIMScheduler"
    assert file.scheduler_config["prediction_type"] == "v_prediction"
    with pytest.raises(CheckpointError, match="a LoRA"):
        find_model(tmp_path, "style.safetensors")
    told = describe_model(tmp_path, model="two.safetensors")
    parts = {part["name"]: part for part in told["components"]}
    unet = UNet2DConditionModel.from_single_file(path)
    assert parts["unet"]["parameters"] == unet.num_parameters()
    assert parts["unet"]["config"]["sample_size"] == 96 and not parts["tokenizer"]["parameters"]


def test_a_file_that_changes_is_described_anew(original: Original, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"lora_unet_x.lora_up.weight": torch.zeros(2)}, path)
    assert list_models(tmp_path) == []
    path.write_bytes(original("1")[1].read_bytes())
    assert [model.name for model in list_models(tmp_path)] == [path.name]
