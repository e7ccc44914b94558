"""What a user hands in, and the same kind of thing back: a path, bytes, a Pillow image or a NumPy array."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lib.base import UserError
from lib.data.decode import eight_bits, grey_values, opened, read_grey
from lib.data.photos import Photo, check_depth, check_size, from_pillow, read_photo
from lib.data.trimap import three_levels

Given = Path | str | bytes | Image.Image | np.ndarray
Give = Callable[..., object]  # from channels, each (H,W) or (H,W,3), uint8 or float32 in [0,1], to the user's kind


def take(image: Given, most: int = 0) -> tuple[Photo, Give]:
    """The photograph, and what turns channels into the kind of picture that was handed in.

    A path comes back as a Pillow image, bytes as those of a PNG, an array as one of its dtype and range. most: pixels
    that memory has room for, 0 = any number. UserError for anything that is no picture.
    """
    if isinstance(image, np.ndarray):
        check_size(image.shape[1::-1] if image.ndim > 1 else (0, 0), most, "image")
        return _from_array(image), lambda *channels: _as_array(channels, image.dtype)
    if isinstance(image, Image.Image):
        check_size(image.size, most, "image")
        check_depth(image, "image")
        return from_pillow(image), as_pillow
    if isinstance(image, bytes | bytearray):
        return read_photo(bytes(image), "image", most), lambda *channels: encode(as_pillow(*channels), ".png")
    if isinstance(image, str | Path):
        return read_photo(Path(image), most=most), as_pillow
    raise UserError(
        f"image: expected a path, bytes, a Pillow image or a NumPy array, found {type(image).__name__}; convert it."
    )


def take_grey(given: Given, size: tuple[int, int], name: str) -> tuple[np.ndarray, list[str]]:
    """A mask or trimap (H,W) uint8 of the picture's `size`, and what had to be assumed, in sentences.

    An array's values that end at 1 or 2, as tools for segmentation give them, are stretched to 255, and that is said;
    a file of such values is refused (lib.data.decode). UserError for a coloured one and for one of another size.
    """
    if isinstance(given, np.ndarray):
        values = _grey_array(given, name)
    else:
        values = _grey_picture(given, name)
    if values.shape != tuple(size):
        raise UserError(
            f"{_called(given, name)}: expected {size[1]}x{size[0]} pixels (width x height) as the picture has, found "
            f"{values.shape[1]}x{values.shape[0]}; make them alike."
        )
    top = int(values.max())
    if top not in (1, 2):
        return values, []
    stretched = (values.astype(np.uint16) * 255 // top + (values == 1) * (top == 2)).astype(np.uint8)
    return stretched, [
        f"{_called(given, name)}: expected values to 255, found none above {top}; {top} was taken for 255."
    ]


def take_trimap(given: Given, size: tuple[int, int], name: str) -> tuple[np.ndarray, list[str]]:
    """A trimap (H,W) uint8 of 0, 128 and 255 alone, and what had to be assumed: see `take_grey`."""
    values, notes = take_grey(given, size, name)
    trimap = three_levels(values)
    off = float((trimap.astype(np.int16) != values).mean())
    if off:
        notes.append(
            f"{_called(given, name)}: expected 0, 128 and 255, found other values in {off:.1%} of the pixels; they were "
            "taken for the nearest of the three."
        )
    return trimap, notes


def as_pillow(*channels: np.ndarray) -> Image.Image:
    """Channels, each (H,W) or (H,W,3), uint8 or float32 in [0,1], as one image of mode L, RGB or RGBA."""
    return Image.fromarray(_as_array(channels, np.dtype(np.uint8)))


def encode(image: Image.Image, suffix: str, profile: bytes | None = None) -> bytes:
    """The file that an ending stands for: .png, .webp or .jpg. UserError where the format cannot hold the picture."""
    formats = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}
    options = {"quality": 92} if suffix != ".png" else {}
    if profile:
        options["icc_profile"] = profile
    buffer = io.BytesIO()
    try:
        image.save(buffer, formats[suffix], **options)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{suffix}: expected a picture that the format can hold, found {image.width}x{image.height} ({error}); "
            "write a .png."
        ) from error
    return buffer.getvalue()


def _from_array(array: np.ndarray) -> Photo:
    """A photograph from an array (H,W), (H,W,1), (H,W,3) or (H,W,4) RGB(A), uint8, uint16 or float in [0,1]."""
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise UserError(
            f"image: expected an array (H,W), (H,W,3) or (H,W,4) with pixels in it, found {array.shape}; rearrange it."
        )
    levels = _eight_bits(array, "image")
    if levels.ndim == 3 and levels.shape[2] == 1:
        levels = levels[..., 0]
    return from_pillow(Image.fromarray(levels))


def _eight_bits(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    if array.dtype == np.uint16:
        if 0 < (highest := int(array.max(initial=0))) <= 255:
            raise UserError(f"{name}: expected uint16 up to 65535, found none above {highest}; convert it to uint8.")
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(f"{name}: expected uint8, uint16 or floats in [0,1], found {array.dtype}; convert it.")
    low, high = float(array.min()), float(array.max())
    if not (low >= -1e-6 and high <= 1 + 1e-6):  # not a number fails both
        raise UserError(
            f"{name}: expected floats in [0,1], found {low:g} to {high:g}; scale it or convert it to uint8."
        )
    return np.round(array.clip(0, 1) * 255).astype(np.uint8)


def _as_array(channels: tuple[np.ndarray, ...], dtype: np.dtype) -> np.ndarray:
    """The channels beside each other, (H,W) or (H,W,C), in a dtype's own range."""
    parts = [_in_range(channel, dtype) for channel in channels]
    return parts[0] if len(parts) == 1 else np.dstack(parts)


def _in_range(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if values.dtype == dtype:
        return values
    if np.issubdtype(dtype, np.floating):
        return (values / np.float32(255) if values.dtype == np.uint8 else values).astype(dtype)
    top = 255 if dtype in (np.uint8, bool) else 65535
    if values.dtype == np.uint8:
        return values.astype(np.uint16) * 257
    return np.round(values * top).astype(np.uint8 if top == 255 else np.uint16)


def _grey_array(array: np.ndarray, name: str) -> np.ndarray:
    array = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.ndim != 2 or not array.size:
        raise UserError(f"{name}: expected an array (H,W), found {array.shape}; take one channel.")
    if np.issubdtype(array.dtype, np.signedinteger) and array.min() >= 0 and array.max() <= 255:
        array = array.astype(np.uint8)  # what np.where and many tools make of labels
    return _eight_bits(array, name)


def _grey_picture(given: Given, name: str) -> np.ndarray:
    """A mask or trimap of a file, of bytes or of a Pillow image, by the rules of lib.data.decode.read_grey."""
    if isinstance(given, Image.Image):
        check_depth(given, name)
        return grey_values(eight_bits(ImageOps.exif_transpose(given)), Path(name))
    if isinstance(given, str | Path):
        return read_grey(Path(given))
    with opened(bytes(given), name) as image:
        check_depth(image, name)
        return grey_values(eight_bits(ImageOps.exif_transpose(image)), Path(name))


def _called(given: Given, name: str) -> str:
    return f"{given}" if isinstance(given, str | Path) else name
