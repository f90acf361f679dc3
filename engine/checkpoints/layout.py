"""The diffusers folder layout: which files make a component, and which of its weights to take."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.config import read_json
from engine.errors import CheckpointError

__all__ = [
    "INDEX_NAME",
    "MODEL",
    "PROCESSOR",
    "SCHEDULER",
    "TEXT",
    "TOKENIZER",
    "Files",
    "pick_weights",
    "stored_weights",
    "weight_files",
    "weights_index_name",
    "weights_name",
    "weights_of_variants",
]

INDEX_NAME = "model_index.json"
REFUSED = (".bin", ".ckpt", ".h5", ".msgpack", ".onnx", ".pb", ".pkl", ".pt", ".pth")
SHARD = re.compile(r"-\d{5}-of-\d{5}\b")


@dataclass(frozen=True)
class Files:
    """The files of one kind of component.

    config: what every such component has. weights: how the names of its weights begin.
    others: small files that it may have.
    """

    config: str
    weights: str | None = None
    others: tuple[str, ...] = ()

    def small(self, names: Iterable[str]) -> list[str]:
        """Those of the names that are files of such a component and not weights."""
        return sorted({self.config, *self.others}.intersection(names))

    def of(self, names: Collection[str]) -> list[str]:
        """Those of the names that are files of such a component, weights of every variant too."""
        starts = (f"{self.weights}.", f"{self.weights}-") if self.weights else ()
        return self.small(names) + sorted(name for name in names if name.startswith(starts))


MODEL = Files("config.json", "diffusion_pytorch_model")
PROCESSOR = Files("preprocessor_config.json")
SCHEDULER = Files("scheduler_config.json")
TEXT = Files("config.json", "model")
TOKENIZER = Files(
    "tokenizer_config.json",
    others=(
        "added_tokens.json",
        "merges.txt",
        "special_tokens_map.json",
        "tokenizer.json",
        "vocab.json",
    ),
)


def weights_name(stem: str, variant: str | None, suffix: str = "") -> str:
    """Name a safetensors file; suffix: "" or the place of a shard, "-00001-of-00002"."""
    return f"{stem}{_dotted(variant)}{suffix}.safetensors"


def weights_index_name(stem: str, variant: str | None) -> str:
    """Name the file that lists the shards of weights."""
    return f"{stem}.safetensors.index{_dotted(variant)}.json"


def weights_of_variants(names: Iterable[str], stem: str) -> dict[str | None, str]:
    """Find weights among file names: variant (None: the default) -> safetensors file or index.

    Where there are both, the one file is taken.
    """
    # two places for an index's variant: the second is that of older versions of diffusers
    index = r"(?:\.index(?:\.(?P<late>\w+))?|\.(?P<middle>\w+)\.index)\.json"
    form = re.compile(rf"{re.escape(stem)}(?:\.(?P<early>[^.]+))?\.safetensors(?:{index})?")
    found: dict[str | None, str] = {}
    for name in sorted(names, key=len):
        match = form.fullmatch(name)
        if match and not SHARD.search(name):
            found.setdefault(match["early"] or match["middle"] or match["late"], name)
    return found


def pick_weights(names: Collection[str], stem: str, variant: str | None, where: str) -> str:
    """Choose the safetensors file, or the index of several, of a variant.

    where: what the folder is called in errors. Raises `CheckpointError` saying what is there.
    """
    found = weights_of_variants(names, stem)
    if variant in found:
        return found[variant]
    if found:
        there = ", ".join(f"variant={other!r}" for other in found)
        raise CheckpointError(
            f"{where} has no weights for variant={variant!r}; there are: {there}."
        )
    name = weights_name(stem, variant)
    refused = sorted(name for name in names if name.endswith(REFUSED))
    if refused:
        raise CheckpointError(
            f"{where} has only {refused[0]}, a format that can run code when it is opened. "
            f"Use a version of the model with {name}, or convert it where you trust it."
        )
    raise CheckpointError(
        f"{where}/{name} is missing: the checkpoint is not complete, fetch it again."
    )


def weight_files(folder: Path, picked: str, names: Collection[str]) -> list[str]:
    """The safetensors files that what `pick_weights` chose stands for: itself, or its shards.

    folder: where the index can be read. names: the files that there are beside it.
    Raises `CheckpointError`.
    """
    if not picked.endswith(".json"):
        return [picked]
    index = folder / picked
    places = read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise CheckpointError(f"{index} has no weight_map: fetch the checkpoint again.")
    for name in places.values():
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+\.safetensors", name):
            raise CheckpointError(
                f"{index} names {name!r}: only safetensors files beside it are read."
            )
        if name not in names:
            raise CheckpointError(
                f"{folder / name} is missing, a part of the weights that {picked} names: "
                "the checkpoint is not complete, fetch it again."
            )
    return sorted(set(places.values()))


def stored_weights(names: Iterable[str], stem: str, variant: str | None) -> set[str]:
    """Those of the names that hold a variant's weights: the file, its shards and their index."""
    found = set()
    for name in names:
        plain = SHARD.sub("", name)
        if weights_of_variants([plain], stem).keys() == {variant}:
            found.add(name)
    return found


def _dotted(variant: str | None) -> str:
    return f".{variant}" if variant else ""
