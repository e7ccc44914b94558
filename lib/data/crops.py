"""Training crops of Deep Image Matting (Xu et al. 2017, section 3.3): where the matte is hard, on new backgrounds."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from lib.base import Stream
from lib.data.augment import jitter
from lib.data.batches import trimap_levels
from lib.data.composite import merge
from lib.data.prepare import Prepared
from lib.data.trimap import UNKNOWN, default_radius, from_distance, make_trimap, signed_distance

SCALES = (1.0, 1.5, 2.0)  # crops of 320, 480 and 640 px, all brought to 320
MERGE = 0.25  # share of the crops with a second person in them


@dataclass(frozen=True)
class Crops(Dataset):
    """One crop for each (epoch, row): `prepared`'s image index[row], cropped around one of its unknown pixels.

    side: pixels of the square crop. jitter: foreground and background each in another light. scales: sides to crop, in
    units of `side`.

    Needs the source's foreground and background; then every crop gets the background of any training image, and a
    share MERGE a second person. A source without them gives its own image as both: the composite is then the image
    whatever alpha, and the compositional loss has nothing to say.

    An item is (alpha (1,s,s), foreground (3,s,s), background (3,s,s), trimap (1,s,s)), float32 in [0,1], the trimap 0,
    0.5 or 1. The image is made of them after the crop is resized and augmented (`lib.training.dim`): resizing a
    composite is not compositing what was resized. It depends on (seed, epoch, row) alone.
    """

    prepared: Prepared
    index: np.ndarray
    side: int
    seed: int
    jitter: bool = False
    scales: tuple[float, ...] = SCALES

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, place: tuple[int, int]) -> tuple[torch.Tensor, ...]:
        epoch, row = place
        random = np.random.default_rng([self.seed, epoch, row, Stream.CROP])
        alpha, foreground, background = self._person(int(self.index[row]), random)
        if self.prepared.foreground is not None:
            if random.random() < MERGE:
                alpha, foreground = merge(alpha, foreground, *self._person(self._other(random), random)[:2])
            background = self._background(random)
            if self.jitter:
                foreground, background = jitter(foreground, random), jitter(background, random)
        # After the resizing, so that the unknown band has no scale but the crop's own; thin ones as often as wide ones.
        radius = np.exp(random.uniform(*np.log([1.5, max(3.0, self.side / 6)])))
        trimap = from_distance(signed_distance(alpha, self.prepared.rule), radius)
        planes = [layer.transpose(2, 0, 1).astype(np.float32) / 255 for layer in (foreground, background)]
        levels = trimap_levels(torch.from_numpy(trimap))[None]
        return (torch.from_numpy(alpha.astype(np.float32) / 255)[None], *map(torch.from_numpy, planes), levels)

    def _other(self, random: np.random.Generator) -> int:
        return int(self.index[random.integers(len(self.index))])

    def _person(self, image: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Alpha (s,s), foreground and background (s,s,3) uint8 around an unknown pixel of one image."""
        alpha = np.asarray(self.prepared.alpha[image, 0])
        square = self._square(alpha.shape, random, _unknown_pixel(alpha, self.prepared.rule, random))
        layers = [alpha]
        for layer in (self.prepared.foreground, self.prepared.background):
            planes = self.prepared.image if layer is None else layer
            layers.append(np.asarray(planes[image]).transpose(1, 2, 0))
        return tuple(_resized(layer[square], self.side) for layer in layers)

    def _background(self, random: np.random.Generator) -> np.ndarray:
        """A square (s,s,3) uint8 of any training image's background, mirrored half of the time."""
        planes = np.asarray(self.prepared.background[self._other(random)]).transpose(1, 2, 0)
        square = self._square(
            planes.shape[:2], random, (random.random() * planes.shape[0], random.random() * planes.shape[1])
        )
        picture = _resized(planes[square], self.side)
        return picture[:, ::-1] if random.random() < 0.5 else picture

    def _square(
        self, shape: tuple[int, int], random: np.random.Generator, centre: tuple[float, float]
    ) -> tuple[slice, slice]:
        """A square around `centre` as near as the picture's edges allow, of one of the scales, or the short side."""
        side = min(round(self.side * self.scales[random.integers(len(self.scales))]), *shape)
        corner = [
            int(np.clip(round(at) - side // 2, 0, length - side)) for at, length in zip(centre, shape, strict=True)
        ]
        return tuple(slice(start, start + side) for start in corner)


def _unknown_pixel(alpha: np.ndarray, rule: str, random: np.random.Generator) -> tuple[int, int]:
    """(row, column) of a random unknown pixel; of any pixel where none is unknown."""
    unknown = np.flatnonzero(make_trimap(alpha, default_radius(alpha.shape), rule) == UNKNOWN)
    pixel = unknown[random.integers(len(unknown))] if len(unknown) else random.integers(alpha.size)
    return divmod(int(pixel), alpha.shape[1])


def _resized(layer: np.ndarray, side: int) -> np.ndarray:
    """Square (side,side[,3]): area averages where it shrinks, linear where it grows."""
    way = cv2.INTER_AREA if layer.shape[0] >= side else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(layer), (side, side), interpolation=way)
