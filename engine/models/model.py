"""What every model of ours shares: configuration, loading, saving."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from engine.checkpoints.layout import MODEL
from engine.checkpoints.pieces import Rename, current_name
from engine.checkpoints.repository import Hub, locate, locate_file, require_safetensors
from engine.checkpoints.single_file import find_network
from engine.checkpoints.weights import (
    MAX_SHARD_SIZE,
    local_weights,
    read_tensors,
    weights_dtype,
    write_weights,
)
from engine.config import Configured
from engine.errors import CheckpointError, EngineError
from engine.json_files import read_json
from engine.neutral import SINGLE_FILE, check_neutral, without_hints

__all__ = ["Model"]

WEIGHTS_STEM = "diffusion_pytorch_model"
LAYERS = (
    "layers_per_block",
    "num_decoder_blocks",
    "num_encoder_blocks",
    "transformer_layers_per_block",
)
MOST_LAYERS = 1000
"""So many take a second to build; those that are known have 60 at most."""


class Model(Configured, nn.Module):
    """A network built from a configuration, in the diffusers folder layout."""

    config_name = "config.json"

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def num_parameters(self, only_trainable: bool = False, exclude_embeddings: bool = False) -> int:
        """Count the weights; exclude_embeddings: False alone."""
        check_neutral(exclude_embeddings=exclude_embeddings)
        counted = (one for one in self.parameters() if one.requires_grad or not only_trainable)
        return sum(parameter.numel() for parameter in counted)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: Path | str,
        *,
        subfolder: str | None = None,
        variant: str | None = None,
        dtype: torch.dtype | None = None,
        torch_dtype: torch.dtype | None = None,
        use_safetensors: bool | None = None,
        revision: str | None = None,
        cache_dir: Path | str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        **hints: Any,
    ) -> Self:
        """Build from `config.json` and fill from the safetensors beside it, one file or shards.

        pretrained_model_name_or_path: a folder, or "name/repository" on the Hub, of which only
        these files are downloaded.
        subfolder: the component's; in a flat checkpoint, which has none, the root is read.
        variant: of the weights, such as "fp16". dtype: float32 if not given; torch_dtype is its
        older name. revision, cache_dir, token, local_files_only: as in `repository.Hub`.
        hints: others that diffusers takes, at their neutral value: see `engine.neutral`.

        Every tensor must be there with the right shape: a `CheckpointError` names the first that
        is not, with the file. Returns the model in evaluation mode; its weights
        can be trained.
        """
        if unknown := without_hints(hints):
            raise TypeError(f"from_pretrained has no argument {', '.join(unknown)}.")
        require_safetensors(use_safetensors)
        dtype = weights_dtype(dtype, torch_dtype)
        hub = Hub(revision, cache_dir, token, local_files_only)
        folder = locate(pretrained_model_name_or_path, subfolder, MODEL, hub, variant)
        config = folder / cls.config_name
        model = cls._on_meta(read_json(config), config)
        return model._filled(local_weights(folder, WEIGHTS_STEM, variant), dtype)

    @classmethod
    def from_single_file(
        cls,
        pretrained_model_link_or_path_or_dict: Path | str,
        *,
        dtype: torch.dtype | None = None,
        torch_dtype: torch.dtype | None = None,
        use_safetensors: bool | None = None,
        revision: str | None = None,
        cache_dir: Path | str | None = None,
        token: str | bool | None = None,
        local_files_only: bool = False,
        **settings: Any,
    ) -> Self:
        """Load from a checkpoint in one file, in the layout of its authors.

        pretrained_model_link_or_path_or_dict: path of a safetensors file, or its address on the
        Hub; for an autoencoder also one that holds nothing else, in either layout.
        dtype: float32 if not given; torch_dtype is its older name. revision, cache_dir, token,
        local_files_only: as in `repository.Hub`.
        settings: in place of those that the file tells. An autoencoder alone does not tell its
        `scaling_factor`: it is that of Stable Diffusion 1 and 2, and for XL to be given as
        0.13025. Beside them, what else diffusers takes, at its neutral value: see
        `engine.neutral`.
        Raises `CheckpointError` for another kind of file, and as `from_pretrained`.
        """
        settings = without_hints(settings, SINGLE_FILE)
        require_safetensors(use_safetensors)
        dtype = weights_dtype(dtype, torch_dtype)
        hub = Hub(revision, cache_dir, token, local_files_only)
        path = locate_file(pretrained_model_link_or_path_or_dict, hub)
        part, found = find_network(path, cls.__name__)
        cls._check_names(settings.keys() - cls.only.keys())
        return cls.from_tensors(found | settings, path, part.rename, dtype)

    @classmethod
    def from_tensors(
        cls, config: Mapping[str, Any], path: Path, rename: Rename, dtype: torch.dtype
    ) -> Self:
        """Build from a configuration and fill from one file, whose keys are others than ours.

        Raises `CheckpointError` as `from_pretrained`.
        """
        return cls._on_meta(config, path)._filled([path], dtype, rename)

    def save_pretrained(
        self,
        save_directory: Path | str,
        is_main_process: bool = True,
        save_function: None = None,
        safe_serialization: bool = True,
        variant: str | None = None,
        max_shard_size: int | str = MAX_SHARD_SIZE,
        push_to_hub: bool = False,
    ) -> None:
        """Write `config.json` and safetensors.

        variant: part of the file names, such as "fp16"; it casts nothing.
        max_shard_size: bytes, or a text such as "5GB"; larger models become several files.
        The others are taken at their neutral value alone.
        """
        check_neutral(
            is_main_process=is_main_process,
            save_function=save_function,
            safe_serialization=safe_serialization,
            push_to_hub=push_to_hub,
        )
        self.save_config(save_directory)
        write_weights(
            Path(save_directory), WEIGHTS_STEM, self.state_dict(), variant, max_shard_size
        )

    @classmethod
    def _on_meta(cls, config: Mapping[str, Any], path: Path) -> Self:
        """path: of what told the configuration."""
        try:
            _check_layers(config)
            with torch.device("meta"):
                return cls.from_config(config)
        except EngineError as error:
            raise CheckpointError(f"{path}: {error}") from None
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: {error}.") from None

    def _filled(
        self, paths: Sequence[Path], dtype: torch.dtype, rename: Rename = current_name
    ) -> Self:
        expected = {key: tuple(tensor.shape) for key, tensor in self.state_dict().items()}
        tensors = read_tensors(paths, expected, dtype, rename)
        for key, tensor in tensors.items():
            if not tensor.is_floating_point():
                raise CheckpointError(
                    f"{paths[0]}: {key} is of {tensor.dtype}, and floating-point numbers are "
                    "needed: take a version of the model that is not quantised."
                )
        self.load_state_dict(tensors, strict=True, assign=True)
        return self.eval()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}: {self.num_parameters():,} parameters, {self.dtype} on "
            f"{self.device}\n{self.config.to_json()}"
        )


def _check_layers(config: Mapping[str, Any]) -> None:
    """Refuse so many layers that building them would not end; the class tells what is no number."""
    widths = config.get("block_out_channels")
    count = len(widths) if isinstance(widths, list) else 1
    for key in LAYERS:
        value = config.get(key)
        numbers = value if isinstance(value, list) else [value]
        count *= max((number for number in numbers if isinstance(number, int)), default=1)
    if count > MOST_LAYERS:
        keys = ", ".join(config.keys() & {"block_out_channels", *LAYERS})
        raise CheckpointError(
            f"it asks for {count:,} layers by {keys}; at most {MOST_LAYERS:,} are built."
        )
