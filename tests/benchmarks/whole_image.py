"""Speed and memory of the two-stage network on whole pictures, beside pymatting's closed-form solver.

Each function is a part of benchmarks.speed, run in a process of its own: it reads the first pair that the bench laid out.
"""

import time
from pathlib import Path

import cv2
import numpy as np

from lib import inference
from lib.compute import resolve_device
from lib.data.trimap import default_radius, make_trimap
from lib.models.vgg import deep_image_matting

LARGER = 7.5  # 800x600 px become 6000x4500


def network(folder: Path, *_: object) -> dict[str, float]:
    """Pictures a second by the network at the paper's width, with untrained weights; the second of two runs."""
    return {"whole_network": _second(_network(), *_picture(folder))}


def closed_form(folder: Path, *_: object) -> dict[str, float]:
    """Pictures a second by pymatting's closed-form solver, compiled before."""
    from pymatting import estimate_alpha_cf

    def solve(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
        return estimate_alpha_cf(image.astype(np.float64), trimap / 255)

    return {"whole_closed_form": _second(solve, *_picture(folder))}


def large(folder: Path, *_: object) -> dict[str, float]:
    """Pictures a second of LARGER times the side; what counts is the peak memory of this part's process."""
    image, trimap = _picture(folder)
    sides = tuple(round(side * LARGER) for side in trimap.shape[::-1])
    image = cv2.resize(image, sides, interpolation=cv2.INTER_LINEAR)
    trimap = cv2.resize(trimap, sides, interpolation=cv2.INTER_NEAREST)
    started = time.perf_counter()
    _network()(image, trimap)
    return {"whole_large": 1 / (time.perf_counter() - started)}


def _network():
    model = deep_image_matting().to(resolve_device()).eval()
    return lambda image, trimap: inference.predict_trimap(model, image, trimap)


def _second(method, image: np.ndarray, trimap: np.ndarray) -> float:
    """Pictures a second of the second run: the first compiles and warms up."""
    for _ in range(2):
        started = time.perf_counter()
        method(image, trimap)
        seconds = time.perf_counter() - started
    return 1 / seconds


def _picture(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The first laid-out image (H,W,3) float32 RGB in [0,1] and a trimap (H,W) uint8 of its matte."""
    image = cv2.imread(str(next((folder / "set").glob("clip_img/*/*/*-00000000.jpg"))))[..., ::-1]
    matte = cv2.imread(str(next((folder / "set").glob("matting/*/*/*-00000000.png"))), cv2.IMREAD_UNCHANGED)
    alpha = np.ascontiguousarray(matte[..., 3])
    return image.astype(np.float32) / 255, make_trimap(alpha, default_radius(alpha.shape))
