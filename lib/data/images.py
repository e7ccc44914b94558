"""Pictures from files, strictly: what is damaged, or not what it should be, is refused by name.

Every picture is turned by its EXIF orientation, as every viewer shows it. Pictures of data sets are taken as their bytes are;
a photograph (`read_photo`) is also converted to sRGB, and keeps its transparency.
"""

import io
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from lib.base import UserError

# By content, whatever the name says. Left to itself, Pillow would hand an EPS file to Ghostscript, that is, run a program.
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF", "GIF")
OTHER_FORMATS = {  # what else a reader may have, and how its files begin
    "HEIC": b"....ftyp(hei|hev|mif|msf)",
    "a camera's raw file": b"....ftypcrx|FUJIFILMCCD|II(RO|RS|U\0)",
    "a film": b"....ftyp|\x1aE\xdf\xa3|RIFF....AVI",
    "JPEG XL": b"\xff\x0a|\0\0\0\x0cJXL",
    "PDF": b"%PDF",
    "SVG": rb"\s*<(\?xml|svg)",
}
SUFFIXES = (  # of pictures; those in the second line are refused by name when they are read
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff"),
    *(".heic", ".heif", ".jxl", ".dng", ".nef", ".cr2", ".cr3", ".arw", ".raf", ".orf", ".rw2"),
)
TOOL_FOLDERS = ("@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information")  # of network disks and of Windows
MAX_CLASSES = 3  # segmentation tools number background, unknown, foreground (and a border) from 0 or 1 on
GRAY_TOLERANCE = 16  # largest difference between the colour channels of a grey picture saved as JPEG
SRGB_GAMMA = 1 / 2.2  # what a PNG in sRGB gives as its gamma


class UnusableFile(UserError):  # noqa: N818 (a UserError by its base)
    """One file that cannot be used. path: the file; reason: the defect in a few words, to count by."""

    def __init__(self, path: Path | str, reason: str, sentence: str):
        super().__init__(f"{path}: {sentence}")
        self.path, self.reason, self._sentence = Path(path), reason, sentence

    def __reduce__(self):  # so that it survives the way back from a worker process
        return type(self), (self.path, self.reason, self._sentence)


def foreign_file(path: Path) -> str:
    """Why a file, by its path below a set's root, is no part of the set: a system or a tool left it there, as Jupyter leaves
    copies in .ipynb_checkpoints/. "" for any other file."""
    if any(part.startswith("._") or part == "__MACOSX" for part in path.parts):
        return "AppleDouble file"
    return "hidden or helper file" if any(part[0] == "." or part in TOOL_FOLDERS for part in path.parts) else ""


def read_rgb(path: Path, size: tuple[int, int] | None = None) -> tuple[np.ndarray, int]:
    """A colour picture (H,W,3) uint8 without its transparency, and the scale at which it was read.

    A JPEG is decoded at 1/2, 1/4 or 1/8 where that stays well above `size` (height, width): the scale is then 2, 4 or 8.
    """
    with open_picture(path) as image:
        upright, scale = _load(image, path, size)
        return np.asarray(upright.convert("RGB")), scale


def read_alpha(path: Path) -> np.ndarray:
    """The alpha channel (H,W) uint8 of a matte. UnusableFile for a picture without one."""
    with open_picture(path) as image:
        upright, _ = _load(image, path)
        if not upright.has_transparency_data:
            sentence = f"expected a matte with an alpha channel (RGBA), found mode {upright.mode}; save it with one."
            raise UnusableFile(path, "matte without alpha channel", sentence)
        return _refuse_classes(alpha_channel(upright), path)


def read_gray(path: Path) -> np.ndarray:
    """A grey picture (H,W) uint8, an alpha or a trimap: its alpha channel, unless that is opaque, else its grey values."""
    with open_picture(path) as image:
        return _refuse_classes(gray_values(_load(image, path)[0], path), path)


def gray_values(image: Image.Image, path: Path | str) -> np.ndarray:
    """(H,W) uint8 of a decoded picture of eight bits. UnusableFile for a coloured one."""
    if image.mode == "L":
        return np.asarray(image)
    if image.has_transparency_data and (alpha := alpha_channel(image)).min() < 255:
        return alpha
    colors = np.asarray(image.convert("RGB"))
    spread = int((colors.max(axis=2) - colors.min(axis=2)).max())
    if spread > GRAY_TOLERANCE:
        sentence = (
            f"expected a grey picture, found colour channels that differ by up to {spread}; save it as grey values."
        )
        raise UnusableFile(path, "coloured alpha or trimap", sentence)
    return colors[..., 1]


