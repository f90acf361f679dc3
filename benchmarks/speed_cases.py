"""What `benchmarks.speed` runs: networks with random weights, and the bundled model whole."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from tests.models.published import CAT256, SD15, VAE15

__all__ = ["CASES", "Case"]

BUNDLED = Path(__file__).resolve().parent.parent / "assets" / "models" / "tabletop"
PROMPT = "a large shiny red sphere and a small matte blue cube"
STEPS = 25
TIMESTEP = 501


@dataclass(frozen=True)
class Case:
    """One call that both libraries make.

    model: name of the class, the same in both; config: of a network that gets random weights.
    sample, text: shapes of what enters; a pipeline has none of these three.
    """

    title: str
    model: str
    config: dict[str, Any] = field(default_factory=dict)
    sample: tuple[int, ...] = ()
    text: tuple[int, ...] = ()

    def shrunk(self, by: int) -> "Case":
        """The same with the sides of the sample divided."""
        sides = tuple(side // by for side in self.sample[2:])
        return replace(self, sample=self.sample[:2] + sides)

    def write_weights(self, library: Any, folder: Path, dtype: torch.dtype) -> Path:
        """Have `library` write random weights into `folder`; returns where the model is."""
        if not self.config:
            return BUNDLED
        torch.manual_seed(0)
        model = getattr(library, self.model).from_config(self.config)
        model.to(dtype).save_pretrained(folder)
        return folder

    def load(self, library: Any, folder: Path, dtype: torch.dtype, device: str) -> Any:
        """Load as `library` does."""
        model = getattr(library, self.model).from_pretrained(folder, dtype=dtype)
        if not self.config and hasattr(model, "set_progress_bar_config"):
            model.set_progress_bar_config(disable=True)
        return model.to(device)

    def inputs(self, device: str, dtype: torch.dtype) -> list[Tensor]:
        """Draw the sample, and the text where there is one: the same in both libraries."""
        generator = torch.Generator().manual_seed(0)
        drawn = [torch.randn(shape, generator=generator) for shape in (self.sample, self.text)]
        return [tensor.to(device, dtype) for tensor in drawn if tensor.ndim]

    def call(self, model: Any, inputs: list[Tensor]) -> Tensor:
        """Make the call; returns its picture or prediction."""
        if not self.config:
            generator = torch.Generator().manual_seed(0)
            result = model(PROMPT, num_inference_steps=STEPS, generator=generator, output_type="np")
            return torch.from_numpy(result.images)
        if self.model == "AutoencoderKL":
            return model.decode(*inputs).sample
        sample, *text = inputs
        return model(sample, TIMESTEP, *text).sample

    def count_flops(self, library: Any) -> int | None:
        """Multiplications and additions of one call, where it is a single network."""
        if not self.config:
            return None
        with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
            self.call(
                getattr(library, self.model).from_config(self.config),
                self.inputs("meta", torch.float32),
            )
        return counter.get_total_flops()


CASES = {
    "unet": Case(
        "UNet of Stable Diffusion 1.5, guidance batch of 2",
        "UNet2DConditionModel",
        SD15,
        (2, 4, 64, 64),
        (2, 77, 768),
    ),
    "ddpm": Case("UNet of ddpm-cat-256", "UNet2DModel", CAT256, (1, 3, 256, 256)),
    "decode": Case("decoder of Stable Diffusion 1.5", "AutoencoderKL", VAE15, (1, 4, 64, 64)),
    "bundled": Case(f"bundled model, {STEPS} steps and decoding", "DiffusionPipeline"),
}
