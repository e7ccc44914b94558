"""One file in, one file out: what `python -m lib cutout` does for each picture or clip."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from lib.base import UserError, write_atomically
from lib.cutout import clips
from lib.cutout.backgrounds import Background, over
from lib.cutout.cutter import CutOut, Cutter, Rectangle, most_pixels
from lib.cutout.pictures import as_pillow, encode
from lib.data.photos import srgb_profile

PICTURES = (".png", ".webp", ".jpg", ".jpeg")  # what can be written


class CannotWrite(UserError):  # noqa: N818 (a UserError by its base)
    """The place for the results is the fault, not a picture: the next picture would fare no better."""


@dataclass(frozen=True)
class Wish:
    """What to look at, and what to write. only_mask: alpha as a grey picture. behind: a background to lay people over."""

    trimap: str | None = None
    mask: str | None = None
    rectangle: Rectangle | None = None
    brush: str | None = None
    method: str = "auto"
    only_mask: bool = False
    behind: Background | None = None

    def hints(self) -> dict:
        """The arguments of Cutter.cut_out."""
        return {name: getattr(self, name) for name in ("trimap", "mask", "rectangle", "brush", "method")}


def identities(paths: Iterable[Path]) -> set[tuple[int, int]]:
    """The files that are there, whatever paths and links lead to them: what `check_target` keeps from being lost."""
    return {(status.st_dev, status.st_ino) for status in (path.stat() for path in paths if path.exists())}


def check_target(target: Path, inputs: set[tuple[int, int]], wish: Wish) -> None:
    """UserError unless the result may be written there: before the work, not after it. inputs: their `identities`."""
    suffix = target.suffix.lower()
    if suffix and suffix not in PICTURES:
        raise UserError(f"{target}: expected an ending of {', '.join(PICTURES)}, found {suffix}; choose one.")
    if suffix in (".jpg", ".jpeg") and wish.behind is None:
        raise UserError(f"{target}: expected a format with transparency, found JPEG; write .png, or give --background.")
    if identities([target]) & inputs:
        raise UserError(f"{target}: expected a file of its own for the result, found an input's name; name another.")


def do(cutter: Cutter, source: Path | bytes, target: Path | None, wish: Wish) -> list[str]:
    """Cut out one file, or bytes, and write it to a file, or to standard output; notes in sentences.

    UserError for the picture's fault, CannotWrite for the target's.
    """
    if clips.is_clip(source):
        return _clip(cutter, source, target, wish)
    if target is not None and not target.suffix:
        raise UserError(f"{target}: expected an ending of {', '.join(PICTURES)}, found none; choose one.")
    cut = cutter.cut_out(source, **wish.hints())
    suffix = target.suffix.lower() if target else ".png"
    _write(target, encode(shown(cut, wish), suffix, srgb_profile() if cut.converted else None))
    return list(cut.notes)


def shown(cut: CutOut, wish: Wish) -> Image.Image:
    """The picture to write: RGBA, the matte alone (L), or people before something else (RGB)."""
    if wish.only_mask:
        return as_pillow(cut.matte)
    return over(cut, wish.behind(cut)) if wish.behind else as_pillow(cut.colours, cut.matte)


def _clip(cutter: Cutter, source: Path | bytes, target: Path | None, wish: Wish) -> list[str]:
    if target is not None and target.suffix.lower() not in ("", ".webp", ".png"):
        raise UserError(
            f"{target}: expected .webp or .png (animated) or a name without ending (a folder of PNGs) for a clip, found "
            f"{target.suffix}; choose one."
        )
    done, empty, notes = 0, 0, []

    def pictures() -> Iterator[tuple[Image.Image, int]]:
        nonlocal done, empty
        for photo in clips.frames(source, most_pixels()):
            given = photo.pixels if photo.alpha is None else as_pillow(photo.pixels, photo.alpha)
            cut = cutter.cut_out(given, **wish.hints())
            done, empty = done + 1, empty + (not cut.person)
            notes.extend(note for note in (*photo.notes, *(cut.notes if cut.person else ())) if note not in notes)
            yield shown(cut, wish), photo.duration

    if target is None or target.suffix:
        _write(target, clips.animated(pictures(), target.suffix.lower() if target else ".webp"))
    else:
        with _writing(target):
            clips.png_sequence(pictures(), target)
    missing = [f"no person was found in {empty} of {done} pictures; their mattes are empty."] if empty else []
    return notes + missing


class _writing:  # noqa: N801 (read as a word: `with _writing(target)`)
    """Turns the system's errors of writing into one sentence."""

    def __init__(self, target: Path | None):
        self.target = target

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if isinstance(error, OSError):
            cause = error.strerror or type(error).__name__
            raise CannotWrite(
                f"{self.target or 'standard output'}: expected a place that can be written, found: {cause}; make room or "
                "name another."
            ) from error


def _write(target: Path | None, content: bytes) -> None:
    with _writing(target):
        if target is None:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            write_atomically(target, content)
