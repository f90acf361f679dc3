import subprocess
import sys

import pytest

import engine.schedulers
from engine.errors import EngineError
from engine.schedulers import SCHEDULERS, scheduler_named


@pytest.mark.parametrize("name", SCHEDULERS)
def test_by_name_and_by_class(name: str) -> None:
    config = engine.schedulers.DDIMScheduler(beta_end=0.012).config
    cls, overrides = SCHEDULERS[name]
    for spelling in (name, name.lower(), cls):
        scheduler = scheduler_named(spelling, config)
        assert type(scheduler).__name__ == cls
        assert scheduler.config.beta_end == 0.012
        assert scheduler.config.items() >= overrides.items()


@pytest.mark.parametrize(
    ("name", "nearest"), [("Eulr", "Euler"), ("ddmi", "DDIM"), ("plms", "PNDM")]
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(EngineError, match=rf"no scheduler '{name}'. Nearest: [\w, ]*{nearest}"):
        scheduler_named(name, {})


def test_the_registry_needs_no_torch() -> None:
    code = "import sys, engine.schedulers.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
