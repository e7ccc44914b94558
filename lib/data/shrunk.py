"""Pictures shrunk by one filter or another: what the choice of an interpolation does to a study at 28 px.

A filter that looks at the nearest pixels alone, as OpenCV's do however much they shrink, keeps single pixels of what it should
average; area averaging and Pillow's filters, whose windows grow with the factor, do not.
"""

from dataclasses import replace

import cv2
import numpy as np
from PIL import Image

from lib.base import UserError
from lib.data.prepare import Prepared
from lib.data.trimap import default_radius, make_trimap

OF_OPENCV = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST}
FILTERS = (*OF_OPENCV, "lanczos")


def shrunk(prepared: Prepared, size: int, how: str) -> Prepared:
    """The set at size x size px, its images shrunk by a filter of FILTERS; alpha by area averaging whatever the filter, so that
    all are judged by the same truth, with trimaps of the set's rule made from it. No foreground, no background.

    UserError for another filter, or a size larger than the set's.
    """
    if how not in FILTERS:
        raise UserError(f"resize: expected one of {', '.join(FILTERS)}, found {how!r}; choose one.")
    if size > min(prepared.alpha.shape[-2:]):
        raise UserError(f"size: expected at most {min(prepared.alpha.shape[-2:])} px, found {size}; lower it.")
    image = np.stack([_shrunk(each.transpose(1, 2, 0), size, how).transpose(2, 0, 1) for each in prepared.image])
    alpha = np.stack([_shrunk(each[0], size, "area")[None] for each in prepared.alpha])
    trimap = make_trimap(alpha, default_radius(size), prepared.rule)
    return replace(
        prepared,
        image=image,
        alpha=alpha,
        trimap=trimap,
        foreground=None,
        background=None,
        fingerprint=f"{prepared.fingerprint}-{size}-{how}",
    )


def _shrunk(pixels: np.ndarray, size: int, how: str) -> np.ndarray:
    """One picture (H,W) or (H,W,3) uint8 at size x size."""
    if how == "lanczos":
        return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.LANCZOS))
    return cv2.resize(pixels, (size, size), interpolation=OF_OPENCV[how])
