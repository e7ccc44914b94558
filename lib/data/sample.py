"""One image with its ground truth, and a set of them."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class Sample:
    """One image with its ground truth, all of one size.

    image, foreground, background: (H,W,3) uint8 RGB; alpha: (H,W) uint8, 255 = foreground; trimap: (H,W) uint8 0/128/255.
    image = alpha foreground + (1 - alpha) background (Porter and Duff 1984); None is what the set does not have.
    """

    image: np.ndarray
    alpha: np.ndarray
    trimap: np.ndarray | None = None
    foreground: np.ndarray | None = None
    background: np.ndarray | None = None


@runtime_checkable
class Source(Protocol):
    """A set of images in a fixed order.

    keys: unique, sorted, one an image. groups: one an image; images of one group show one person or scene. counts: files and
    images by what became of them. left_out: (path below the root, reason). fingerprint: changes when the set may have changed.
    """

    name: str
    keys: list[str]
    groups: list[str]
    counts: dict[str, int]
    left_out: list[tuple[str, str]]
    fingerprint: str

    def read(self, index: int, size: tuple[int, int] | None = None) -> Sample:
        """`size` (height, width) is a hint: what comes back may be smaller than the files, but not than it. UserError for a
        file that cannot be used."""
        ...
