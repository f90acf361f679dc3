"""How long the schedulers are, beside the classes of the same names in diffusers.

    python -m benchmarks.lines

Counted are lines of code: neither blank, nor comment, nor docstring.
"""

import ast
import inspect
import io
import sys
import tokenize
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


def ours() -> int:
    """Of the whole package: base, tables, classes, names."""
    return sum(map(code_lines, Path(engine.schedulers.__file__).parent.glob("*.py")))


def theirs() -> int:
    """Of the modules of diffusers that define the same classes."""
    modules = {inspect.getfile(getattr(diffusers, cls)) for cls in SCHEDULER_CLASSES}
    return sum(code_lines(Path(module)) for module in modules)


def main() -> None:
    a, b = ours(), theirs()
    sys.stdout.write(
        f"{len(SCHEDULER_CLASSES)} classes of schedulers, lines of code\n"
        f"engine/schedulers, with names and schedule types: {a:,}\n"
        f"diffusers {diffusers.__version__}, the same classes: {b:,} ({b / a:.1f} times as many)\n"
    )


if __name__ == "__main__":
    main()
