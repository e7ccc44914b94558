# SHIM
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib.data import images
from lib.data.images import (  # noqa: F401
    FORMATS,
    GRAY_TOLERANCE as GREY_TOLERANCE,
    UnusableFile as DefectiveFile,
    alpha_channel,
    eight_bits,
    gray_values as grey_values,
    open_picture,
    read_alpha,
    read_gray as read_grey,
    reduced_scale,
)


class Picture(NamedTuple):
    pixels: np.ndarray
    full: tuple[int, int]
    scale: int


def read_rgb(path, size=None) -> Picture:
    pixels, scale = images.read_rgb(path, size)
    return Picture(pixels, (pixels.shape[0] * scale, pixels.shape[1] * scale), scale)


def opened(source, name="", formats=FORMATS):
    if isinstance(source, bytes | bytearray):
        return open_picture(Path(name or "picture"), bytes(source))
    return open_picture(Path(source))


def check_same_size(path, found, image_path, expected) -> None:
    if tuple(found) != tuple(expected):
        raise DefectiveFile(
            path,
            "size mismatch",
            f"expected {expected[1]}x{expected[0]} pixels (width x height) as in "
            f"{image_path.name}, found {found[1]}x{found[0]}; replace or delete the pair.",
        )
