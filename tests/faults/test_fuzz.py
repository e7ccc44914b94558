"""Readers given damaged files: each returns what it promises, or raises a UserError of one line."""

import io
import json
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from PIL import Image

from lib.base import UserError
from lib.cutout import cutter, network
from lib.data import images


def encoded(kind: str, mode: str, size: tuple[int, int] = (13, 9)) -> bytes:
    """A picture of noise as a file's bytes."""
    shape = (size[1], size[0], len(Image.new(mode, (1, 1)).getbands()))
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8).squeeze()
    Image.fromarray(noise).convert(mode).save(file, kind)
    return file.getvalue()


COLOURED = [encoded(kind, mode) for kind in ("PNG", "WEBP", "TIFF") for mode in ("RGB", "RGBA")]
COLOURED += [encoded("JPEG", "RGB"), encoded("JPEG", "CMYK"), encoded("BMP", "RGB"), encoded("GIF", "P")]
GREY = [encoded(kind, mode) for kind, mode in (("PNG", "L"), ("PNG", "LA"), ("PNG", "1"), ("TIFF", "L"), ("JPEG", "L"))]
SUMS = {"sha256": "0" * 64, "onnx_sha256": "1" * 64, "scores": {"held-out": {"network": {"MSE": 0.1}}}}


@st.composite
def damaged(draw, originals: list[bytes]) -> bytes:
    """One of the originals with up to six changes."""
    content = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, max(len(content) - 1, 0)))
        change = draw(st.sampled_from(("flip", "set", "cut", "put in", "end", "double")))
        if change == "flip" and content:
            content[place] ^= 1 << draw(st.integers(0, 7))
        elif change == "set" and content:
            content[place] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)))
        elif change == "cut":
            del content[place : place + draw(st.integers(1, 16))]
        elif change == "put in":
            content[place:place] = draw(st.binary(max_size=8))
        elif change == "end":
            del content[place:]
        else:
            content += content[place:]
    return bytes(content[: 1 << 20])


@st.composite
def arrays(draw) -> np.ndarray:
    """An array of any kind that somebody might take for a trimap."""
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    kinds = ("uint8", "uint16", "int64", "int8", "float32", "float64", "bool", "complex64")
    dtype = np.dtype(draw(st.sampled_from(kinds)))
    low, high = draw(st.sampled_from(((0, 1), (0, 2), (0, 255), (-1, 1), (0, 70000))))
    values = np.random.default_rng(draw(st.integers(0, 9))).uniform(low, high, shape)
    if draw(st.booleans()) and values.size and dtype.kind in "fc":
        values.flat[0] = draw(st.sampled_from((np.nan, np.inf)))
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return values.astype(dtype)


def answer(attempt):
    """What the attempt returns; None for a UserError of one line that says what was expected."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of broken EXIF
            return attempt()
    except UserError as error:
        words = str(error)
        assert "\n" not in words and "expected" in words, f"no clear sentence: {words!r}"
        return None


def picture(content: bytes, path) -> None:
    path.write_bytes(content)
    found = answer(lambda: images.read_rgb(path, (4, 4)))
    if found is not None:
        pixels, scale = found
        assert pixels.dtype == np.uint8 and pixels.ndim == 3 and scale >= 1


def alpha(content: bytes, path) -> None:
    path.write_bytes(content)
    for reader in (images.read_alpha, images.read_gray):
        found = answer(lambda reader=reader: reader(path))
        assert found is None or (found.dtype == np.uint8 and found.ndim == 2 and found.size)


def trimap(content, path) -> None:
    size = content.shape[:2] if isinstance(content, np.ndarray) and content.ndim > 1 else (9, 13)
    if isinstance(content, bytes):
        path.write_bytes(content)
        content = path
    found = answer(lambda: cutter._read_trimap(content, tuple(size)))
    if found is not None:
        levels, _, notes = found
        assert levels.shape == tuple(size) and set(np.unique(levels)) <= {0, 128, 255} and all(notes)


def manifest(content: bytes, path) -> None:
    (path.parent / network.MANIFEST).write_bytes(content)
    answer(lambda: network._check_sums(path.parent))


READERS = {
    "picture": (damaged(COLOURED + GREY), picture),
    "alpha": (damaged(GREY + COLOURED), alpha),
    "trimap": (damaged(GREY) | arrays(), trimap),
    "manifest": (damaged([json.dumps(SUMS, indent=indent).encode() for indent in (None, 1)]), manifest),
}


@pytest.mark.parametrize("name", READERS)
def test_damaged_input_ends_in_a_promised_answer_or_a_clear_sentence(name, tmp_path):
    inputs, read = READERS[name]

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def one(content):
        read(content, tmp_path / "x.png")

    one()
