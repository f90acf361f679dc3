"""What every model of ours shares: configuration, loading, saving."""

from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from engine.checkpoints.layout import MODEL
from engine.checkpoints.repository import Hub, locate, require_safetensors
from engine.checkpoints.weights import (
    MAX_SHARD_SIZE,
    local_weights,
    read_tensors,
    weights_dtype,
    write_weights,
)
from engine.config import Configured, read_json
from engine.errors import CheckpointError
from engine.neutral import check_neutral, without_hints

__all__ = ["Model"]

WEIGHTS_STEM = "diffusion_pytorch_model"


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
        model = cls._on_meta(folder / cls.config_name)
        expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
        tensors = read_tensors(local_weights(folder, WEIGHTS_STEM, variant), expected, dtype)
        model.load_state_dict(tensors, strict=True, assign=True)
        return model.eval()

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
    def _on_meta(cls, path: Path) -> Self:
        config = read_json(path)
        try:
            with torch.device("meta"):
                return cls.from_config(config)
        except CheckpointError:
            raise
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: {error}.") from None

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}: {self.num_parameters():,} parameters, {self.dtype} on "
            f"{self.device}\n{self.config.to_json()}"
        )
