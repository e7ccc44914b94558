"""Scores of networks that need different things, on the same pictures and clips: whole frames, unknown pixels, colours.

Frames of lib.evaluation.scores. Beside the field's four over the unknown pixels of a trimap (known ones pasted, whoever was
given that trimap): "mad" and "whole_mse" over all pixels, "foreground", the MSE of the colours where true alpha is above 0,
and "seconds"; of a clip "mad", "mse" and "dtssd" (lib.evaluation.video).
"""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from lib.data.source import Sample
from lib.data.trimap import make_trimap
from lib.evaluation import metrics, scores
from lib.evaluation.video import clip_errors

Found = tuple[
    np.ndarray, np.ndarray | None
]  # alpha (H,W), foreground (H,W,3) or None; float in [0,1]; of clips (T,...)
Still = Callable[[Sample, np.ndarray], Found]  # of a sample, its background being the plate, and of its trimap
Moving = Callable[[Sequence[Sample]], Found]
WHOLE = ("mad", "whole_mse", "foreground")
CLIP = ("mad", "mse", "dtssd")
HEADERS = {
    **scores.HEADERS,
    "mad": "MAD, whole frame",
    "whole_mse": "MSE, whole frame",
    "foreground": "MSE of the foreground",
    "dtssd": "dtSSD (× 100)",
}
TRIMAP_RADIUS = 12 / 800  # of a picture's height


def trimap_of(alpha: np.ndarray) -> np.ndarray:
    """The trimap that all are judged by: unknown within 12 px of an edge at 800 px of height."""
    return make_trimap(alpha, TRIMAP_RADIUS * alpha.shape[0])


def judge_stills(samples: Sequence[Sample], methods: Mapping[str, Still]) -> pd.DataFrame:
    """Scores of every method on every sample, named "person 1", "person 2", ..."""
    found = []
    for number, sample in enumerate(samples):
        trimap = trimap_of(sample.alpha)
        for method, solve in methods.items():
            started = time.perf_counter()
            alpha, foreground = solve(sample, trimap)
            seconds = time.perf_counter() - started
            measured = scores.image_metrics(*(layer[None, None] for layer in (alpha, sample.alpha, trimap)))
            measured |= {
                "mad": [metrics.mad(alpha, sample.alpha)],
                "whole_mse": [metrics.mse(alpha, sample.alpha)],
                "foreground": [colour_error(foreground, sample)],
                "seconds": [seconds],
            }
            found.append(scores.frame(method, 0, [f"person {number + 1}"], measured))
    return pd.concat(found, ignore_index=True)


def colour_error(foreground: np.ndarray | None, sample: Sample) -> float:
    """MSE of the foreground's colours, in [0,1], where true alpha is above 0; NaN for a method that gives none."""
    if foreground is None:
        return float("nan")
    return float(((foreground - sample.foreground / 255.0)[sample.alpha > 0] ** 2).mean())


def judge_clips(clips: Mapping[str, Sequence[Sample]], methods: Mapping[str, Moving]) -> pd.DataFrame:
    """Scores of every method on every clip, by the clip's name."""
    found = []
    for name, frames in clips.items():
        alphas = np.stack([frame.alpha for frame in frames])
        for method, solve in methods.items():
            started = time.perf_counter()
            predicted, _ = solve(frames)
            seconds = (time.perf_counter() - started) / len(frames)
            errors = clip_errors(predicted, alphas) | {"seconds": seconds}
            found.append(scores.frame(method, 0, [name], {key: [value] for key, value in errors.items()}))
    return pd.concat(found, ignore_index=True)
