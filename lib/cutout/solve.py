"""Closed-form matting with a network's alpha as a weak data term: what `--method hybrid` does last.

pymatting is imported when it is needed: it is in the paper's set-up, not in that of `make try`.
"""

import atexit
import functools
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from lib.base import UserError
from lib.data.trimap import FOREGROUND, UNKNOWN, fill_known

WEIGHT = 5e-4  # of the data term; on six rendered people of the training split 2 % from the best of 3e-4 to 4e-3
REACH = 2  # px that a row of the Laplacian reaches: two windows of 3x3


def refine(image: np.ndarray, trimap: np.ndarray, alpha: np.ndarray, weight: float = WEIGHT) -> np.ndarray:
    """Alpha (H,W) float32 that follows the colors: the least a'La + weight |a - alpha|^2 over the unknown pixels.

    image (H,W,3) uint8, or float in [0,1]; trimap (H,W) uint8, whose known pixels are kept; alpha (H,W) of a network. L is the
    matting Laplacian of Levin, Lischinski and Weiss 2008, 'A closed-form solution to natural image matting'.
    """
    import pymatting

    unknown = trimap == UNKNOWN
    if not unknown.any():
        return fill_known(alpha, trimap)
    box = tuple(slice(max(0, at.min() - REACH), at.max() + REACH + 1) for at in np.nonzero(unknown))
    free, foreground = unknown[box].ravel(), (trimap[box] == FOREGROUND).ravel().astype(float)
    colors = image[box].astype(float) / (255 if image.dtype == np.uint8 else 1)
    rows = pymatting.cf_laplacian(colors, is_known=~free)[free]
    system, guess = rows[:, free], alpha[unknown].astype(float)
    system.setdiag(system.diagonal() + weight)
    right = weight * guess - rows[:, ~free] @ foreground[~free]
    result = np.array(alpha, np.float32)
    preconditioner = pymatting.ichol(system.tocsc(), discard_threshold=1e-3)  # a third faster than pymatting's 1e-4
    result[unknown] = pymatting.cg(system, right, x0=guess, M=preconditioner, rtol=1e-5).clip(0, 1)
    return fill_known(result, trimap)


@functools.cache
def need_pymatting(method: str) -> None:
    """UserError where pymatting or OpenCV is missing. Compiled code goes into a temporary folder where no other is writable."""
    for package in ("pymatting", "cv2"):
        if importlib.util.find_spec(package) is None:
            raise UserError(
                f"method: {method} expected the packages pymatting and opencv-python-headless, found no {package}; use the "
                "paper's set-up (make env), or --method network."
            )
    folders = (Path(importlib.util.find_spec("pymatting").origin).parent, Path.home())
    if "NUMBA_CACHE_DIR" not in os.environ and not any(os.access(folder, os.W_OK) for folder in folders):
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, os.environ["NUMBA_CACHE_DIR"], ignore_errors=True)
