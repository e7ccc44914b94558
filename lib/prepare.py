"""Preparation: every image of a source decoded once, resized and kept as memory-mapped uint8 arrays."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Prepared:
    """A source at one size: N images that all fit one array. Arrays are memory-mapped and read-only.

    image (N, 3, H, W) uint8 RGB; alpha (N, 1, H, W) uint8; trimap (N, 1, H, W) uint8 0/128/255, foreground and
    background (N, 3, H, W) uint8 RGB, or None where the source has none. keys and groups: one an image. counts:
    what was found, used and left out, by reason. left_out: (path, reason) of every file that is not used.
    fingerprint: SHA-256 in hex of the content's parameters.
    """

    image: np.ndarray
    alpha: np.ndarray
    trimap: np.ndarray | None
    foreground: np.ndarray | None
    background: np.ndarray | None
    keys: list[str]
    groups: list[str]
    counts: dict[str, int]
    left_out: list[tuple[str, str]]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.keys)
