"""Reading one picture from a file, strictly: what is damaged or not what it should be is refused by name.

Pillow does the decoding: it notices most truncated files, reads 16-bit, palette and EXIF data, and decodes
JPEG at 1/2, 1/4 or 1/8 of its scale inside the decoder (libjpeg's scaled DCT, as cv2.IMREAD_REDUCED_COLOR_n
does).

Every picture is turned the way its own EXIF orientation says, as every viewer shows it. A matte that was made
for the unturned photo then differs in size and is refused instead of being compared with the wrong pixels. (A
half turn or a mirror image leaves no such trace; a damaged scan that keeps its end marker leaves none
either.)
"""

import contextlib
import io
import stat
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from lib.base import UserError

_ORIENTATION = 0x0112  # EXIF tag
_LYING = range(5, 9)  # its values that exchange width and height; beyond 8 it means nothing, and viewers turn nothing
# By content, whatever the name says. The list matters: left to itself, Pillow tries every format that it knows and
# hands an EPS file to Ghostscript, that is, runs a program that came as a picture.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
GREY_TOLERANCE = 16  # largest difference between the colour channels of a grey picture saved as JPEG
MOST_CLASSES = 3  # segmentation tools number background, unknown, foreground (and a border) from 0 or 1 on
MOST_BYTES = 2**30  # of a file: the largest picture that Pillow accepts, uncompressed, has half as many


class DefectiveFile(UserError):  # noqa: N818 (a UserError by its base)
    """One file that cannot be used. path: the file; reason: the defect in a few words, to count by."""

    def __init__(self, path: Path, reason: str, sentence: str):
        super().__init__(f"{path}: {sentence}")
        self.path, self.reason, self._sentence = path, reason, sentence

    def __reduce__(self):  # so that it survives the way back from a worker process
        return type(self), (self.path, self.reason, self._sentence)


@dataclass(frozen=True)
class Picture:
    """pixels (h, w, 3) uint8 RGB; full: (height, width) of the original, `scale` times those of pixels."""

    pixels: np.ndarray
    full: tuple[int, int]
    scale: int


def read_rgb(path: Path, size: tuple[int, int] | None = None) -> Picture:
    """Read a colour picture; a JPEG at 1/2, 1/4 or 1/8 where that stays well above `size` (height, width).

    Grey pictures come back with three equal channels; transparency is ignored.
    Raises DefectiveFile for a missing, empty, truncated or unreadable file.
    """
    image, full, scale = _decode(path, size)
    return Picture(np.asarray(image.convert("RGB")), full, scale)


def read_alpha(path: Path) -> np.ndarray:
    """Read the alpha channel of a matte (RGBA, or grey or palette with transparency): (H, W) uint8.

    Raises DefectiveFile for an unreadable file and for one without an alpha channel.
    """
    image, _, _ = _decode(path)
    if not image.has_transparency_data:
        raise DefectiveFile(
            path,
            "matte without alpha channel",
            f"expected a matte with an alpha channel (RGBA), found mode {image.mode}; "
            "save it with its alpha channel or delete it.",
        )
    return _no_classes(path, alpha_channel(image))


def read_grey(path: Path) -> np.ndarray:
    """Read a grey picture (an alpha or a trimap): (H, W) uint8.

    Of a file with transparency it is the alpha channel, unless that is opaque throughout; else the grey
    value; the colour channels of a file saved as RGB must agree. Raises DefectiveFile for an unreadable or
    coloured file, and for one that holds numbers of classes (0, 1, 2) instead of grey values.
    """
    image, _, _ = _decode(path)
    return _no_classes(path, grey_values(image, path))


