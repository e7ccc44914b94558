"""What everything here stands on: the user's mistakes, paths from the root, files written whole, checksums, random streams."""

import enum
import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class UserError(Exception):
    """A user's mistake in one sentence: the file or parameter, what was expected, what was found, what to do.

    Command lines print the sentence and exit with status 2; Jupyter shows it without a traceback.
    """

    def _render_traceback_(self) -> list[str]:
        # IPython asks an exception for this method before it formats a traceback of its own.
        return [f"UserError: {self}"]


@contextmanager
def os_errors(expected: str) -> Iterator[None]:
    """What the system refuses inside the block, as a UserError that names the path and the reason."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        reason = f"{error.filename}: expected {expected}, found: {error.strerror}; check its permissions."
        raise UserError(reason) from error


def quote_if_unprintable(name: object) -> str:
    """A name for a sentence: in quotes where it is blank or holds a line's end."""
    return str(name) if str(name).isprintable() and str(name).strip() else repr(str(name))


class RngStream(enum.IntEnum):
    """What a random number is for. Draws of the same seed and epoch stay apart by it."""

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


def file_sha256(path: Path | str) -> str:
    """SHA-256 in hex of a file's content; "" where there is no such file."""
    if not Path(path).is_file():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksum(path: Path) -> None:
    """Write <name>.sha256 beside a finished file; only with it does the file count as whole."""
    write_atomically(path.with_suffix(".sha256"), f"{file_sha256(path)}\n".encode())


def checksum_matches(path: Path) -> bool:
    """Whether a file is as it was when its checksum was written."""
    try:
        return path.with_suffix(".sha256").read_text().strip() == file_sha256(path)
    except (OSError, ValueError):
        return False


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
    return Path(os.environ.get("MATTING_CACHE") or ROOT / ".cache").expanduser()
