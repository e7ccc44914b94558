"""A person cut out of a photograph: found without a trimap, matted with one at full size, colours freed from what was
behind. Three steps, two networks; neither PyTorch nor a training is imported.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from lib import tiles
from lib.base import ROOT, UserError
from lib.cutout import foreground, scale, trimaps
from lib.cutout.pictures import Give, Given, take, take_grey, take_trimap
from lib.data.trimap import BACKGROUND

WEIGHTS = ROOT / "data/weights"
HEIGHT = 320  # px of 3:4: the size at which the portrait network looks, that of its training
MULTIPLE, LONGEST = 32, 2048  # px of that size's sides
SOMEBODY = 0.002  # share of a picture that has to be person, before it is said that there is one
METHODS = ("auto", "network", "hybrid", "closed-form", "knn")
SOLVER_PIXELS = 4_000_000  # a solver's matrix takes 3 GB and minutes there
BYTES_A_PIXEL, BYTES_AT_LEAST = 28, 1_000_000_000  # of memory, picture and results; the networks'

Matting = Callable[..., np.ndarray]  # image (h,w,3) float32, trimap (h,w) uint8 or None -> alpha (h,w) float32
Rectangle = tuple[int, int, int, int]  # left, top, width, height in px


@dataclass(frozen=True)
class CutOut:
    """A cut-out. matte (H,W) float32 in [0,1], colours (H,W,3) uint8 sRGB, trimap (H,W) uint8 and pixels, the photograph
    itself (H,W,3) uint8 sRGB, are NumPy's whatever came in; `alpha`, `foreground` and `rgba` are of the kind that was handed in.

    person: whether one was found (true where the user says where). notes: what had to be assumed, in sentences.
    """

    matte: np.ndarray
    colours: np.ndarray
    trimap: np.ndarray
    pixels: np.ndarray
    person: bool
    notes: tuple[str, ...] = ()
    converted: bool = False
    give: Give = field(default=None, repr=False)

    @property
    def alpha(self):
        """The matte alone, 1 or the greatest value of its kind = person."""
        return self.give(self.matte)

    @property
    def foreground(self):
        """The person's own colours, black where alpha is 0."""
        return self.give(self.colours)

    @property
    def rgba(self):
        """Colours and alpha, not premultiplied, to lay over anything."""
        return self.give(self.colours, self.matte)


class Cutter:
    """Two networks, loaded once, for any number of pictures.

    portrait: finds a person, from an image alone. refine: alpha from image and trimap. hybrid: loads, when it is first asked
    for, what does so with closed-form matting's help. All are called as lib.cutout.network.Network is.
    """

    def __init__(self, portrait: Matting, refine: Matting, hybrid: Callable[[], Matting] | None = None):
        self.portrait, self.refine, self.hybrid = portrait, refine, hybrid

    def cut_out(
        self,
        image: Given,
        *,
        trimap: Given | None = None,
        mask: Given | None = None,
        rectangle: Rectangle | None = None,
        brush: Given | None = None,
        method: str = "auto",
    ) -> CutOut:
        """The people of a photograph: all of them, at the photograph's own size.

        image: path, bytes, Pillow image or array (H,W), (H,W,3), (H,W,4), RGB: uint8, uint16 or float in [0,1]; EXIF
        orientation and colour profile are applied, transparency is kept. `CutOut` gives the same kind back: an array
        for an array of the same dtype, PNG bytes for bytes, a Pillow image for one and for a path.

        Whoever knows more says so: trimap: 0/128/255, all that is needed. mask: a rough one, 255 = person, from which a
        trimap is made. rectangle: (left, top, width, height) in px; nothing outside is looked at. brush: strokes over
        the trimap that is found: 255 stays, 0 goes, 128 is untouched. Of trimap and mask at most one. method: network
        (auto is the same), or what needs the package pymatting: hybrid, closed-form or knn, for the unknown pixels.

        UserError for what is no picture, sizes that differ, a picture larger than memory.
        """
        self._check(trimap, mask, brush, method)
        photo, give = take(image, most_pixels())
        size = photo.pixels.shape[:2]
        where = _part(rectangle, size)
        known, person, notes = self._trimap(photo.pixels, where, trimap, mask)
        if brush is not None:
            strokes, said = take_trimap(brush, size, "brush")
            known, person, notes = trimaps.brushed(known, strokes), True, notes + said
        if rectangle is not None:
            known = _only(known, where)
        matte = self._matte(photo.pixels, known, method)
        if photo.alpha is not None:
            matte *= photo.alpha.astype(np.float32) / 255
        colours = foreground.clean(photo.pixels, matte)
        return CutOut(matte, colours, known, photo.pixels, person, (*photo.notes, *notes), photo.converted, give)

    def _check(self, trimap, mask, brush, method: str) -> None:
        if method not in METHODS:
            raise UserError(f"method: expected one of {', '.join(METHODS)}, found {method!r}; choose one.")
        if trimap is not None and (mask is not None or brush is not None):
            raise UserError("trimap: expected it alone, found a mask or a brush beside it; draw them into the trimap.")

    def _trimap(self, pixels: np.ndarray, where, trimap, mask) -> tuple[np.ndarray, bool, list[str]]:
        """Trimap of the picture, whether somebody is in it, and what had to be assumed."""
        size = pixels.shape[:2]
        if trimap is not None:
            given, notes = take_trimap(trimap, size, "trimap")
            return given, True, notes
        if mask is not None:
            given, notes = take_grey(mask, size, "mask")
            return trimaps.from_mask(given), True, notes
        guess = look(self.portrait, pixels[where])
        if (guess > 0.5).mean() < SOMEBODY:
            return np.full(size, BACKGROUND, np.uint8), False, ["no person was found; the matte is empty."]
        known = np.full(size, BACKGROUND, np.uint8)
        known[where] = trimaps.from_alpha(guess, known[where].shape)
        return known, True, []

    def _matte(self, pixels: np.ndarray, trimap: np.ndarray, method: str) -> np.ndarray:
        """Alpha (H,W) float32, by the network in tiles, at a size that it knows, or by a solver as a whole."""
        if method in ("auto", "network"):
            return scale.matted(self._tiled(self.refine), pixels, trimap)
        if method == "hybrid":
            _need_pymatting(method)
            return scale.matted(self._tiled(self.hybrid()), pixels, trimap)
        if trimap.size > SOLVER_PIXELS:
            raise UserError(
                f"method: {method} expected at most {SOLVER_PIXELS / 1e6:.0f} megapixels, found "
                f"{trimap.size / 1e6:.1f}; shrink the picture or use --method network."
            )
        return _solver(method)(_floats(pixels), trimap)

    def _tiled(self, refine: Matting) -> Matting:
        """The network over pixels (H,W,3) uint8 and trimap (H,W), in tiles."""
        return functools.partial(tiles.matte, lambda part, known: refine(_floats(part), known))


