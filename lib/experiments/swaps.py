"""What a network looks at: the same network on the same test images, with parts of its input taken from others.

A network that copies its trimap loses all when it gets another's; one that looks at the image loses when it gets that of
another; one that has learned how people stand, and no more, notices neither. None of it needs a training.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from lib.base import UserError
from lib.compute import cpu_threads
from lib.data.prepare import Prepared
from lib.data.trimap import UNKNOWN
from lib.evaluation import scores
from lib.experiments.parameters import Parameters
from lib.experiments.thumbnail import load, seeds_of
from lib.inference import predict

OWN = "its own input"
TRIMAP, IMAGE, EVERYWHERE = "another image's trimap", "another trimap's image", "unknown everywhere"
MOST = 1000  # images: more only take longer


def inputs(image: np.ndarray, trimap: np.ndarray, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Name -> (image, trimap) as the network gets them, in the order of the test images whose alpha is asked for.

    image (n,3,H,W), trimap (n,1,H,W), uint8, n at least 2. Each image has one partner, drawn by the seed, never itself,
    and each is partner once. UserError for fewer than two images.
    """
    if len(image) < 2:
        raise UserError(f"test_index: expected at least 2 images to swap, found {len(image)}; test on more.")
    order = np.random.default_rng(seed).permutation(len(image))
    partner = np.empty_like(order)
    partner[order] = np.roll(order, 1)
    return {
        OWN: (image, trimap),
        TRIMAP: (image, trimap[partner]),
        IMAGE: (image[partner], trimap),
        EVERYWHERE: (image, np.full_like(trimap, UNKNOWN)),
    }


def score(prepared: Prepared, index: np.ndarray, variants: Iterable[str], p: Parameters) -> dict[str, pd.DataFrame]:
    """Input -> scores by region of all variants and seeds on the images of `index`, at most MOST of them, evenly spaced.

    Errors are those against each image's own alpha, by the regions of its own trimap, whatever the network was given.
    """
    index = index[np.linspace(0, len(index) - 1, min(len(index), MOST)).round().astype(int)]
    alpha, trimap = np.asarray(prepared.alpha[index]), np.asarray(prepared.trimap[index])
    found: dict[str, list] = {}
    for variant in variants:
        for seed in seeds_of(p):
            model = load(prepared, variant, seed, p)
            for name, given in inputs(np.asarray(prepared.image[index]), trimap, p.data.seed).items():
                swapped = replace(prepared, image=given[0], trimap=given[1])
                with cpu_threads(p.computer.threads):
                    predicted = predict(model, swapped, np.arange(len(index)), p.machine)
                found.setdefault(name, []).append(scores.by_region(variant, seed, index, predicted, alpha, trimap))
    return {name: pd.concat(parts, ignore_index=True) for name, parts in found.items()}
