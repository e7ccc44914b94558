"""A home for programs that keep caches and settings in one: Snakemake, Jupyter and Matplotlib end without it."""

import os
import tempfile
from pathlib import Path

from lib.base import ROOT

CACHE = "XDG_CACHE_HOME"  # where programs keep caches when it is set; else ~/.cache (XDG Base Directory Specification)


def environment() -> dict[str, str]:
    """The environment for a run: this one, with a home below .cache/ of the repository where one's own can't be written."""
    given = dict(os.environ)
    cache = given.get(CACHE) or os.path.join(os.path.expanduser("~"), ".cache")
    if _is_writable(Path(cache)):
        return given
    replacement = ROOT / ".cache" / "home"
    replacement.mkdir(parents=True, exist_ok=True)
    given.pop(CACHE, None)
    return given | {"HOME": str(replacement)}


def _is_writable(folder: Path) -> bool:
    """Whether a file can be made there; by trying, since permissions do not tell of a read-only or full disk."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
