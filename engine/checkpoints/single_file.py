"""A checkpoint in one safetensors file, in the layout of its authors, described as a folder is.

The header alone tells what it is; `engine.checkpoints.original.build` reads the tensors.
"""

from pathlib import Path
from typing import Any

from engine.checkpoints.header import read_header
from engine.checkpoints.layout import INDEX_NAME, Files
from engine.checkpoints.original import foreign, measure
from engine.checkpoints.original.families import LATENT_SCALE, family_of
from engine.checkpoints.original.parts import (
    Part,
    find_autoencoder,
    find_text_encoder,
    find_unet,
)
from engine.checkpoints.original.prediction import is_zero_snr, prediction_of
from engine.checkpoints.original.tokenizer import MAX_LENGTH
from engine.checkpoints.repository import part_folder
from engine.config import FORMAT_VERSION
from engine.errors import CheckpointError
from engine.json_files import read_json

__all__ = ["SUFFIX", "SingleFile", "find_network", "model_index", "settings_of"]

SUFFIX = ".safetensors"
LATENT_CHANNELS = 4


class SingleFile:
    """path: of the file. family: what it is one of. prediction: what its UNet predicts.

    parts: its networks, by the names of components. classes: of all its components.
    """

    def __init__(self, path: Path, prediction_type: str | None = None) -> None:
        """prediction_type: as `prediction_of` takes it.

        Raises `CheckpointError` for a file that is damaged, or of another kind.
        """
        header = read_header(path)
        unet = find_unet(header)
        family = family_of(unet.shapes) if unet else None
        words = foreign.variant(header)
        if words or unet is None or family is None:
            raise CheckpointError(f"{path} looks like {words or foreign.describe(header)}")
        self.path, self.family = path, family
        self.prediction = prediction_of(path, header, family, prediction_type)
        self._zero_snr = is_zero_snr(header)
        found = {
            "unet": ("UNet2DConditionModel", unet),
            "vae": ("AutoencoderKL", find_autoencoder(header)),
            **{
                name: (text.cls, find_text_encoder(header, text))
                for name, text in family.texts.items()
            },
        }
        self.parts = {name: part for name, (_, part) in found.items() if part is not None}
        self.classes = {name: cls for name, (cls, part) in found.items() if part is not None}
        self.classes |= dict.fromkeys(family.tokenizers, "CLIPTokenizer")
        self.classes["scheduler"] = family.schedulers[self.prediction]

    def index(self) -> dict[str, Any]:
        """What `model_index.json` would say: the class of the pipeline, and the components.

        Raises `CheckpointError` for a UNet that no task is known for.
        """
        channels = self.settings("unet")["in_channels"]
        if channels not in self.family.pipelines:
            known = ", ".join(map(str, self.family.pipelines))
            raise CheckpointError(
                f"{self.path} is a {self.family.name} checkpoint whose UNet takes {channels} "
                f"channels; known are {known}. Other tasks, as InstructPix2Pix, are not supported."
            )
        entries = {name: [_library(cls), cls] for name, cls in self.classes.items()}
        return {
            "_class_name": self.family.pipelines[channels],
            "_diffusers_version": FORMAT_VERSION,
            **self.family.index,
            **entries,
        }

    def settings(self, name: str) -> dict[str, Any]:
        """The configuration of a component, as its file in a folder would have it.

        Raises `CheckpointError` for a network that lacks what every such network has.
        """
        try:
            return self._settings(name)
        except (LookupError, ValueError) as error:
            raise CheckpointError(
                f"{self.path} has no whole {name} ({error}): fetch the file again."
            ) from None

    def _settings(self, name: str) -> dict[str, Any]:
        family, size = self.family, self.family.sizes[self.prediction]
        if name == "scheduler":
            zero = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
            own = {"prediction_type": self.prediction, **(zero if self._zero_snr else {})}
            return {**family.scheduler, **own}
        if name in family.tokenizers:
            return {"model_max_length": MAX_LENGTH, "pad_token": family.tokenizers[name]}
        shapes = self.parts[name].shapes
        if name == "unet":
            return {**family.unet, "sample_size": size, **measure.unet(shapes)}
        if name == "vae":
            pixels = size * LATENT_SCALE
            return {**family.vae, "sample_size": pixels, **measure.autoencoder(shapes)}
        text = family.texts[name]
        return {"architectures": [text.cls], **text.config, **measure.text_encoder(shapes)}


def _library(cls: str) -> str:
    return "transformers" if cls.startswith("CLIP") else "diffusers"


def find_network(path: Path, cls: str) -> tuple[Part, dict[str, Any]]:
    """A network of a file, and its configuration: of a checkpoint, or an autoencoder alone.

    Raises `CheckpointError` if the file has none of the class.
    """
    header = read_header(path)
    autoencoder = find_autoencoder(header)
    if cls == "AutoencoderKL" and autoencoder and find_unet(header) is None:
        return autoencoder, _alone(path, autoencoder)
    file = SingleFile(path)
    for name, part in file.parts.items():
        if file.classes[name] == cls:
            return part, file.settings(name)
    there = ", ".join(file.classes[name] for name in file.parts)
    raise CheckpointError(f"{path} holds no {cls}; it has: {there}.")


def _alone(path: Path, autoencoder: Part) -> dict[str, Any]:
    try:
        settings = measure.autoencoder(autoencoder.shapes)
    except (LookupError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no whole autoencoder ({error}): fetch the file again."
        ) from None
    if (channels := settings["latent_channels"]) != LATENT_CHANNELS:
        raise CheckpointError(
            f"{path} is an autoencoder of {channels} latent channels, as for Stable Diffusion 3 or "
            f"Flux; those of Stable Diffusion 1, 2 and XL have {LATENT_CHANNELS}."
        )
    return settings


def model_index(checkpoint: Path) -> dict[str, Any]:
    """The index of a checkpoint, a folder or one file; raises `CheckpointError`."""
    if checkpoint.is_file():
        return SingleFile(checkpoint).index()
    return read_json(checkpoint / INDEX_NAME)


def settings_of(checkpoint: Path, name: str, files: Files) -> dict[str, Any]:
    """The configuration of a component of a checkpoint, a folder or one file.

    Raises `CheckpointError`.
    """
    if checkpoint.is_file():
        return SingleFile(checkpoint).settings(name)
    return read_json(part_folder(checkpoint, name, files) / files.config)
