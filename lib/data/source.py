"""What a set of images is to everything else here: samples in a fixed order, and a fingerprint.

A source is cheap to open and to ask for its fingerprint (names, sizes and times of files, never their pixels); pixels are
read one image at a time.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from lib.base import UserError

BROKEN = (-1, -1)  # stands for size and time of a link that leads to no file
TOOL_FOLDERS = ("@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information")  # of network disks and of Windows


@dataclass(frozen=True)
class Sample:
    """One image with its ground truth, all of the same height H and width W.

    image (H, W, 3) uint8 RGB; alpha (H, W) uint8, 255 = foreground; trimap (H, W) uint8, 0 / 128 / 255 =
    background / unknown / foreground, or None; foreground and background (H, W, 3) uint8 RGB, or None: the
    layers of image = alpha foreground + (1 - alpha) background (Porter and Duff 1984).
    """

    image: np.ndarray
    alpha: np.ndarray
    trimap: np.ndarray | None = None
    foreground: np.ndarray | None = None
    background: np.ndarray | None = None


@runtime_checkable
class Source(Protocol):
    """A set of images with ground truth, in a fixed order.

    name: short name of the kind of source. keys: unique, stable, sorted, one an image. groups: one an image;
    images of one group look alike (one person, one scene). counts: what was found, used and left out, by
    reason. left_out: (path relative to the root, reason) of every file that is not used. fingerprint: SHA-256
    in hex that changes when the set may have changed.
    """

    name: str
    keys: list[str]
    groups: list[str]
    counts: dict[str, int]
    left_out: list[tuple[str, str]]
    fingerprint: str

    def read(self, index: int, size: tuple[int, int] | None = None) -> Sample:
        """The sample at `index`. `size` (height, width) in pixels is a hint: what comes back may be read at a
        reduced scale but is never smaller than the size, unless the original is.

        Raises UserError, with a sentence that names the file, when a file cannot be used.
        """
        ...


def subset(total: int, images: int, seed: int) -> np.ndarray:
    """Sorted positions (int64) of `images` of `total`, drawn without replacement with `seed`; all of them
    when `images` is 0 or at least `total`."""
    if images == 0 or images >= total:
        return np.arange(total)
    return np.sort(np.random.default_rng([seed, total]).choice(total, images, replace=False))


def list_files(root: Path, depth: int) -> dict[str, tuple[int, int]]:
    """Relative path (with '/') -> (bytes, mtime in ns) of every file at most `depth` directories below
    `root`.

    Follows symbolic links; one that leads nowhere, or in a circle, is listed as BROKEN. Raises UserError for a
    directory that cannot be opened, and for a name that isn't UTF-8: no table could hold it.
    """
    files: dict[str, tuple[int, int]] = {}
    todo = [("", 0)]
    while todo:
        relative, level = todo.pop()
        try:
            with os.scandir(root / relative) as entries:
                for entry in entries:
                    _check_name(root, relative + entry.name)
                    if _is_directory(entry):
                        if level < depth:
                            todo.append((f"{relative}{entry.name}/", level + 1))
                    else:
                        files[relative + entry.name] = _size_and_time(entry)
        except OSError as error:
            raise UserError(
                f"{root / relative}: expected a readable directory, found: {error.strerror}; check its permissions."
            ) from error
    return files


def too_deep(root: Path, folders: Iterable[str], depth: int) -> list[tuple[str, str]]:
    """The files more than `depth` directories below the folders of a set, to be left out: (path from `root`, reason).

    In any order, bytes that are not UTF-8 as \\xNN. Links are not followed: they may lead in a circle.
    """
    found = []
    for folder in folders:
        for place, _, names in os.walk(root / folder):
            if len(Path(place).relative_to(root / folder).parts) > depth:
                inside = Path(place).relative_to(root)
                found += [os.fsencode(inside / name).decode(errors="backslashreplace") for name in names]
    return [(path, "too deep a folder") for path in found]


def foreign_file(path: str) -> str:
    """Why the file at a relative path is no part of a set, whatever it holds: it was left there by a system or by a tool, such
    as Jupyter's copies in .ipynb_checkpoints/. "" for any other file."""
    parts = path.split("/")
    if any(part.startswith("._") or part == "__MACOSX" for part in parts):
        return "AppleDouble file"
    return "hidden or helper file" if any(part.startswith(".") or part in TOOL_FOLDERS for part in parts) else ""


def fingerprint_files(files: dict[str, tuple[int, int]], names: Iterable[str]) -> str:
    """SHA-256 in hex over name, size and time of the named files, in the order given."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\0{files[name]}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def existing_directory(data_dir: str | Path, data: str) -> Path:
    """`data_dir` as an absolute path. Raises UserError when it is no directory."""
    path = Path(data_dir).expanduser().absolute()
    if not path.is_dir():
        found = "a file" if path.exists() else "nothing"
        raise UserError(
            f"data_dir: expected the directory of the {data} set, found {found} at {path}; correct the path."
        )
    return path


def _check_name(root: Path, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        readable = os.fsencode(root / name).decode(errors="backslashreplace")
        raise UserError(f"{readable}: expected a name in UTF-8, found other bytes; rename it.") from error


def _is_directory(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _size_and_time(entry: os.DirEntry) -> tuple[int, int]:
    try:
        status = entry.stat()
    except OSError:
        return BROKEN
    return (status.st_size, status.st_mtime_ns)


def count_reasons(left_out: Iterable[tuple[str, str]]) -> dict[str, int]:
    """How many files were left out, by reason, in alphabetical order."""
    counts: dict[str, int] = {}
    for reason in sorted(reason for _, reason in left_out):
        counts[reason] = counts.get(reason, 0) + 1
    return counts
