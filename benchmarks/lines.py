"""How long the schedulers are, beside the classes of the same names in diffusers.

    python -m benchmarks.lines

Lines of code are those that have code on them: not blank, not comment, not docstring. Beside them
stand all lines, as `wc -l` counts them.
"""

import ast
import inspect
import io
import sys
import tokenize
from collections.abc import Callable
from pathlib import Path

import diffusers

import engine.schedulers
from engine.schedulers.registry import SCHEDULER_CLASSES

__all__ = ["ours", "theirs"]

SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(path: Path) -> int:
    """The lines of a Python file that have code on them."""
    source = path.read_text(encoding="utf-8")
    texts: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            texts.update(range(node.lineno, (node.end_lineno or 0) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in SILENT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - texts)


def all_lines(path: Path) -> int:
    """As `wc -l`."""
    return path.read_bytes().count(b"\n")


def ours(count: Callable[[Path], int] = code_lines) -> int:
    """Of the whole package: base, tables, classes, names."""
    return sum(map(count, Path(engine.schedulers.__file__).parent.glob("*.py")))


def theirs(count: Callable[[Path], int] = code_lines) -> int:
    """Of the modules of diffusers that define the same classes."""
    modules = {inspect.getfile(getattr(diffusers, cls)) for cls in SCHEDULER_CLASSES}
    return sum(count(Path(module)) for module in modules)


def main() -> None:
    sys.stdout.write(
        f"{len(SCHEDULER_CLASSES)} classes: engine/schedulers, with names and schedule types, "
        f"beside the same classes of diffusers {diffusers.__version__}\n"
    )
    for what, count in (("lines of code", code_lines), ("all lines", all_lines)):
        a, b = ours(count), theirs(count)
        sys.stdout.write(f"{what}: {a:,} and {b:,}, {b / a:.1f} times as many\n")


if __name__ == "__main__":
    main()
