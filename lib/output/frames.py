"""What a training made of some images, test by test, as data for the page: its readers move along the steps."""

import base64

import cv2
import numpy as np

MOST_STEPS, MOST_SIDE = 40, 56  # of what a page carries; more steps are thinned, larger pictures averaged


def frames(
    image: np.ndarray, alpha: np.ndarray, trimap: np.ndarray, seen: dict[str, tuple[list[int], np.ndarray]]
) -> dict:
    """An entry for `notebook.save_figure`.

    image: (n, 3, H, W) uint8; alpha, trimap: (n, 1, H, W) uint8. seen: label of a line -> its steps, and the alphas
    (steps, n, H, W) uint8 that were predicted then. Bytes are base64, pictures line by line.
    """
    pictures = [
        {
            "picture": _text(_small(colours.transpose(1, 2, 0))),
            "truth": _text(_small(truth[0])),
            "trimap": _text(_small(given[0])),
        }
        for colours, truth, given in zip(image, alpha, trimap, strict=True)
    ]
    lines = []
    for label, (steps, alphas) in seen.items():
        kept = np.unique(np.linspace(0, len(steps) - 1, min(MOST_STEPS, len(steps))).round().astype(int))
        small = np.stack([[_small(one) for one in alphas[at]] for at in kept])
        lines.append({"label": label, "x": [int(steps[at]) for at in kept], "alphas": _text(small)})
    height, width = _small(alpha[0, 0]).shape
    return {"kind": "frames", "size": [height, width], "images": pictures, "lines": lines}


def _small(picture: np.ndarray) -> np.ndarray:
    """A picture (H, W) or (H, W, 3) uint8 with no side above MOST_SIDE."""
    share = MOST_SIDE / max(picture.shape[:2])
    if share >= 1:
        return picture
    size = [max(1, round(length * share)) for length in picture.shape[1::-1]]
    return cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA)


def _text(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array, dtype=np.uint8).tobytes()).decode()
