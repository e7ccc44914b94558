# SHIM
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import ImageCms

from lib.data import images
from lib.data.decode import FORMATS as PHOTO_FORMATS, DefectiveFile, opened  # noqa: F401


@dataclass(frozen=True)
class Photo(images.Photo):
    duration: int = 0


def from_pillow(image, name="image"):
    photo = images.photo_from_pillow(image, name)
    return Photo(photo.pixels, photo.alpha, photo.converted, photo.notes)


def read_photo(source, name="", most=0):
    with opened(source, name) as image:
        check_size(image.size, most, name or str(source))
        photo = from_pillow(image, name or str(source))
        if (pages := getattr(image, "n_frames", 1)) > 1 and image.format != "MPO":
            photo = replace(photo, notes=(*photo.notes, f"expected one picture, found {pages}; the first was taken."))
        return photo


def frames_in(source, name=""):
    with opened(source, name) as image:
        return getattr(image, "n_frames", 1) if image.format in ("GIF", "WEBP", "PNG") else 1


def read_frames(source, name="", most=0):
    with opened(source, name) as image:
        check_size(image.size, most, name or str(source))
        for number in range(image.n_frames):
            image.seek(number)
            photo = from_pillow(image, name or str(source))
            yield replace(photo, duration=int(image.info.get("duration") or 0))


def check_size(size, most, name):
    width, height = size
    if most and width * height > most:
        raise DefectiveFile(
            Path(name),
            "too large",
            f"expected at most {most / 1e6:.0f} megapixels, for which there is memory, found {width}x{height}; "
            "shrink it or close other programs.",
        )


def check_depth(image, name):
    if image.mode.startswith("I") and 0 < (highest := int(np.asarray(image).max(initial=0))) <= 255:
        raise DefectiveFile(
            Path(name),
            "8 bits in 16",
            f"expected 16-bit values up to 65535, found none above {highest}; save it with 8 bits.",
        )


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