def grey_values(image: Image.Image, path: Path) -> np.ndarray:
    """(H, W) uint8 of a decoded picture of eight bits, as `read_grey` says; path: what errors call it."""
    if image.mode == "L":
        return np.asarray(image)
    if image.has_transparency_data:
        alpha = alpha_channel(image)
        if alpha.min() < 255:
            return alpha
    colours = np.asarray(image.convert("RGB"))
    spread = int((colours.max(axis=2) - colours.min(axis=2)).max())
    if spread > GREY_TOLERANCE:
        raise DefectiveFile(
            path,
            "coloured alpha or trimap",
            f"expected a grey picture, found colour channels that differ by up to {spread}; save it as grey values.",
        )
    return colours[..., 1]


def _no_classes(path: Path, grey: np.ndarray) -> np.ndarray:
    """The grey values as they are, unless they can only be numbers of classes: which number means what, tools agree on
    as little as on where they begin, so nothing is guessed."""
    highest = int(grey.max(initial=0))
    if 0 < highest <= MOST_CLASSES:
        found = ", ".join(map(str, np.unique(grey).tolist()))
        raise DefectiveFile(
            path,
            "numbers of classes for grey values",
            f"expected grey values up to 255 (foreground), found only {found}, as segmentation tools number classes; "
            "save background as 0 and foreground as 255 (unknown, in a trimap, as 128).",
        )
    return grey


def check_same_size(path: Path, found: tuple[int, int], image_path: Path, expected: tuple[int, int]) -> None:
    """Raise DefectiveFile unless the picture at `path` has the (height, width) of its image."""
    if tuple(found) != tuple(expected):
        raise DefectiveFile(
            path,
            "size mismatch",
            f"expected {expected[1]}x{expected[0]} pixels (width x height) as in "
            f"{image_path.name}, found {found[1]}x{found[0]}; replace or delete the pair.",
        )


