"""What a UNet needs beside the sample, computed once for all steps of a run."""

from dataclasses import dataclass

from torch import Tensor, nn

from engine.models.attention import KeysValues

__all__ = ["Conditioning"]


@dataclass(frozen=True)
class Conditioning:
    """Projections of the time and the text, by the module that takes them.

    shifts: residual block -> (N, 1 or B, C, 1, 1), N steps; at one step (1 or B, C, 1, 1).
    texts:  transformer -> keys and values of the text for each of its layers.
    """

    shifts: dict[nn.Module, Tensor]
    texts: dict[nn.Module, list[KeysValues]]

    def at(self, index: int) -> "Conditioning":
        """What holds at one step."""
        return Conditioning(
            {module: shift[index] for module, shift in self.shifts.items()}, self.texts
        )
