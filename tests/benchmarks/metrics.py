"""Speed of the four matting errors, compared with plain SciPy."""

import time
from collections.abc import Callable

import cv2
import numpy as np
from scipy import ndimage

from lib.data.portraits import Portraits
from lib.data.trimap import default_radius, make_trimap
from lib.metrics import conn, grad, mse, sad

REPEATS = 3  # of each image; the fastest counts


def rates(images: int = 100, distinct: int = 8, side: tuple[int, int] = (800, 600)) -> list[dict]:
    """One row {what, ours, reference, ratio}: images/s for all four errors, one thread, both in this run.

    images: how many, copies of `distinct` rendered portraits of `side` (height, width) px. Alphas are float32.
    """
    samples = draw(min(distinct, images), side)
    samples = [samples[index % len(samples)] for index in range(images)]
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        ours, theirs = _in_turn(_ours, plain, samples)
    finally:
        cv2.setNumThreads(threads)
    return [
        {"what": "SAD, MSE, Grad and Conn / plain SciPy", "ours": ours, "reference": theirs, "ratio": ours / theirs}
    ]


def draw(count: int, side: tuple[int, int]) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """pred and true (H,W) float32 in [0,1], trimap (H,W) uint8; pred is true, blurred and with blotches."""
    source, samples = Portraits(count, seed=0), []
    for index in range(count):
        alpha = source.read(index, side).alpha
        trimap = make_trimap(alpha, default_radius(alpha.shape))
        true = alpha / np.float32(255)
        noise = np.random.default_rng(index).normal(size=side).astype(np.float32)
        pred = np.clip(cv2.GaussianBlur(true, (0, 0), 3) + cv2.GaussianBlur(noise, (0, 0), 2), 0, 1)
        samples.append((np.where(trimap == 128, pred, true), true, trimap))
    return samples


def _in_turn(ours: Callable, reference: Callable, samples: list) -> tuple[float, float]:
    """Images/s of both, image by image in turn, so that what else the machine does slows both alike."""
    seconds = np.zeros((REPEATS, len(samples), 2))
    for repeat, index, which in np.ndindex(seconds.shape):
        started = time.perf_counter()
        (ours, reference)[which](*samples[index])
        seconds[repeat, index, which] = time.perf_counter() - started
    rates = len(samples) / seconds.min(axis=0).sum(axis=0)
    return float(rates[0]), float(rates[1])


def _ours(*sample: np.ndarray) -> list[float]:
    return [measure(*sample) for measure in (sad, mse, grad, conn)]


def plain(pred: np.ndarray, true: np.ndarray, trimap: np.ndarray) -> list[float]:
    """SAD, MSE, Grad and Conn written down as they are defined, over all pixels, for one image."""
    unknown = trimap == 128
    error = np.abs(pred - true)[unknown]
    slopes = [_slope(alpha)[unknown] for alpha in (pred, true)]
    level, connected = np.ones_like(pred), np.ones(pred.shape, bool)
    for step in range(1, 11):
        labels, parts = ndimage.label(np.minimum(pred, true) >= np.float32(step / 10))
        area = np.bincount(labels.ravel(), minlength=2)
        inside = (labels == 1 + area[1:].argmax()) & (parts > 0)
        level[connected & ~inside] = (step - 1) / 10
        connected &= inside
    above = np.stack([pred, true])[:, unknown] - level[unknown]
    lost = above * (above >= np.float32(0.15))
    return [
        error.sum() / 1000,
        (error**2).mean(),
        ((slopes[0] - slopes[1]) ** 2).sum() / 1000,
        np.abs(lost[0] - lost[1]).sum() / 1000,
    ]


def _slope(alpha: np.ndarray) -> np.ndarray:
    x = np.arange(-4, 5)
    kernel = np.exp(-(x[:, None] ** 2 + x**2) / (2 * 1.4**2)) * x
    kernel /= np.linalg.norm(kernel)
    alpha = (alpha - alpha.min()) / (alpha.max() - alpha.min())
    across, down = (ndimage.convolve(alpha.astype(float), one, mode="nearest") for one in (kernel, kernel.T))
    return np.hypot(across, down)
