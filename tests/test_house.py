"""The rules of the house that a reader cannot see in one file: what may import what, and that the
README, the settings and the continuous integration say the same."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.repository import ROOT, repository_files

README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
SHIPPED = ("app.py", "engine", "ui")


def sources(*tops: str) -> list[Path]:
    """The Python files of the repository at or under the names given."""
    return [
        path
        for path in repository_files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in tops
    ]


def imported(path: Path) -> Iterator[str]:
    """Top-level packages that a file imports anywhere in it, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def commands(markdown: str) -> list[str]:
    """The lines of the fenced shell blocks."""
    blocks = re.findall(r"^```(?:bash|sh)\n(.*?)^```", markdown, flags=re.DOTALL | re.MULTILINE)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize(
    ("tops", "banned"),
    [
        (SHIPPED, {"diffusers", "pickle"}),
        (("training",), {"diffusers", "pickle"}),
        (("engine",), {"gradio", "ui", "app", "training"}),
        (("ui", "app.py"), {"torch"}),
    ],
)
def test_imports_keep_to_the_layers(tops: tuple[str, ...], banned: set[str]) -> None:
    files = sources(*tops)
    assert files, f"no Python file under {tops}"
    broken = {
        str(path.relative_to(ROOT)): found
        for path in files
        if (found := banned & {*imported(path)})
    }
    assert not broken


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [("engine", ("torch", "gradio", "transformers")), ("app", ("torch", "transformers"))],
)
def test_import_is_free_of_torch(module: str, unwanted: tuple[str, ...]) -> None:
    code = f"import {module}, sys; print([name for name in {unwanted} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_import_finds_what_is_public() -> None:
    code = """
import engine
for name in ("checkpoints", "models", "pipelines", "schedulers", "service", "config"):
    assert getattr(engine, name).__name__ == f"engine.{name}"
assert engine.pipelines.request.Request is engine.Request
for name in engine.__all__:
    getattr(engine, name)
for name in ("diffusers", "_private", "__wrapped__"):
    assert not hasattr(engine, name)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_nothing_is_unpickled() -> None:
    call = re.compile(r"\b(torch\.load|pickle\.loads?|pickle\.Unpickler)\(")
    assert not [path for path in sources(*SHIPPED) if call.search(path.read_text(encoding="utf-8"))]


def test_no_file_is_larger_than_a_space_takes() -> None:
    files = repository_files()
    assert len(files) > 50
    assert not [path for path in files if path.stat().st_size > 10_000_000]


def test_front_matter_is_what_a_space_reads() -> None:
    _, front, _ = README.split("---\n", 2)
    settings = yaml.safe_load(front)
    assert settings["sdk"] == "gradio"
    assert f"gradio=={settings['sdk_version']}\n" in (ROOT / "requirements.txt").read_text()
    assert re.fullmatch(r"3\.1[123]", settings["python_version"])
    assert (ROOT / settings["app_file"]).is_file()
    assert 0 < len(settings["short_description"]) <= 60  # a Space refuses a longer one
    assert settings["license"] == "apache-2.0"
    assert {settings["colorFrom"], settings["colorTo"]} <= {
        "red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray",
    }  # fmt: skip


def test_readme_has_the_two_commands_and_ci_calls_the_second() -> None:
    start, check = commands(README)[:2]
    assert start.startswith("python3 -m venv .venv && ") and start.endswith(" app.py")
    assert check.startswith("python3 -m venv .venv && ") and check.endswith(" -m pytest")
    assert f"\n{check}\n" in CI


def test_hooks_run_what_ci_runs() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    entries = [hook["entry"] for repo in config["repos"] for hook in repo["hooks"]]
    ran = re.findall(r"\.venv/bin/python -m .*", CI)
    assert sorted(entries) == sorted(ran)


def test_links_lead_somewhere() -> None:
    for page in (path for path in repository_files() if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://", "#")):
                assert (page.parent / target.partition("#")[0]).exists(), f"{page}: {target}"


def test_readme_library_code_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    with Image.open(tmp_path / "sphere.png") as image:
        assert image.size >= (64, 64)


def test_links_of_the_documents_lead_somewhere() -> None:
    broken = []
    for document in repository_files():
        if document.suffix != ".md":
            continue
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target) and not (document.parent / target).exists():
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert not broken


@pytest.fixture(scope="module")
def help_text() -> str:
    """What `python app.py --help` prints."""
    done = subprocess.run(
        [sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_every_option_has_a_variable_and_a_line_in_the_readme(help_text: str) -> None:
    options = set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", help_text)) - {"help", "no-share"}
    asked = {"host", "port", "share", "auth", "root-path", "device", "dtype", "models", "outputs"}
    assert asked <= options
    for option in options:
        variable = "STEPWISE_" + option.upper().replace("-", "_")
        assert variable in help_text
        assert re.search(rf"^\| `--{option}\b.*`{variable}`", README, flags=re.MULTILINE), option
