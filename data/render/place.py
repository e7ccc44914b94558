"""Where the renderer writes, how its files are called, and how they are written. It imports nothing of `lib`: it has an
environment of its own, whose NumPy is older."""

import os
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent


def name(number: int, kind: str = "person") -> str:
    """File name without its suffix: person-003, clip-003."""
    return f"{kind}-{number:03d}"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
