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
from lib.data.prepare import Prepared, test_trimaps
from lib.data.trimap import BACKGROUND, FOREGROUND, UNKNOWN, default_radius, make_trimap
from lib.evaluation.scores import FOUR, HEADERS, image_metrics

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]  # image (H,W,3) float32, trimap (H,W) uint8 -> alpha (H,W)
Picture = tuple[str, np.ndarray, np.ndarray, np.ndarray]  # name, image float32 in [0,1], trimap uint8, alpha uint8
CONTROL = "control: trimap as alpha"


def controls_and_clusters(seed: int) -> dict[str, Method]:
    """The trimap as alpha, and K-means and GMM whose clusters the trimap names."""
    def clustered(measure: Callable) -> Method:
        return lambda image, trimap: _pasted(measure(np.round(image * 255).astype(np.uint8), "trimap", trimap, seed=seed),
                                             trimap)

    return {CONTROL: lambda image, trimap: trimap_as_alpha(trimap), "K-means": clustered(kmeans_alpha),
            "GMM": clustered(gmm_alpha)}


def enlarged(model: torch.nn.Module, size: int) -> Method:
    """A network of small pictures on a large one: shrunk to size x size, as the study does, its alpha enlarged."""
    def method(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
        small = [cv2.resize(layer.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
                 for layer in (image, trimap == FOREGROUND, trimap == BACKGROUND)]
        levels = np.where(small[1] > 0.999, FOREGROUND, np.where(small[2] > 0.999, BACKGROUND, UNKNOWN)).astype(np.uint8)
        device = next(model.parameters()).device
        pixels = torch.from_numpy(small[0].transpose(2, 0, 1).copy())[None].to(device)
        with torch.inference_mode():
            alpha = model(pixels, trimap_levels(torch.from_numpy(levels)[None, None].to(device)))[0, 0].cpu().numpy()
        return _pasted(cv2.resize(alpha, trimap.shape[::-1], interpolation=cv2.INTER_LINEAR), trimap)

    return method


def _pasted(alpha: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    return np.where(trimap == UNKNOWN, alpha, trimap == FOREGROUND).astype(np.float32)


def prepared_pictures(prepared: Prepared, index: Sequence[int], rule: str) -> list[Picture]:
    """The images of `index` with their fixed test trimaps."""
    trimaps = test_trimaps(prepared, index, rule)
    return [(prepared.keys[image], np.asarray(prepared.image[image]).transpose(1, 2, 0) / np.float32(255),
             np.ascontiguousarray(trimap[0]), np.asarray(prepared.alpha[image, 0]))
            for image, trimap in zip(index, trimaps, strict=True)]


def folder_pictures(folder: str | Path, rule: str) -> list[Picture]:
    """All pictures of a directory at their own size, an alphamatting.com download for example; [] for ""."""
    if not folder:
        return []
    source, pictures = Folder(folder), []
    for index, key in enumerate(source.keys):
        sample = source.read(index)
        trimap = sample.trimap
        if trimap is None:
            trimap = make_trimap(sample.alpha, default_radius(sample.alpha.shape), rule)
        pictures.append((key, sample.image / np.float32(255), trimap, sample.alpha))
    return pictures


def judge(pictures: Iterable[Picture], methods: dict[str, Method]) -> pd.DataFrame:
    """One row a picture and method: picture, method, the four measures over unknown pixels, seconds.

    A method that cannot do a picture (a UserError) has NaN there, and the reason is printed.
    """
    rows = []
    for name, image, trimap, alpha in pictures:
        for method, solve in methods.items():
            started = time.perf_counter()
            try:
                found = solve(image, trimap)
            except UserError as error:
                print(f"{name}, {method}: left out: {error}", flush=True)
                rows.append({"picture": name, "method": method, **dict.fromkeys(FOUR, np.nan), "seconds": np.nan})
                continue
            seconds = time.perf_counter() - started
            measures = image_metrics(found[None, None], alpha[None, None], trimap[None, None])
            rows.append({"picture": name, "method": method, **{key: measures[key][0] for key in FOUR},
                         "seconds": seconds})
    return pd.DataFrame(rows)


def measures(judged: pd.DataFrame) -> dict[str, dict[str, np.ndarray]]:
    """method -> measure -> (1, pictures), for lib.evaluation.scores."""
    return {method: {name: rows[name].to_numpy()[None] for name in FOUR}
            for method, rows in judged.groupby("method", sort=False)}


def ranks(judged: pd.DataFrame) -> pd.DataFrame:
    """Each method's mean rank over the pictures, by measure and over all four; 1 is best, ties share their mean.

    The way alphamatting.com orders methods: what is slightly better everywhere comes before what is much better once.
    """
    places = judged.copy()
    places[list(FOUR)] = judged.groupby("picture")[list(FOUR)].rank(na_option="bottom")
    mean = places.groupby("method", sort=False)[list(FOUR)].mean()
    table = mean.rename(columns={name: f"rank by {HEADERS[name].split(' ')[0]}" for name in FOUR})
    table["mean rank"] = mean.mean(axis=1)
    return table.sort_values("mean rank", kind="stable").reset_index()


def hardness(judged: pd.DataFrame) -> pd.Series:
    """How hard each picture is: its MSE, mean over all methods, by picture in the order of the pictures."""
    return judged.groupby("picture", sort=False)["mse"].mean()
