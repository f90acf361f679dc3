"""The loop that every stage of the training shares: budget, rate, averages, checkpoints."""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

__all__ = ["Options", "add_options", "average", "fit", "options_of"]


@dataclass(frozen=True)
class Options:
    """How long and how fast to learn; the run ends at the first of its two limits.

    minutes counts wall-clock time, that of earlier, interrupted runs of the folder included.
    """

    minutes: float
    rate: float
    steps: int = 10**9
    warmup: int = 100
    average: float = 0.999
    save_minutes: float = 3.0
    seed: int = 0


def add_options(parser: argparse.ArgumentParser, minutes: float, rate: float) -> None:
    """Add the options that every stage takes."""
    parser.add_argument("--minutes", type=float, default=minutes, help="wall-clock budget")
    parser.add_argument("--steps", type=int, default=10**9, help="limit of steps, if met earlier")
    parser.add_argument("--rate", type=float, default=rate, help="highest learning rate")
    parser.add_argument("--batch", type=int, help="pictures a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())


def options_of(parsed: argparse.Namespace, **changes: float) -> Options:
    """Read back what `add_options` added."""
    torch.set_num_threads(parsed.threads)
    return Options(
        minutes=parsed.minutes,
        rate=parsed.rate,
        steps=parsed.steps,
        seed=parsed.seed,
        **changes,  # type: ignore[arg-type]
    )


def _rate(options: Options, step: int, progress: float) -> float:
    """Warm-up, level, and a straight line down to nothing over the last quarter of the budget."""
    return options.rate * min(1.0, (step + 1) / options.warmup, 4 * (1 - progress))


class _Average:
    """A slowly following copy of the weights, which draws better than the weights."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {key: value.detach().clone() for key, value in model.state_dict().items()}

    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                self.values[key].lerp_(value, 1 - decay)
            else:
                self.values[key].copy_(value)


def average(folder: Path) -> dict[str, Tensor]:
    """The averaged weights of a run's last checkpoint."""
    return torch.load(folder / "state.pt", weights_only=True)["average"]


def fit(
    model: nn.Module,
    loss: Callable[[torch.Generator], Tensor],
    options: Options,
    folder: Path,
) -> list[float]:
    """Train until the budget is spent, resuming the folder's checkpoint where there is one.

    loss: draws a batch with the generator and returns a scalar. The model ends with its averaged
    weights. Returns the mean loss of every hundred steps (at least one value).
    """
    # On a CPU without native bfloat16 this layout trained faster than the contiguous one.
    nn.utils.convert_conv2d_weight_memory_format(model, torch.channels_last)
    generator = torch.Generator().manual_seed(options.seed)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=options.rate, betas=(0.9, 0.99), weight_decay=0.01
    )
    averaged = _Average(model, options.average)
    step, spent, losses = 0, 0.0, []
    path = folder / "state.pt"
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        averaged.values = state["average"]
        generator.set_state(state["generator"])
        step, spent = state["step"], state["seconds"]
    begun = saved = time.perf_counter()
    model.train()
    recent: list[float] = []
    while True:
        seconds = spent + time.perf_counter() - begun
        progress = max(step / options.steps, seconds / (60 * options.minutes))
        ending = progress >= 1
        if ending or time.perf_counter() - saved > 60 * options.save_minutes:
            folder.mkdir(parents=True, exist_ok=True)
            state = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "average": averaged.values,
                "generator": generator.get_state(),
                "step": step,
                "seconds": seconds,
            }
            torch.save(state, path.with_suffix(".partial"))
            path.with_suffix(".partial").replace(path)
            saved = time.perf_counter()
        if ending:
            break
        for group in optimizer.param_groups:
            group["lr"] = _rate(options, step, progress)
        value = loss(generator)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        averaged.update(model, step)
        recent.append(value.item())
        step += 1
        if len(recent) == 100:
            losses.append(sum(recent) / len(recent))
            print(f"step {step} minute {seconds / 60:.1f} loss {losses[-1]:.4f}", flush=True)
            recent = []
    if recent:
        losses.append(sum(recent) / len(recent))
    model.load_state_dict(averaged.values)
    model.eval()
    return losses
