"""The loop that every stage of the training shares: budget, rate, averages, checkpoints."""

import argparse
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from training.muon import Muon, matrices
from training.plot import save_plot

__all__ = ["Options", "Sheet", "add_options", "average", "fit", "options_of"]


@dataclass(frozen=True)
class Options:
    """How long and how fast to learn; the run ends at the first of its two limits.

    minutes counts wall-clock time, that of earlier, interrupted runs of the folder included.
    device: where the networks are while they learn.
    """

    minutes: float
    rate: float
    steps: int = 10**9
    warmup: int = 100
    average: float = 0.999
    save_minutes: float = 3.0
    seed: int = 0
    device: str = "cpu"


def add_options(parser: argparse.ArgumentParser, minutes: float, rate: float) -> None:
    """Add the options that every stage takes."""
    parser.add_argument("--minutes", type=float, default=minutes, help="wall-clock budget")
    parser.add_argument("--steps", type=int, default=10**9, help="limit of steps, if met earlier")
    parser.add_argument("--rate", type=float, default=rate, help="highest learning rate")
    parser.add_argument("--batch", type=int, help="pictures a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")


def options_of(parsed: argparse.Namespace, **changes: float) -> Options:
    """Read back what `add_options` added."""
    torch.set_num_threads(parsed.threads)
    return Options(
        minutes=parsed.minutes,
        rate=parsed.rate,
        steps=parsed.steps,
        seed=parsed.seed,
        device=parsed.device,
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

    @contextmanager
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """The model has the averaged weights, and is not trained, for as long as this lasts."""
        own = {key: value.detach().clone() for key, value in model.state_dict().items()}
        model.load_state_dict(self.values)
        model.eval()
        with torch.no_grad():
            yield
        model.train()
        model.load_state_dict(own)


def average(folder: Path) -> dict[str, Tensor]:
    """The averaged weights of a run's last checkpoint."""
    return torch.load(folder / "state.pt", map_location="cpu", weights_only=True)["average"]


Sheet = Callable[[nn.Module, Path], None]
"""Draws what a model makes of a few examples into a file."""


class _Log:
    """The mean loss of every hundred steps: a line on the screen and in `loss.csv`, and a plot."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "loss.csv"
        self.points: list[tuple[float, float]] = []
        self.recent: list[float] = []
        if self.path.exists():
            rows = [line.split(",") for line in self.path.read_text().splitlines()[1:]]
            self.points = [(float(minutes), float(loss)) for _, minutes, loss in rows]

    def add(self, step: int, minutes: float, left: float, loss: float) -> None:
        self.recent.append(loss)
        if len(self.recent) < 100:
            return
        mean = sum(self.recent) / len(self.recent)
        self.points.append((minutes, mean))
        self.recent = []
        if not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text("step,minutes,loss\n")
        with self.path.open("a") as file:
            file.write(f"{step},{minutes:.3f},{mean:.6g}\n")
        print(f"step {step}  loss {mean:.4f}  {left:.1f} min left", flush=True)

    def plot(self) -> None:
        save_plot(self.points, self.path.with_suffix(".png"), self.path.parent.name)


def _save(state: dict[str, object], path: Path) -> None:
    """Under another name first: a run that is cut while it saves keeps its last checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path.with_suffix(".partial"))
    path.with_suffix(".partial").replace(path)


def _optimizers(model: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices, AdamW for the rest.

    An autoencoder that had two minutes was at 24.4 dB with them, at 21.1 with AdamW alone.
    """
    chosen = matrices(model)
    known = set(map(id, chosen))
    rest = [weight for weight in model.parameters() if id(weight) not in known]
    return [
        Muon(chosen, rate),
        torch.optim.AdamW(rest, rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True),
    ]


def fit(
    model: nn.Module,
    loss: Callable[[torch.Generator], Tensor],
    options: Options,
    folder: Path,
    sheet: Sheet | None = None,
) -> None:
    """Train until the budget is spent, resuming the folder's checkpoint where there is one.

    loss: draws a batch with the generator and returns a scalar. The model ends with its averaged
    weights, on the CPU. sheet: is called with them whenever a checkpoint is written, and a path for
    a picture.
    """
    model.to(options.device)
    # On a CPU without native bfloat16 this layout trained faster than the contiguous one.
    nn.utils.convert_conv2d_weight_memory_format(model, torch.channels_last)
    generator = torch.Generator().manual_seed(options.seed)
    optimizers = _optimizers(model, options.rate)
    averaged = _Average(model, options.average)
    step, spent, log = 0, 0.0, _Log(folder)
    path = folder / "state.pt"
    if path.exists():
        state = torch.load(path, map_location=options.device, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, kept in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        averaged.values = state["average"]
        generator.set_state(state["generator"].cpu())
        step, spent = state["step"], state["seconds"]
    begun = saved = time.perf_counter()
    model.train()
    while True:
        seconds = spent + time.perf_counter() - begun
        progress = max(step / options.steps, seconds / (60 * options.minutes))
        ending = progress >= 1
        if ending or time.perf_counter() - saved > 60 * options.save_minutes:
            state = {
                "model": model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                "average": averaged.values,
                "generator": generator.get_state(),
                "step": step,
                "seconds": seconds,
            }
            _save(state, path)
            log.plot()
            if sheet is not None:
                with averaged.in_place_of(model):
                    sheet(model, folder / "sheet.png")
            saved = time.perf_counter()
        if ending:
            break
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = _rate(options, step, progress)
        with torch.autocast(options.device, torch.bfloat16, enabled=options.device == "cuda"):
            value = loss(generator)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        averaged.update(model, step)
        step += 1
        left = seconds * (1 - progress) / progress / 60 if progress else options.minutes
        log.add(step, seconds / 60, left, value.item())
    model.load_state_dict(averaged.values)
    model.cpu().eval()
