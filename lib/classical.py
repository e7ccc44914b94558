"""Matting without learning, through pymatting: closed-form, KNN and learning-based matting, on full-size pictures.

Each takes image (H,W,3) float32 RGB in [0,1] and trimap (H,W) uint8 0/128/255 and gives alpha (H,W) float32 in [0,1], 0
and 1 where the trimap is known: the signature of every full-size method here. A trimap without unknown pixels is its own
answer; one without foreground or background ends in a UserError, as does a solver that finds no solution. pymatting is
imported at the first call: it takes seconds.
"""

from collections.abc import Callable

import numpy as np

from lib.errors import UserError
from lib.trimap import BACKGROUND, FOREGROUND, UNKNOWN


def closed_form(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Levin, Lischinski and Weiss 2008, 'A closed-form solution to natural image matting'."""
    from pymatting import estimate_alpha_cf

    return _solve("closed-form matting", estimate_alpha_cf, image, trimap)


def knn(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Chen, Li and Tang 2013, 'KNN matting'."""
    from pymatting import estimate_alpha_knn

    return _solve("KNN matting", estimate_alpha_knn, image, trimap)


def learning_based(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Zheng and Kambhamettu 2009, 'Learning based digital matting'; what it learns, it learns from the one picture."""
    from pymatting import estimate_alpha_lbdm

    return _solve("learning-based matting", estimate_alpha_lbdm, image, trimap)


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "closed-form": closed_form, "KNN": knn, "learning-based": learning_based}


def _solve(name: str, solver: Callable, image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    known = trimap != UNKNOWN
    if known.all():
        return (trimap == FOREGROUND).astype(np.float32)
    for level, what in ((FOREGROUND, "foreground (255)"), (BACKGROUND, "background (0)")):
        if not (trimap == level).any():
            raise UserError(f"trimap: {name} expected pixels known as {what}, found none; mark some, or use a network.")
    levels = np.where(known, trimap == FOREGROUND, 0.5)
    try:
        alpha = solver(image.astype(np.float64), levels)
    except (ValueError, RuntimeError, ArithmeticError) as error:
        raise UserError(f"{name}: found no solution for this picture ({error}); use another method.") from error
    return np.where(known, levels, np.clip(alpha, 0, 1)).astype(np.float32)