@dataclass(frozen=True)
class Photo:
    """pixels (H,W,3) uint8 sRGB, transparent ones laid on white; alpha (H,W) uint8, None where the file is opaque; converted:
    whether the colours were of another space; notes: what had to be assumed, in sentences."""

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    converted: bool = False
    notes: tuple[str, ...] = ()


def read_photo(path: Path) -> Photo:
    """A photograph as it is shown: upright, in sRGB, eight bits a channel; of several pictures in a file the first."""
    with open_picture(path) as image:
        photo = photo_from_pillow(image, path)
        pages = getattr(image, "n_frames", 1)
        if pages == 1 or image.format == "MPO":  # a phone's JPEG with a preview or a depth map behind it
            return photo
        return replace(photo, notes=(*photo.notes, f"expected one picture, found {pages}; the first was taken."))


def photo_from_pillow(image: Image.Image, name: Path | str = "image") -> Photo:
    """A Pillow image as it is shown. UnusableFile, which calls it `name`, where nothing of it can be seen."""
    info, (upright, _) = image.info, _load(image, name)
    alpha = alpha_channel(upright) if upright.has_transparency_data else None
    rgb, converted, notes = _to_srgb(upright, info)
    if alpha is None or alpha.min() == 255:
        return Photo(np.asarray(rgb), None, converted, notes)
    if not alpha.any():
        sentence = "expected a picture, found one that is transparent everywhere; save it without its alpha channel."
        raise UnusableFile(name, "transparent everywhere", sentence)
    white = Image.new("RGB", rgb.size, "white")
    white.paste(rgb, mask=Image.fromarray(alpha))
    return Photo(np.asarray(white), alpha, converted, notes)


