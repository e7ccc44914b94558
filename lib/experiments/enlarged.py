"""What a photograph of many pixels does to a network: the same people, enlarged, matted in tiles and at a size that it knows."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pandas as pd

from lib.cutout import scale
from lib.data.trimap import UNKNOWN
from lib.evaluation.benchmark import Picture

FACTORS = (1, 2, 4)
WAYS = ("in tiles, as it is", "at a size that the network knows")


def compare(
    pictures: Sequence[Picture], alpha_of: Callable[..., np.ndarray], factors: Sequence[int] = FACTORS
) -> pd.DataFrame:
    """One row a size: size, megapixels, people, unknown band (px from its middle to its edge, at its widest), then the MSE over
    unknown pixels by each of WAYS, means over people.

    pictures: lib.evaluation.benchmark's, all of one size. alpha_of: from image (h,w,3) and trimap (h,w), uint8, to alpha.
    """
    rows = []
    for factor in factors:
        errors, widest = {way: [] for way in WAYS}, 0
        for _, image, trimap, truth in pictures:
            height, width = (factor * side for side in truth.shape)
            large = cv2.resize(np.round(image * 255).astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
            known = cv2.resize(trimap, (width, height), interpolation=cv2.INTER_NEAREST)
            alpha = cv2.resize(truth, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
            widest = max(widest, scale.reach(known == UNKNOWN))
            for way, found in zip(WAYS, _both(alpha_of, large, known), strict=True):
                errors[way].append(float(((found - alpha)[known == UNKNOWN] ** 2).mean()))
        own = {
            "size": f"{width}x{height}",
            "megapixels": width * height / 1e6,
            "people": len(pictures),
            "unknown band": widest,
        }
        rows.append(own | {way: float(np.mean(values)) for way, values in errors.items()})
    return pd.DataFrame(rows)


def _both(alpha_of: Callable[..., np.ndarray], image: np.ndarray, trimap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Alpha by each of WAYS; the same one where the network knows the picture's own size."""
    first = alpha_of(image, trimap)
    if scale.working_size(trimap) == trimap.shape:
        return first, first
    return first, scale.matted(alpha_of, image, trimap)
