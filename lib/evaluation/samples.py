"""The errors behind a mean as text, so that whoever reads the mean can take it again: base64 of little-endian float32, or, for
more than MANY of them, of float16, and `HALF` in front: what that rounds off averages out long before the digits shown."""

import base64

import numpy as np

MANY = 4096
HALF = "f2:"


def packed(errors: np.ndarray) -> str:
    """(seeds, n) float -> text; one seed behind the other, NaN where an image has no value."""
    errors = np.asarray(errors)
    if errors.size > MANY:
        return HALF + base64.b64encode(errors.astype("<f2").tobytes()).decode()
    return base64.b64encode(errors.astype("<f4").tobytes()).decode()


def unpacked(text: str, seeds: int) -> np.ndarray:
    """`packed` back: (seeds, n) float64, exact to float32 (float16). ValueError when the text does not hold as many for
    each seed."""
    return np.frombuffer(content(text), "<f2" if text.startswith(HALF) else "<f4").reshape(seeds, -1).astype(float)


def content(text: str) -> bytes:
    """The bytes that a text holds."""
    return base64.b64decode(text.removeprefix(HALF))
