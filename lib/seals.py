"""Seals: a file counts as whole when it is as it was on the day that its SHA-256 was written beside it, as <name>.sha256."""

from pathlib import Path

from lib.base import file_digest, write_atomically


def seal(path: Path) -> None:
    """Write the sum of a finished file beside it: from then on it counts."""
    write_atomically(path.with_suffix(".sha256"), f"{file_digest(path)}\n".encode())


def is_sealed(path: Path) -> bool:
    """Whether a file is there as it was when it was sealed."""
    try:
        return path.with_suffix(".sha256").read_text().strip() == file_digest(path)
    except (OSError, ValueError):
        return False