def reduced_scale(full: tuple[int, int], size: tuple[int, int]) -> int:
    """8, 4, 2 or 1: the most by which both sides of `full` divide and stay >= 4 `size`, all (height, width).

    Four times, so that averaging twice stays close to averaging once. Exactly, because the decoder pads a broken last block:
    the reduced picture would lie beside the original by up to half a pixel at 28x28.
    """
    sides = list(zip(full, size, strict=True))
    fits = (s for s in (8, 4, 2) if all(side % s == 0 and side // s >= 4 * small for side, small in sides))
    return next(fits, 1)


def alpha_channel(image: Image.Image) -> np.ndarray:
    """Alpha (H,W) uint8 of a picture of any mode."""
    return np.asarray((image if image.mode in ("RGBA", "LA") else image.convert("RGBA")).getchannel("A"))


def eight_bits(image: Image.Image) -> Image.Image:
    """16-bit and 1-bit grey as 8-bit grey. (Pillow's own conversion would clip 16-bit grey at 255.)"""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values + 128) // 257).clip(0, 255).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    return image.convert("L") if image.mode == "1" else image


@contextmanager
def open_picture(path: Path, content: bytes | None = None) -> Iterator[Image.Image]:
    """The picture of a regular file, or of its `content`. Whatever goes wrong, in the block too, is an UnusableFile."""
    content = _read_file(path) if content is None else content
    try:
        if not content or (content.startswith(b"\xff\xd8") and not _jpeg_has_end(content)):
            raise EOFError("truncated: the JPEG end marker is missing" if content else "empty file")
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            tags = image.tag_v2 if image.format == "TIFF" else {}
            # NewSubfileType "reduced", DNGVersion, SubIFDs: a preview comes first, the photograph behind it.
            if tags.get(254, 0) & 1 or 50706 in tags or 330 in tags:
                sentence = "expected a picture, found a camera's raw file; develop it to JPEG or TIFF first."
                raise UnusableFile(path, "a camera's raw file", sentence)
            yield image
    except (MemoryError, UserError):
        raise
    except Image.DecompressionBombError as error:
        sentence = f"expected at most {2 * Image.MAX_IMAGE_PIXELS:,} pixels, found more; save it smaller."
        raise UnusableFile(path, "unreadable file", sentence) from error
    except Exception as error:  # Pillow raises many kinds for damaged files
        cause = " ".join(str(error or type(error).__name__).split())
        if isinstance(error, UnidentifiedImageError):
            for kind, start in OTHER_FORMATS.items():
                if re.match(start, content, re.DOTALL):
                    sentence = f"expected a picture ({', '.join(FORMATS)}), found {kind}; save it as JPEG or PNG."
                    raise UnusableFile(path, kind, sentence) from error
            cause = f"not a picture of the kinds {', '.join(FORMATS)}"
        sentence = f"expected a readable picture, found a damaged file ({cause}); replace or delete it."
        raise UnusableFile(path, "unreadable file", sentence) from error


def _read_file(path: Path) -> bytes:
    try:
        if stat.S_ISREG(Path(path).stat().st_mode):  # a FIFO would wait for ever, a device never end
            return Path(path).read_bytes()
        sentence = "expected a picture, found no regular file; correct the path."
    except FileNotFoundError:
        sentence = "expected a picture, found no such file; correct the path."
    except OSError as error:
        sentence = f"expected a readable file, found: {error.strerror}; check its permissions."
    raise UnusableFile(path, "unreadable file", sentence)


def _jpeg_has_end(content: bytes) -> bool:
    """Whether an end marker follows the first scan (ITU T.81, B.1.1.5). The segments before it, of which a thumbnail has end
    markers of its own, are stepped over."""
    at = 2
    while content[at : at + 1] == b"\xff" and content[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return content.find(b"\xff\xd9", at) >= 0


def _load(image: Image.Image, path: Path | str, size: tuple[int, int] | None = None) -> tuple[Image.Image, int]:
    """The decoded picture, upright, of eight bits a channel, and its scale (see `read_rgb`)."""
    # First of all: the list is empty once the pixels are loaded, and asking a PNG for its EXIF loads them.
    deep = image.mode.startswith("I") or any("16" in str(tile[3]) for tile in getattr(image, "tile", ()))
    scale = 1
    if size and image.format == "JPEG":
        lies = image.getexif().get(0x0112, 1) in range(5, 9)  # orientations that exchange width and height
        scale = reduced_scale(image.size if lies else image.size[::-1], size)
        if scale > 1:
            image.draft(None, tuple(side // scale for side in image.size))
    image.load()
    # Pillow keeps 16 bits of grey, and the upper 8 of colours: these are then all black.
    highest = int(np.asarray(image).max()) if deep else 256
    if 0 < highest <= 255 if image.mode.startswith("I") else highest == 0:
        sentence = "expected 16-bit values up to 65535, found none above 255; save it with 8 bits."
        raise UnusableFile(path, "8 bits in 16", sentence)
    return eight_bits(ImageOps.exif_transpose(image)), scale


def _refuse_classes(gray: np.ndarray, path: Path) -> np.ndarray:
    """The grey values, unless they can only be numbers of classes, of which tools do not agree what each means."""
    if not 0 < int(gray.max()) <= MAX_CLASSES:
        return gray
    classes = ", ".join(map(str, np.unique(gray).tolist()))
    sentence = f"expected grey values up to 255, found only {classes}, as segmentation tools number classes; save "
    sentence += "background as 0, foreground as 255 and unknown as 128."
    raise UnusableFile(path, "numbers of classes for grey values", sentence)


def _to_srgb(image: Image.Image, info: dict) -> tuple[Image.Image, bool, tuple[str, ...]]:
    """RGB in sRGB by the file's own profile or gamma; whether that changed it; what had to be assumed."""
    gamma = SRGB_GAMMA if "srgb" in info or "icc_profile" in info else info.get("gamma", SRGB_GAMMA)
    if gamma > 0 and abs(gamma - SRGB_GAMMA) > 0.01:  # gAMA of a PNG
        light = (np.arange(256) / 255) ** (1 / gamma)
        values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
        return image.convert("RGB").point(np.round(255 * values).astype(int).tolist() * 3), True, ()
    if not info.get("icc_profile"):
        return image.convert("RGB"), False, ()
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(info["icc_profile"]))
        mode = {"RGB": "RGB", "CMYK": "CMYK", "GRAY": "L"}[profile.profile.xcolor_space.strip()]
        if (mode == "CMYK") != (image.mode == "CMYK"):
            raise ValueError(f"a profile of {mode} in a picture of {image.mode}")
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
        # By what it does, not by its name: profiles called sRGB hold linear light as well.
        steps = np.arange(0, 256, 17, np.uint8)
        colors = Image.fromarray(np.stack(np.meshgrid(steps, steps, steps), -1).reshape(64, 64, 3)).convert(mode)
        change = np.asarray(ImageCms.applyTransform(colors, transform), int) - np.asarray(colors.convert("RGB"), int)
        if np.abs(change).max() <= 1:
            return image.convert("RGB"), False, ()
        return ImageCms.applyTransform(image.convert(mode), transform), True, ()
    except (ImageCms.PyCMSError, KeyError, OSError, ValueError) as error:
        note = f"expected a usable colour profile, found {error}; its colours were taken for sRGB."
        return image.convert("RGB"), False, (note,)
