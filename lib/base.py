"""What everything here stands on: a user's mistakes, where things lie, files written whole and their sums, streams of random numbers.

Paths hang off the repository's root, so the working directory never matters.
"""

import enum
import hashlib
import os
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class UserError(Exception):
    """A user's mistake, told in one sentence: what (file or parameter), expected, found, what to do.

    Command lines print the sentence and exit with status 2; Jupyter shows it without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        # IPython asks an exception for this method before it formats a traceback of its own.
        return [f"UserError: {self}"]


def plain(name: object) -> str:
    """A name as a sentence can hold it: one that is blank, or has a line's end in it, in quotes."""
    return str(name) if str(name).isprintable() and str(name).strip() else repr(str(name))


class Stream(enum.IntEnum):
    """What a random number is for. Draws made of the same seed and epoch stay apart by it."""

    AUGMENT = 1
    ORDER = 2
    RADIUS = 3
    CROP = 4
    CROP_ORDER = 5


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}-{threading.get_ident()}.tmp")  # short: a name may have 255 bytes
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the new name with nothing in it
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def file_digest(path: Path | str) -> str:
    """SHA-256 in hex of a file's content; "" where there is none."""
    if not Path(path).is_file():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def figures_dir(run: str) -> Path:
    """Figures of one run (`quick`, `paper-aisegment` ...), as PNG and PDF."""
    return ROOT / "figures" / run


def reports_dir(run: str) -> Path:
    """Executed notebooks, HTML, tables and run.json of one run."""
    return ROOT / "reports" / run


def runs_dir(run: str) -> Path:
    """Working files of one run: checkpoints, predictions, step records. Never committed."""
    return ROOT / "runs" / run


def cache_dir() -> Path:
    """Prepared arrays, shared by all runs; set MATTING_CACHE to keep them on another disk."""
    return Path(os.environ.get("MATTING_CACHE", ROOT / ".cache"))
