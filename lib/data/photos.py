"""Photographs as people have them: upright, in sRGB, with their own transparency; animations picture by picture.

lib.data.decode opens the files; here their pixels become what a network was trained on. Pictures of data sets are not
read this way: their bytes are taken as they are.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from lib.data.decode import FORMATS, DefectiveFile, alpha_channel, eight_bits, opened

PHOTO_FORMATS = (*FORMATS, "GIF")
_MODES = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}  # colour space of an ICC profile -> Pillow's mode


@dataclass(frozen=True)
class Photo:
    """pixels (H,W,3) uint8 sRGB, transparent ones laid on white; alpha (H,W) uint8 of the file, None where it is opaque;
    converted: whether the colours had a profile of their own; notes: what had to be assumed, in sentences; duration: of
    a picture of an animation, in ms."""

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    converted: bool = False
    notes: tuple[str, ...] = ()
    duration: int = 0


def read_photo(source: Path | bytes, name: str = "", most: int = 0) -> Photo:
    """The photograph of a file, or of bytes called `name`; of a file with several pictures the first, and a note.

    most: pixels that are not too many, 0 = any number. DefectiveFile for what cannot be read or is larger than that.
    """
    with opened(source, name, PHOTO_FORMATS) as image:
        check_size(image.size, most, name or str(source))
        check_depth(image, name or str(source))
        photo = from_pillow(image)
        pages = getattr(image, "n_frames", 1)
        if pages > 1 and image.format != "MPO":  # a phone's JPEG with a preview or a depth map behind it
            note = f"expected one picture, found {pages}; the first was taken."
            return Photo(photo.pixels, photo.alpha, photo.converted, (*photo.notes, note))
        return photo


def frames_in(source: Path | bytes, name: str = "") -> int:
    """Number of pictures of an animation (GIF, WebP, PNG); 1 for anything else."""
    with opened(source, name, PHOTO_FORMATS) as image:
        return getattr(image, "n_frames", 1) if image.format in ("GIF", "WEBP", "PNG") else 1


def read_frames(source: Path | bytes, name: str = "", most: int = 0) -> Iterator[Photo]:
    """The pictures of an animation, each whole as it is shown, with its duration."""
    with opened(source, name, PHOTO_FORMATS) as image:
        check_size(image.size, most, name or str(source))
        for place in range(image.n_frames):
            image.seek(place)
            photo = from_pillow(image)
            # Read after the pixels: WebP knows a picture's duration only then.
            duration = int(image.info.get("duration") or 0)
            yield Photo(photo.pixels, photo.alpha, photo.converted, photo.notes, duration)


def check_size(size: tuple[int, int], most: int, name: str) -> None:
    """DefectiveFile for a picture of more than `most` pixels; 0 = any number."""
    width, height = size
    if most and width * height > most:
        raise DefectiveFile(
            Path(name),
            "too large",
            f"expected at most {most / 1e6:.0f} megapixels, for which there is memory, found {width}x{height}; "
            "shrink it or close other programs.",
        )


def check_depth(image: Image.Image, name: str) -> None:
    """DefectiveFile for a grey picture of 16 bits with values of 8: as it is it would be black."""
    if image.mode.startswith("I") and 0 < (highest := int(np.asarray(image).max(initial=0))) <= 255:
        raise DefectiveFile(
            Path(name),
            "8 bits in 16",
            f"expected 16-bit values up to 65535, found none above {highest}; save it with 8 bits.",
        )


def from_pillow(image: Image.Image) -> Photo:
    """A Pillow image as it is shown: turned by its EXIF orientation, in sRGB, eight bits a channel."""
    image.load()
    profile = image.info.get("icc_profile")
    image = ImageOps.exif_transpose(image)
    alpha = alpha_channel(image) if image.has_transparency_data else None
    image, converted, notes = _srgb(eight_bits(image), profile)
    pixels = np.asarray(image)
    if alpha is None or alpha.min() == 255:
        return Photo(pixels, None, converted, notes)
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=Image.fromarray(alpha))
    return Photo(np.asarray(white), alpha, converted, notes)


def srgb_profile() -> bytes:
    """The ICC profile of sRGB, for files whose colours were converted to it."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool, tuple[str, ...]]:
    """The image as RGB in sRGB; whether its profile was another; what had to be assumed."""
    if not profile:
        return image.convert("RGB"), False, ()
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _MODES[given.profile.xcolor_space.strip()]
        if (mode == "CMYK") != (image.mode == "CMYK"):
            raise ValueError(f"a profile of {mode} in a picture of {image.mode}")
        if mode == "RGB" and "srgb" in (given.profile.profile_description or "").lower():
            return image.convert("RGB"), False, ()
        fitting = image if image.mode == mode else image.convert(mode)
        rgb = ImageCms.profileToProfile(fitting, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
        return rgb, True, ()
    except (ImageCms.PyCMSError, KeyError, OSError, ValueError) as error:
        note = f"expected a usable colour profile, found {error}; its colours were taken for sRGB."
        return image.convert("RGB"), False, (note,)
