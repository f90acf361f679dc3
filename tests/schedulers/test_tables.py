import ast
import itertools
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch

import engine.schedulers
from benchmarks import lines
from engine.schedulers import tables
from tests.schedulers.cases import CLASSES
from tests.schedulers.oracle import QUIET, keys, pair

pytestmark = QUIET

ONLY = {"sigmoid": ["DDPMScheduler"], "exp": ["HeunDiscreteScheduler"]}
"""Beta schedule -> the classes of diffusers that have it, where not all do."""


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize(
    ("cls", "schedule"),
    [
        (cls, schedule)
        for cls in CLASSES
        if "beta_schedule" in keys(cls)
        for schedule in tables.BETAS
        if cls in ONLY.get(schedule, CLASSES)
    ],
)
def test_alphas_are_those_of_diffusers(cls: str, schedule: str, zero_snr: bool) -> None:
    zero_snr &= "rescale_betas_zero_snr" in keys(cls)
    config = {"rescale_betas_zero_snr": True} if zero_snr else {}
    ours, theirs = pair(cls, beta_schedule=schedule, **config)
    torch.testing.assert_close(ours.alphas_cumprod, theirs.alphas_cumprod, rtol=0, atol=1e-19)


@pytest.mark.parametrize("a", [0.3, 0.6, 2.0])
def test_beta_quantile(a: float) -> None:
    q = np.linspace(0, 1, 101)
    np.testing.assert_allclose(
        tables._beta_quantile(q, a), scipy.stats.beta.ppf(q, a, a), rtol=1e-9, atol=1e-15
    )


def test_sigma_to_timestep_inverts_the_table() -> None:
    table = engine.schedulers.EulerDiscreteScheduler().table
    np.testing.assert_allclose(tables.sigma_to_timestep(table, table), np.arange(1000), atol=1e-9)
    beyond = tables.sigma_to_timestep(np.array([0.0, 1e9]), table)
    assert beyond.tolist() == [0, 999]


def test_no_method_is_written_twice() -> None:
    folder = Path(engine.schedulers.__file__).parent
    bodies: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.py")):
        tree = ast.parse(path.read_text())
        for cls in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            for method in (node for node in cls.body if isinstance(node, ast.FunctionDef)):
                code = method.body[ast.get_docstring(method) is not None :]
                body = "\n".join(ast.unparse(line) for line in code)
                if body not in ("", "raise NotImplementedError"):
                    bodies.setdefault(body, []).append(f"{cls.name}.{method.name}")
    twice = [names for names in bodies.values() if len(names) > 1]
    # what the base's __init__ makes of the settings is all that a class of settings needs
    assert [n for n in itertools.chain(*twice) if not n.endswith(".__init__")] == []


def test_the_whole_family_is_short() -> None:
    assert lines.ours() < min(2000, lines.theirs() / 4)
