"""A person cut out of a photograph: found, matted at full size, colors freed from the background. Without PyTorch.

1. The portrait network guesses alpha at 256 px. 2. A trimap is made of the guess (lib.cutout.trimaps). 3. The trimap network
mattes the unknown pixels, at a size that it knows, and a guided filter brings that to the photograph's own pixels
(lib.cutout.upsample). 4. The foreground's own colors are estimated (lib.cutout.foreground).
"""

import functools
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lib.base import ROOT, UserError
from lib.cutout import foreground, limits, solve, trimaps, upsample
from lib.cutout.network import OnnxNetwork
from lib.data.images import Photo, photo_from_pillow, read_gray, read_photo
from lib.data.trimap import BACKGROUND, FOREGROUND, UNKNOWN, to_three_levels

WEIGHTS = ROOT / "data/weights"
PORTRAIT_HEIGHT, MULTIPLE, LONGEST = 256, 32, 2048  # px: what the portrait network gets is as large as 256 px of 3:4
PERSON_SHARE = 0.002  # of a picture that has to be person before it is said that there is one
METHODS = ("network", "hybrid", "closed-form")
COSTS = (  # seconds of one core; MSE over the unknown pixels of 30 held-out rendered people, trimaps of 12 px
    "Seconds for 600x800 px and MSE: network 1.4 s, 0.016; hybrid 2.4 s, 0.009; closed-form 2 s, 0.015. The last two need "
    "pymatting, which the paper's set-up has (make env), that of make try has not."
)
SOLVER_PIXELS = 4_000_000  # closed-form matting's matrix takes 3 GB and minutes there
BYTES_PER_PIXEL, BYTES_AT_LEAST = 28, 1_000_000_000  # of memory: picture and results; the networks


@dataclass(frozen=True)
class CutOut:
    """alpha (H,W) float32 in [0,1], colors (H,W,3) uint8, trimap (H,W) uint8; person: whether one was found; notes: what had to
    be assumed, in sentences."""

    alpha: np.ndarray
    colors: np.ndarray
    trimap: np.ndarray
    person: bool = True
    notes: tuple[str, ...] = ()

    @property
    def mask(self) -> Image.Image:
        return Image.fromarray(np.round(self.alpha * 255).astype(np.uint8))

    @property
    def rgba(self) -> Image.Image:
        """Not premultiplied."""
        return Image.fromarray(np.dstack([self.colors, self.mask]))

    def over(self, background: Image.Image) -> Image.Image:
        """Before another RGB picture, which is scaled and cropped to the photograph's size."""
        behind = ImageOps.fit(background, self.mask.size, Image.Resampling.BICUBIC)
        return Image.composite(Image.fromarray(self.colors), behind, self.mask)


