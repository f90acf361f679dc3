"""The repository that the tests stand in: where it is and which files it holds."""

import subprocess
from pathlib import Path

__all__ = ["ROOT", "repository_files"]

ROOT = Path(__file__).resolve().parent.parent
LISTED = ["--cached", "--others", "--exclude-standard"]


def repository_files() -> list[Path]:
    """The files that a commit would hold: those that git tracks, and new ones that it does not
    ignore. Without git (a downloaded archive), every file outside hidden folders."""
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", *LISTED, "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode == 0:
        files = [ROOT / name for name in listing.stdout.split("\0") if name]
    else:
        files = [
            path
            for path in ROOT.rglob("*")
            if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
        ]
    return [path for path in files if path.is_file()]
