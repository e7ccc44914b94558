"""How hard is an image? The study's abstract names similar background colours and complex textures."""

import cv2
import numpy as np
import pandas as pd

from lib.evaluation import difficulty

SURE = (12, 242)  # alpha up to / from which a pixel counts as background / foreground
BINS = 8          # of each colour axis, for the overlap of histograms


def colour_distance(image: np.ndarray, alpha: np.ndarray) -> float:
    """Distance between the mean colours of foreground and background in CIELAB (delta E, CIE 1976).

    image (H,W,3) uint8 sRGB, alpha (H,W) uint8. About 2 is just noticeable, 100 is black against white; NaN
    if the image is all foreground or all background.
    """
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    foreground, background = _sides(alpha)
    if not foreground.any() or not background.any():
        return float("nan")
    return float(np.linalg.norm(lab[foreground].mean(0) - lab[background].mean(0)))


def colour_overlap(image: np.ndarray, alpha: np.ndarray) -> float:
    """Share of colours that foreground and background have in common: their RGB histograms' intersection.

    0: no colour bin in common; 1: the same histogram. NaN if one side is empty.
    """
    bins = (image // (256 // BINS)).astype(int) @ [BINS * BINS, BINS, 1]
    foreground, background = _sides(alpha)
    if not foreground.any() or not background.any():
        return float("nan")
    counts = [np.bincount(bins[side], minlength=BINS**3) / side.sum() for side in (foreground, background)]
    return float(np.minimum(*counts).sum())


def texture(image: np.ndarray, alpha: np.ndarray) -> float:
    """Mean gradient magnitude of the luma over background pixels, in grey levels (0 ... 255) a pixel.

    Gradients that reach into the foreground are left out: the outline is no texture. NaN without background.
    """
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    gradient = np.hypot(cv2.Sobel(luma, -1, 1, 0, scale=1 / 8), cv2.Sobel(luma, -1, 0, 1, scale=1 / 8))
    background = cv2.erode(_sides(alpha)[1].astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return float(gradient[background].mean()) if background.any() else float("nan")


def _sides(alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return alpha >= SURE[1], alpha <= SURE[0]

DIFFICULTIES = {"colour_distance": "colour distance (delta E)",
                "colour_overlap": "colours in common (share)",
                "texture": "background texture (grey levels/px)"}


def image_difficulty(images: np.ndarray, alphas: np.ndarray) -> pd.DataFrame:
    """One row an image, one column for each of DIFFICULTIES; images (n,3,H,W), alphas (n,1,H,W) uint8."""
    rows = [{name: getattr(difficulty, name)(image.transpose(1, 2, 0), alpha[0]) for name in DIFFICULTIES}
            for image, alpha in zip(np.asarray(images), np.asarray(alphas))]
    return pd.DataFrame(rows)
