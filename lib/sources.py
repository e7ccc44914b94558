"""One interface for every set of images: what a source is, what a sample is, how a source is opened.

A source is the only thing the rest of the project knows about where images come from. It is cheap to open and
to ask for its fingerprint (names, sizes and times of files, never their pixels); pixels are read one image at
a time.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from lib.errors import UserError

NAMES = ("portraits", "aisegment", "folder")
ALL_PORTRAITS = 34427  # images=0 for the rendered portraits: as many as the study says it has


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


def open_source(data: str, data_dir: str = "", images: int = 0, seed: int = 0) -> Source:
    """Open a source by name.

    data: `portraits` (rendered people, shipped), `aisegment` or `folder`. data_dir: directory of the files.
    images: how many to use, 0 = all; of files a random subset drawn with `seed`, kept in sorted order.

    Raises UserError for an unknown name, a missing or wrong data_dir, or an empty set.
    """
    if data not in NAMES:
        raise UserError(f"data: expected one of {', '.join(NAMES)}, found '{data}'; choose one of these.")
    if images < 0:
        raise UserError(f"images: expected 0 (all) or a positive number, found {images}; change it.")
    if data == "portraits":
        from lib.portraits import Portraits

        if data_dir:
            raise UserError(f"data_dir: the rendered portraits need no directory, found '{data_dir}'; "
                            "leave it empty, or set data to aisegment or folder.")
        return Portraits(images or ALL_PORTRAITS, seed)
    if not data_dir:
        raise UserError(f"data_dir: expected the directory of the {data} set, found nothing; "
                        "set data_dir (make paper ... DATA_DIR=/path).")
    if data == "aisegment":
        from lib.aisegment import AISegment

        return AISegment(data_dir, images, seed)
    from lib.folder import Folder

    return Folder(data_dir, images, seed)


def subset(total: int, images: int, seed: int) -> np.ndarray:
    """Sorted positions (int64) of `images` of `total`, drawn without replacement with `seed`; all of them
    when `images` is 0 or at least `total`."""
    if images == 0 or images >= total:
        return np.arange(total)
    return np.sort(np.random.default_rng([seed, total]).choice(total, images, replace=False))


def list_files(root: Path, depth: int) -> dict[str, tuple[int, int]]:
    """Relative path (with '/') -> (bytes, mtime in ns) of every file at most `depth` directories below
    `root`.

    Follows symbolic links; a broken one is listed as (-1, -1) and found unreadable later. Raises UserError
    for a directory that cannot be opened.
    """
    files: dict[str, tuple[int, int]] = {}
    todo = [("", 0)]
    while todo:
        relative, level = todo.pop()
        try:
            with os.scandir(root / relative) as entries:
                for entry in entries:
                    if entry.is_dir():
                        if level < depth:
                            todo.append((f"{relative}{entry.name}/", level + 1))
                    else:
                        files[relative + entry.name] = _size_and_time(entry)
        except OSError as error:
            raise UserError(f"{root / relative}: expected a readable directory, found: {error.strerror}; "
                            "check its permissions.") from error
    return files


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
        raise UserError(f"data_dir: expected the directory of the {data} set, found {found} at {path}; "
                        "correct the path.")
    return path


def _size_and_time(entry: os.DirEntry) -> tuple[int, int]:
    try:
        status = entry.stat()
    except OSError:
        return (-1, -1)
    return (status.st_size, status.st_mtime_ns)
