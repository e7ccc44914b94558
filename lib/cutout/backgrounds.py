"""What a person is laid over: a colour, another picture, or the own background out of focus."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageFilter, ImageOps

from lib.base import UserError
from lib.cutout.cutter import CutOut
from lib.data.photos import read_photo

BLUR_SIDE, BLUR = 512, 12  # px: the longest side at which the background is blurred, and by how much

Background = Callable[[CutOut], Image.Image]  # an RGB picture of the cut-out's size


def background(text: str) -> Background:
    """A background by its name: `blur`, the path of a picture (scaled and cropped to fill), or a colour as CSS writes it.

    UserError for anything else, and for a file that cannot be read: before the first picture is done.
    """
    if text == "blur":
        return blurred
    if Path(text).is_file():
        picture = Image.fromarray(read_photo(Path(text)).pixels)
        return lambda cut: ImageOps.fit(picture, cut.matte.shape[::-1], Image.Resampling.BICUBIC)
    try:
        colour = ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise UserError(
            f"background: expected blur, a picture's path or a colour such as white or #ff8800, found {text!r}; correct it."
        ) from error
    return lambda cut: Image.new("RGB", cut.matte.shape[::-1], colour)


def over(cut: CutOut, behind: Image.Image) -> Image.Image:
    """alpha F + (1 - alpha) B (Porter and Duff 1984), of gamma-coded values as in all of this paper; RGB."""
    return Image.composite(
        Image.fromarray(cut.colours), behind, Image.fromarray(np.round(cut.matte * 255).astype(np.uint8))
    )


def blurred(cut: CutOut) -> Image.Image:
    """The photograph's own background, blurred without the person's colours running into it: blur(I (1 - alpha)) over
    blur(1 - alpha), at a small size, since what is blurred has no detail to lose."""
    height, width = cut.matte.shape
    scale = min(1, BLUR_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    share = 1 - np.asarray(Image.fromarray(cut.matte).resize(size, Image.Resampling.BOX))[..., None]
    pixels = np.asarray(Image.fromarray(cut.pixels).resize(size, Image.Resampling.BOX)) / 255
    spread = ImageFilter.GaussianBlur(BLUR)
    weights = [
        Image.fromarray(np.round(part * 255).astype(np.uint8)).filter(spread)
        for part in (pixels * share, share[..., 0])
    ]
    colour = np.asarray(weights[0]) / np.maximum(np.asarray(weights[1])[..., None], 1)
    small = Image.fromarray(np.round(colour.clip(0, 1) * 255).astype(np.uint8))
    return small.resize((width, height), Image.Resampling.BILINEAR)