def load(weights: Path | str = WEIGHTS, threads: int = 0) -> Cutter:
    """The shipped networks, ready: a second call gets the same ones. threads: of the processor, 0 = all.

    UserError where ONNX Runtime or the weights are missing, or a weights file was altered.
    """
    return _loaded(Path(weights).resolve(), threads)


@functools.cache
def _loaded(weights: Path, threads: int) -> Cutter:
    from lib.cutout.network import Network

    hybrid = functools.cache(lambda: Network(weights / "hybrid", threads))
    return Cutter(*(Network(weights / name, threads) for name in ("portrait", "trimap")), hybrid)


def look(portrait: Matting, pixels: np.ndarray) -> np.ndarray:
    """Guessed alpha (h,w) float32 of pixels (H,W,3) uint8, at about the size that the network was trained at."""
    height, width = pixels.shape[:2]
    by = math.sqrt(HEIGHT * HEIGHT * 0.75 / (height * width))
    size = [min(LONGEST, max(MULTIPLE, round(side * by / MULTIPLE) * MULTIPLE)) for side in (width, height)]
    how = Image.Resampling.BOX if by < 1 else Image.Resampling.BILINEAR
    return np.clip(portrait(_floats(np.asarray(Image.fromarray(pixels).resize(size, how))), None), 0, 1)


def most_pixels() -> int:
    """How many pixels a picture may have, by the memory that is free; 0 = unknown."""
    return max(1, int((free - BYTES_AT_LEAST) / BYTES_A_PIXEL)) if (free := _free_memory()) else 0


def _free_memory() -> int:
    """Bytes that may still be taken, also where a container has a limit of its own; 0 = unknown (not Linux)."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return 0
    try:
        group = Path("/sys/fs/cgroup")
        limit, used = (int((group / name).read_text()) for name in ("memory.max", "memory.current"))
        return min(free, max(limit - used, 1))
    except (OSError, ValueError):  # no limit ("max"), or no such groups
        return free


def _solver(method: str) -> Matting:
    _need_pymatting(method)
    from lib.baselines import closed_form, knn

    return {"closed-form": closed_form, "knn": knn}[method]


def _need_pymatting(method: str) -> None:
    try:
        import cv2  # noqa: F401
        import pymatting  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"method: {method} expected the packages pymatting and opencv-python-headless, found no {error.name}; pip install "
            "it, or use network."
        ) from error


def _part(rectangle: Rectangle | None, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the rectangle; of the whole picture without one."""
    if rectangle is None:
        return slice(0, size[0]), slice(0, size[1])
    left, top, width, height = map(int, rectangle)
    if min(left, top) < 0 or min(width, height) < 1 or left + width > size[1] or top + height > size[0]:
        raise UserError(
            f"rectangle: expected left, top, width, height within {size[1]}x{size[0]} pixels, found "
            f"{left},{top},{width},{height}; move it into the picture."
        )
    return slice(top, top + height), slice(left, left + width)


def _only(trimap: np.ndarray, where: tuple[slice, slice]) -> np.ndarray:
    """The trimap, background outside of the rectangle."""
    result = np.full_like(trimap, BACKGROUND)
    result[where] = trimap[where]
    return result


def _floats(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 255