def reduced_scale(full: tuple[int, int], size: tuple[int, int]) -> int:
    """8, 4, 2 or 1: the most by which both sides of `full` (height, width) divide and stay >= 4 `size`.

    Four times the size, so that averaging twice, in blocks and then to the size, stays close to averaging
    once: alpha of 600x800 portraits at 28x28 differs by 0.2 of 255 on the mean and by 6 at most (0.5 and 17
    at twice the size). Exactly, because the decoder pads a broken last block: the reduced picture would show
    a little more than the original and lie beside it by up to half a pixel at 28x28.
    """
    fits = (
        s
        for s in (8, 4, 2)
        if all(side % s == 0 and side // s >= 4 * least for side, least in zip(full, size, strict=True))
    )
    return next(fits, 1)


def shrink(picture: np.ndarray, scale: int) -> np.ndarray:
    """Mean of every scale x scale block of a (H, W) or (H, W, C) uint8 picture whose sides divide by `scale`.

    These are the blocks that the JPEG decoder averages, so alpha stays on top of an image read at that scale.
    """
    if scale == 1:
        return picture
    size = (picture.shape[1] // scale, picture.shape[0] // scale)
    import cv2  # here, since whoever only reads pictures (lib.cutout with ONNX Runtime) does without

    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _decode(path: Path, size: tuple[int, int] | None = None) -> tuple[Image.Image, tuple[int, int], int]:
    """Decoded picture, turned by EXIF, eight bits a channel; the original's (height, width); the scale it
    has."""
    with opened(path) as image:
        # First of all: the list is empty once the pixels are loaded, and asking a PNG for its EXIF loads them.
        deep = any("16" in str(tile[3]) for tile in image.tile)
        orientation = image.getexif().get(_ORIENTATION, 1)
        full = image.size if orientation in _LYING else image.size[::-1]
        scale = reduced_scale(full, size) if size and image.format == "JPEG" else 1
        if scale > 1:
            image.draft(None, tuple(side // scale for side in image.size))
        image.load()
        if deep and _is_shallow(image):
            raise ValueError("16 bits a channel, but no value above 255; save it with 8 bits")
        turned = ImageOps.exif_transpose(image) if orientation != 1 else image
        if scale == 1:
            full = turned.size[::-1]  # of a TIFF, Pillow gives the sides as they are after turning from the start
        return eight_bits(turned), full, scale


@contextlib.contextmanager
def opened(source: Path | bytes, name: str = "", formats: Sequence[str] = FORMATS) -> Iterator[Image.Image]:
    """The picture of a regular file, or of bytes that `name` stands for in errors; its pixels are decoded when asked for.

    Whatever goes wrong with it, in the block too, is a DefectiveFile.
    """
    path = Path(name or "picture") if isinstance(source, bytes) else Path(source)
    try:
        data = source if isinstance(source, bytes) else _content(path)
        if not data:
            raise EOFError("empty file")
        if data.startswith(b"\xff\xd8") and not _jpeg_has_end(data):
            raise EOFError("truncated: the JPEG end marker is missing")
        with warnings.catch_warnings():
            # A warning from 89 megapixels on, an error from 179 on; the warning would go to a stream of its own.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=formats)
        with picture:
            yield picture
    except (MemoryError, UserError):
        raise
    except FileNotFoundError as error:
        raise DefectiveFile(
            path, "unreadable file", "expected a picture, found no such file; correct the path."
        ) from error
    except Image.DecompressionBombError as error:
        raise DefectiveFile(
            path,
            "unreadable file",
            f"expected at most {2 * Image.MAX_IMAGE_PIXELS:,} pixels, found more; save it smaller.",
        ) from error
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise DefectiveFile(
            path,
            "unreadable file",
            f"expected a readable picture, found a damaged file ({_cause(error, formats)}); replace or delete it.",
        ) from error


def _content(path: Path) -> bytes:
    """The bytes of a regular file that is neither empty nor larger than any picture."""
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):  # a FIFO would wait for ever, a device never end
        raise OSError("not a regular file")
    if status.st_size > MOST_BYTES:
        raise DefectiveFile(
            path,
            "unreadable file",
            f"expected a picture of at most {MOST_BYTES:,} bytes, found {status.st_size:,}; save it smaller.",
        )
    data = Path(path).read_bytes()
    if not data:
        raise EOFError("empty file")
    return data


def _is_shallow(image: Image.Image) -> bool:
    """Whether a loaded 16-bit picture holds 8-bit values: Pillow keeps 16 bits of grey, and the upper 8 of colours. One
    that is black throughout says nothing either way if it is grey; of colours it counts as shallow."""
    if image.mode.startswith("I"):
        return 0 < int(np.asarray(image).max(initial=0)) <= 255
    return not np.asarray(image).any()


def _cause(error: Exception, formats: Sequence[str]) -> str:
    """The decoder's own words, on one line."""
    if isinstance(error, UnidentifiedImageError):
        return f"not a picture of the kinds {', '.join(formats)}"
    return " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())


def alpha_channel(image: Image.Image) -> np.ndarray:
    """Alpha (H, W) uint8 of a picture of any mode."""
    return np.asarray((image if image.mode in ("RGBA", "LA") else image.convert("RGBA")).getchannel("A"))


def eight_bits(image: Image.Image) -> Image.Image:
    """16-bit and 1-bit grey as 8-bit grey. (Pillow's own conversion would clip 16-bit grey at 255.)"""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((values + 128) // 257).clip(0, 255).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    return image.convert("L") if image.mode == "1" else image


def _jpeg_has_end(data: bytes) -> bool:
    """Whether an end marker (FF D9) follows the first scan (FF DA).

    The segments before the scan are stepped over, since a thumbnail in the EXIF segment has end markers of
    its own; inside a scan, FF D9 cannot occur by chance (ITU T.81, B.1.1.5).
    """
    position = 2
    while data[position : position + 1] == b"\xff":
        if data[position + 1 : position + 2] == b"\xda":
            return data.find(b"\xff\xd9", position) >= 0
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return data.find(b"\xff\xd9", position) >= 0  # an odd header: leave the verdict to the decoder
