"""Moving pictures: animated GIF, WebP and PNG by Pillow, films by OpenCV; an animated WebP or PNG, or a folder of PNGs, out.

Each picture is cut out by itself: nothing holds an edge still from one to the next, so hair may flicker.
"""

import io
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from lib.base import UserError
from lib.data.decode import DefectiveFile
from lib.data.photos import Photo, check_size, frames_in, read_frames

FILMS = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi")
ANIMATIONS = (".gif", ".webp", ".png")
MOST_BYTES = 2_000_000_000  # of pictures in memory, which an animation needs all at once


def is_clip(source: Path | bytes) -> bool:
    """Whether there is more than one picture to do; of a film, going by its name. DefectiveFile for a damaged file."""
    if isinstance(source, bytes):
        return frames_in(source, "-") > 1
    if source.suffix.lower() in FILMS:
        return True
    return source.suffix.lower() in ANIMATIONS and frames_in(source) > 1


def frames(source: Path | bytes, most: int = 0) -> Iterator[Photo]:
    """The clip's pictures in order. most: pixels of one that are not too many, 0 = any number."""
    if isinstance(source, Path) and source.suffix.lower() in FILMS:
        return _film(source, most)
    return read_frames(source, "-" if isinstance(source, bytes) else "", most)


def animated(pictures: Iterable[tuple[Image.Image, int]], suffix: str = ".webp") -> bytes:
    """An animated WebP, or PNG, of (picture, ms) pairs. UserError for more than memory should hold."""
    kept, durations, size = [], [], 0
    for picture, duration in pictures:
        kept.append(picture)
        durations.append(duration or 100)  # what browsers make of a duration of nothing
        size += 4 * picture.width * picture.height
        if size > MOST_BYTES:
            raise UserError(
                f"clip: expected at most {MOST_BYTES / 1e9:.0f} GB of pictures in an animation, found more after "
                f"{len(kept)}; name a folder (a name without an ending) to get a sequence of PNGs."
            )
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": kept[1:], "duration": durations, "loop": 0}
    kept[0].save(buffer, **({"format": "PNG"} if suffix == ".png" else {"format": "WEBP", "quality": 90}), **options)
    return buffer.getvalue()


def png_sequence(pictures: Iterable[tuple[Image.Image, int]], folder: Path) -> None:
    """A folder of frame-00001.png and so on: there only when it is whole. Replaces nothing but such a folder.

    UserError where the folder holds anything else: before the work, and before anything is deleted.
    """
    others = [path.name for path in folder.glob("*") if not re.fullmatch(r"frame-\d{5,}\.png", path.name)]
    if others:
        raise UserError(
            f"{folder}: expected no folder there or one of a clip's pictures alone, found {min(others)} in it; name another."
        )
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        for place, (picture, _) in enumerate(pictures, 1):
            picture.save(part / f"frame-{place:05d}.png")
        for old in folder.glob("frame-*.png"):
            old.unlink()
        if folder.is_dir():
            folder.rmdir()
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _film(path: Path, most: int) -> Iterator[Photo]:
    """The pictures of a film, turned as it says."""
    try:
        import cv2
    except ImportError as error:
        raise UserError(
            f"{path}: a film expected the package opencv-python-headless, found none; pip install it."
        ) from error
    if not path.exists() or not stat.S_ISREG(path.stat().st_mode):
        raise DefectiveFile(
            path, "unreadable file", "expected a readable film, found no regular file; correct the name."
        )
    film = cv2.VideoCapture(str(path))
    try:
        rate = film.get(cv2.CAP_PROP_FPS)
        duration = round(1000 / rate) if rate > 0 and np.isfinite(rate) else 40
        there, pixels = film.read()
        if not there:
            raise DefectiveFile(
                path, "unreadable file", "expected a readable film, found no picture in it; replace or delete it."
            )
        check_size(pixels.shape[1::-1], most, str(path))
        while there:
            yield Photo(np.ascontiguousarray(pixels[..., ::-1]), duration=duration)  # OpenCV's order is BGR
            there, pixels = film.read()
    finally:
        film.release()
