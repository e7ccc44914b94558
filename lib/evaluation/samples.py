"""The errors behind a mean as text, so that whoever reads the mean can take it again: base64 of little-endian float32."""

import base64

import numpy as np


def packed(errors: np.ndarray) -> str:
    """(seeds, n) float -> text; one seed behind the other, NaN where an image has no value."""
    return base64.b64encode(np.asarray(errors).astype("<f4").tobytes()).decode()


def unpacked(text: str, seeds: int) -> np.ndarray:
    """`packed` back: (seeds, n) float64, exact to float32. ValueError when the text does not hold as many for each seed."""
    return np.frombuffer(base64.b64decode(text), "<f4").reshape(seeds, -1).astype(float)
