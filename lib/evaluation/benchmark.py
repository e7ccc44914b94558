"""Methods on full-size pictures, judged by the field's four measures: who is best, and on what picture."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch

from lib.base import UserError
from lib.baselines import gmm_alpha, kmeans_alpha, trimap_as_alpha
from lib.data.batches import trimap_levels
from lib.data.folder import Folder
from lib.data.prepare import Prepared
from lib.data.trimap import BACKGROUND, FOREGROUND, UNKNOWN, default_radius, make_trimap, paste
from lib.evaluation import scores

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]  # image (H,W,3) float32, trimap (H,W) uint8 -> alpha (H,W)
Picture = tuple[str, np.ndarray, np.ndarray, np.ndarray]  # name, image float32 in [0,1], trimap uint8, alpha uint8
CONTROL = "control: trimap as alpha"


def controls_and_clusters(seed: int) -> dict[str, Method]:
    """The trimap as alpha, and K-means and GMM whose clusters the trimap names."""

    def clustered(measure: Callable) -> Method:
        return lambda image, trimap: paste(
            measure(np.round(image * 255).astype(np.uint8), "trimap", trimap, seed=seed), trimap
        )

    return {
        CONTROL: lambda image, trimap: trimap_as_alpha(trimap),
        "K-means": clustered(kmeans_alpha),
        "GMM": clustered(gmm_alpha),
    }


def enlarged(model: torch.nn.Module, size: int) -> Method:
    """A network of small pictures on a large one: shrunk to size x size, as the study does, its alpha enlarged."""

    def method(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
        small = [
            cv2.resize(layer.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
            for layer in (image, trimap == FOREGROUND, trimap == BACKGROUND)
        ]
        levels = np.where(small[1] > 0.999, FOREGROUND, np.where(small[2] > 0.999, BACKGROUND, UNKNOWN)).astype(
            np.uint8
        )
        device = next(model.parameters()).device
        pixels = torch.from_numpy(small[0].transpose(2, 0, 1).copy())[None].to(device)
        with torch.inference_mode():
            alpha = model(pixels, trimap_levels(torch.from_numpy(levels)[None, None].to(device)))[0, 0].cpu().numpy()
        return paste(cv2.resize(alpha, trimap.shape[::-1], interpolation=cv2.INTER_LINEAR), trimap)

    return method


def prepared_pictures(prepared: Prepared, index: Sequence[int]) -> list[Picture]:
    """The images of `index` with their fixed test trimaps."""
    return [
        (
            prepared.keys[image],
            np.asarray(prepared.image[image]).transpose(1, 2, 0) / np.float32(255),
            np.ascontiguousarray(prepared.trimap[image, 0]),
            np.asarray(prepared.alpha[image, 0]),
        )
        for image in index
    ]


def folder_pictures(folder: str | Path, rule: str) -> list[Picture]:
    """All pictures of a directory at their own size, an alphamatting.com download for example; [] for ""."""
    if not folder:
        return []
    source, pictures = Folder(folder, parameter="benchmark_dir"), []
    for index, key in enumerate(source.keys):
        sample = source.read(index)
        trimap = sample.trimap
        if trimap is None:
            trimap = make_trimap(sample.alpha, default_radius(sample.alpha.shape), rule)
        pictures.append((key, sample.image / np.float32(255), trimap, sample.alpha))
    return pictures


def judge(pictures: Iterable[Picture], methods: dict[str, Method]) -> pd.DataFrame:
    """Scores (lib.evaluation.scores) of every method on every picture: the four measures over unknown pixels, seconds.

    A method that cannot do a picture (a UserError) has NaN there, and the reason is printed.
    """
    found = []
    for name, image, trimap, alpha in pictures:
        for method, solve in methods.items():
            started = time.perf_counter()
            try:
                solved = solve(image, trimap)
            except UserError as error:
                print(f"{name}, {method}: left out: {error}", flush=True)
                measured = dict.fromkeys((*scores.FOUR, "seconds"), (np.nan,))
            else:
                seconds = time.perf_counter() - started
                layers = (layer[None, None] for layer in (solved, alpha, trimap))
                measured = scores.image_metrics(*layers) | {"seconds": [seconds]}
            found.append(scores.frame(method, 0, [name], measured))
    return pd.concat(found, ignore_index=True)


def floor(pictures: Iterable[Picture], size: int) -> pd.DataFrame:
    """Scores of the truth itself, shrunk to size x size and enlarged again: what no network of small pictures can beat."""
    found = []
    for name, _, trimap, alpha in pictures:
        small = cv2.resize(alpha.astype(np.float32) / 255, (size, size), interpolation=cv2.INTER_AREA)
        large = paste(cv2.resize(small, alpha.shape[::-1], interpolation=cv2.INTER_LINEAR), trimap)
        measured = scores.image_metrics(*(layer[None, None] for layer in (large, alpha, trimap)))
        found.append(scores.frame(f"control: truth at {size} px, enlarged", 0, [name], measured))
    return pd.concat(found, ignore_index=True)


def ranks(judged: pd.DataFrame) -> pd.DataFrame:
    """Each method's mean rank over the pictures, by measure and over all four; 1 is best, ties share their mean.

    The way alphamatting.com orders methods: what is slightly better everywhere comes before what is much better once.
    """
    four = judged[judged.measure.isin(scores.FOUR)]
    places = four.assign(rank=four.groupby(["image", "measure"]).value.rank(na_option="bottom"))
    mean = places.groupby(["method", "measure"], sort=False)["rank"].mean().unstack()[list(scores.FOUR)]
    mean = mean.loc[four.method.unique()]
    table = mean.rename(columns={name: f"rank by {scores.HEADERS[name].split(' ')[0]}" for name in scores.FOUR})
    table["mean rank"] = mean.mean(axis=1)
    return table.sort_values("mean rank", kind="stable").rename_axis(columns=None).reset_index()


def hardness(judged: pd.DataFrame) -> pd.Series:
    """How hard each picture is: its MSE, mean over all methods, by picture in the order of the pictures."""
    return judged[judged.measure == "mse"].groupby("image", sort=False).value.mean()