class Cutter:
    """The networks, loaded when they are first needed, for any number of pictures.

    weights: a folder of shipped networks, or one network that takes a trimap: a training of this paper (by PyTorch) or one of
    the shipped folders. threads: of the processor, 0 = all.
    """

    def __init__(self, weights: Path | str = WEIGHTS, threads: int = 0):
        self.weights, self.threads = Path(weights), threads
        self.network = functools.cache(self._load_network)

    def __reduce__(self):  # a process pool hands on where the networks are, not the sessions
        return type(self), (self.weights, self.threads)

    def cut_out(self, image, trimap=None, method: str = METHODS[0]) -> CutOut:
        """The people of a photograph, at its own size.

        image: path, Pillow image or array (H,W), (H,W,3) or (H,W,4) uint8. trimap: path or array (H,W) uint8 of 0/128/255, where
        you have one. UserError for what is no picture, for a trimap of another size, and for a picture larger than memory.
        """
        matting, photo = self.matting(method), _read(image)
        height, width = photo.pixels.shape[:2]
        if (free := limits.free_memory()) and height * width > (free - BYTES_AT_LEAST) // BYTES_PER_PIXEL:
            most = max(0, free - BYTES_AT_LEAST) / BYTES_PER_PIXEL / 1e6
            raise UserError(
                f"{image if isinstance(image, str | Path) else 'image'}: expected at most {most:.0f} megapixels, for which "
                f"there is memory, found {width}x{height}; shrink it or close other programs."
            )
        known, person, notes = _read_trimap(trimap, (height, width)) if trimap is not None else self._find(photo.pixels)
        alpha = matting(photo.pixels, known)
        if not np.isfinite(alpha).all():
            raise UserError(f"{self.weights}: expected alphas in [0,1], found no numbers; its weights are too large.")
        if photo.alpha is not None:
            alpha = alpha * (photo.alpha.astype(np.float32) / 255)
        return CutOut(alpha, foreground.estimate(photo.pixels, alpha), known, person, (*photo.notes, *notes))

    def guess(self, pixels: np.ndarray) -> np.ndarray:
        """Alpha (h,w) float32 by the portrait network, at about the size that it knows: the mean with the mirror image's."""
        height, width = pixels.shape[:2]
        scale = math.sqrt(PORTRAIT_HEIGHT**2 * 0.75 / (height * width))
        size = [min(LONGEST, max(MULTIPLE, round(side * scale / MULTIPLE) * MULTIPLE)) for side in (width, height)]
        resampling = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
        small, network = np.asarray(Image.fromarray(pixels).resize(size, resampling)), self.network("portrait")
        return np.clip((network(small) + network(small[:, ::-1])[:, ::-1]) / 2, 0, 1)

    def _find(self, pixels: np.ndarray) -> tuple[np.ndarray, bool, tuple[str, ...]]:
        """Trimap (H,W) of the people of a picture, whether there are any, and a note where there are none."""
        guess, (height, width) = self.guess(pixels), pixels.shape[:2]
        if (guess > 0.5).mean() >= PERSON_SHARE:
            return trimaps.from_alpha(guess, (height, width)), True, ()
        advice = (
            " In so long a picture people are small: crop it." if max(height, width) > 4 * min(height, width) else ""
        )
        note = f"no person was found; the matte is empty.{advice}"
        return np.full((height, width), BACKGROUND, np.uint8), False, (note,)

    def matting(self, method: str) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Alpha (H,W) of image (H,W,3) and trimap (H,W), uint8. UserError where what the method needs is missing."""
        if method not in METHODS:
            raise UserError(f"method: expected one of {', '.join(METHODS)}, found {method!r}; choose one.")
        if method == "network":
            return functools.partial(upsample.matte, self.network("trimap"))
        solve.need_pymatting(method)
        if method == "closed-form":
            return _closed_form
        network = self.network("hybrid")
        return functools.partial(upsample.matte, lambda part, known: solve.refine(part, known, network(part, known)))

    def _load_network(self, name: str) -> Callable:
        """The network of image (h,w,3) uint8, and but for "portrait" trimap (h,w) uint8."""
        if not (self.weights / "config.json").is_file():
            return OnnxNetwork(self.weights / name, self.threads)
        if name == "portrait":
            return OnnxNetwork(WEIGHTS / name, self.threads)
        if (self.weights / "model.onnx").is_file():
            return OnnxNetwork(self.weights, self.threads)
        return _trained(self.weights)


@functools.cache
def load(weights: Path | str = WEIGHTS, threads: int = 0) -> Cutter:
    """The networks of a folder: a second call gets the same ones."""
    return Cutter(weights, threads)


def _read(image) -> Photo:
    """The photograph of whatever was handed in."""
    if isinstance(image, str | Path):
        return read_photo(Path(image))
    try:
        if isinstance(image, np.ndarray):
            if image.dtype != np.uint8 or 0 in image.shape:
                raise TypeError(f"{image.dtype} {image.shape}")
            image = Image.fromarray(image)
        if isinstance(image, Image.Image):
            return photo_from_pillow(image)
    except (TypeError, ValueError, OSError) as error:  # floats, five channels, a closed image
        raise UserError(f"image: expected a picture of 8 bits a channel, found {error}; convert it.") from error
    raise UserError(
        f"image: expected a path, a Pillow image or a NumPy array, found {type(image).__name__}; convert it."
    )


def _read_trimap(trimap, size: tuple[int, int]) -> tuple[np.ndarray, bool, tuple[str, ...]]:
    """A trimap (H,W) of 0, 128 and 255, true, and notes."""
    file = isinstance(trimap, str | Path)
    name, values = (str(trimap), read_gray(Path(trimap))) if file else ("trimap", np.asarray(trimap))
    if values.shape != size or values.dtype != np.uint8 or 0 < values.max(initial=0) <= 2:
        raise UserError(
            f"{name}: expected {size[1]}x{size[0]} px as the picture has, uint8 of 0, 128 and 255, found shape {values.shape}, "
            f"{values.dtype} up to {values.max(initial=0)}; make them alike."
        )
    levels, notes = to_three_levels(values), []
    if (off := (levels.astype(int) - values != 0).mean()) > 0:
        notes.append(
            f"{name}: {off:.1%} of its pixels are not 0, 128 or 255; they were taken for the nearest of the three."
        )
    for level, region in ((BACKGROUND, "background (0)"), (UNKNOWN, "unknown (128)"), (FOREGROUND, "foreground (255)")):
        if not (levels == level).any():
            notes.append(f"{name}: no pixel is {region}; is it the right file?")
    return levels, True, tuple(notes)


def _closed_form(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    if trimap.size > SOLVER_PIXELS:
        raise UserError(
            f"method: closed-form expected at most {SOLVER_PIXELS / 1e6:.0f} megapixels, found {trimap.size / 1e6:.1f}; "
            "shrink the picture or use --method network."
        )
    from lib.baselines import SOLVERS

    return SOLVERS["closed-form"](image / np.float32(255), trimap)


def _trained(folder: Path) -> Callable:
    """A training's network, by PyTorch, of image (h,w,3) uint8 and trimap (h,w). UserError where it takes no trimap."""
    try:
        from lib import inference
        from lib.models import checkpoint
    except ImportError as error:
        raise UserError(f"{folder}: a training needs the paper's set-up (make env), found no {error.name}.") from error
    model, config = checkpoint.load_network(folder), json.loads((folder / "config.json").read_text())
    if config["system"] in ("background", "video") or not config.get("trimap", True):
        raise UserError(f"{folder}: expected a network that takes a trimap, found one that takes none; name another.")
    return lambda image, trimap: inference.predict_trimap(model, image.astype(np.float32) / 255, trimap)
