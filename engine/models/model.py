"""What every model of ours shares: configuration, loading, saving."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import nn

from engine.checkpoints.weights import read_tensors, weight_file, write_tensors
from engine.config import Configured, read_json
from engine.errors import CheckpointError

__all__ = ["Model"]

WEIGHTS_NAME = "diffusion_pytorch_model.safetensors"


class Model(Configured, nn.Module):
    """A network built from a configuration, in the diffusers folder layout."""

    config_name = "config.json"
    only: ClassVar[Mapping[str, Any]] = {}
    """Published configuration keys of which a single value is supported."""

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def num_parameters(self) -> int:
        """Count the weights."""
        return sum(parameter.numel() for parameter in self.parameters())

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **overrides: Any) -> Self:
        for key, supported in cls.only.items():
            if config.get(key, supported) != supported:
                raise CheckpointError(
                    f"{cls.__name__}: {key} is {config[key]!r}, supported is only {supported!r}."
                )
        return super().from_config(config, **overrides)

    @classmethod
    def from_pretrained(
        cls,
        folder: Path | str,
        *,
        subfolder: str | None = None,
        torch_dtype: torch.dtype = torch.float32,
        use_safetensors: bool = True,
    ) -> Self:
        """Build from `config.json` and fill from the safetensors file beside it.

        Every tensor must be there with the right shape: a `CheckpointError` names the first that
        is not, with the file. Returns the model in evaluation mode.
        """
        if not use_safetensors:
            raise CheckpointError("use_safetensors=False is refused: other formats can run code.")
        folder = Path(folder) / (subfolder or "")
        config = read_json(folder / cls.config_name)
        try:
            with torch.device("meta"):
                model = cls.from_config(config)
        except CheckpointError:
            raise
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"{folder / cls.config_name}: {error}.") from None
        path = weight_file(folder, WEIGHTS_NAME)
        expected = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
        model.load_state_dict(read_tensors(path, expected, torch_dtype), strict=True, assign=True)
        return model.requires_grad_(False).eval()

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `config.json` and one safetensors file."""
        self.save_config(folder)
        write_tensors(Path(folder) / WEIGHTS_NAME, self.state_dict())

    def extra_repr(self) -> str:
        return f"{self.num_parameters():,} parameters, {json.dumps(str(self.dtype))}"
