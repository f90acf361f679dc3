"""What a UNet needs beside the sample, computed once for all steps of a run."""

from dataclasses import dataclass

from torch import Tensor, nn

from engine.models.attention import KeysValues

__all__ = ["Conditioning"]


@dataclass(frozen=True)
class Conditioning:
    """Projections of the time and the text, by the module that takes them.

    shifts: residual block -> (N, C, 1, 1), a row for each timestep, or for each sample.
    texts:  transformer -> keys and values of the text for each of its layers.
    """

    shifts: dict[nn.Module, Tensor]
    texts: dict[nn.Module, list[KeysValues]]

    def at(self, index: int) -> "Conditioning":
        """Keep the row of one timestep, for the whole batch."""
        rows = {module: shift[index : index + 1] for module, shift in self.shifts.items()}
        return Conditioning(rows, self.texts)
