"""Figures in the text format of Prometheus, version 0.0.4."""

from collections.abc import Iterable
from dataclasses import dataclass

from engine.service.tally import Tally

__all__ = ["CONTENT_TYPE", "Family", "Sample", "families", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "stepwise_"


@dataclass(frozen=True)
class Sample:
    """suffix: of the family's name, for the parts of a summary. label: its name and value."""

    value: float
    label: tuple[str, str] | None = None
    suffix: str = ""


@dataclass(frozen=True)
class Family:
    """Samples of one name. kind: counter, gauge or summary."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]


def families(tally: Tally) -> list[Family]:
    """What the service tells about itself: sums since it was made, and where it stands."""
    totals = tally.totals
    ended = tuple(
        Sample(getattr(totals, outcome), ("outcome", outcome))
        for outcome in ("done", "stopped", "failed")
    )
    drawn = Sample(totals.seconds, suffix="_sum"), Sample(totals.done, suffix="_count")
    return [
        _one("jobs_submitted_total", "Jobs that were taken.", tally.submitted),
        Family("jobs_ended_total", "counter", "Jobs that ended, by how they did.", ended),
        _one("jobs_refused_total", "Jobs refused because the queue was full.", tally.refused),
        _one("images_total", "Images that were made and are on disk.", totals.images),
        _one("jobs_waiting", "Jobs that wait now.", tally.waiting),
        _one("jobs_running", "Jobs that run now.", tally.running),
        _one("owners", "Owners who have a job that waits or runs.", tally.owners),
        _one("worker_ready", "Whether a worker takes jobs: 1 or 0.", tally.ready),
        _one("worker_starts_total", "Workers that were started.", tally.starts),
        _one("worker_deaths_total", "Workers that ended unasked.", tally.deaths),
        Family("drawing_seconds", "summary", "Time that jobs which are done drew.", drawn),
    ]


def _one(name: str, words: str, value: float) -> Family:
    return Family(name, "counter" if name.endswith("_total") else "gauge", words, (Sample(value),))


def render(these: Iterable[Family]) -> str:
    """The text, one family after the other."""
    return "".join(line + "\n" for family in these for line in _lines(family))


def _lines(family: Family) -> Iterable[str]:
    name = PREFIX + family.name
    yield f"# HELP {name} {_escaped(family.help)}"
    yield f"# TYPE {name} {family.kind}"
    for sample in family.samples:
        label = ""
        if sample.label:
            key, value = sample.label
            quoted = _escaped(value).replace('"', r"\"")
            label = f'{{{key}="{quoted}"}}'
        yield f"{name}{sample.suffix}{label} {float(sample.value)!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
