"""Every matting method of the paper behind one signature, what it is tested on, and its scores.

A Method is called with a Sample, whose background is the plate of the empty place, and gives a Prediction. A ClipMethod
is called with the frames of a clip and gives a Prediction with a leading axis of frames.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch import nn

from lib import baselines, metrics
from lib.base import ROOT, UserError
from lib.data import plates
from lib.data.composite import composite
from lib.data.portraits import FOLDER as PEOPLE, held_out_clips, held_out_people, read_manifest
from lib.data.sample import Sample
from lib.data.sources import open_folder
from lib.data.trimap import BACKGROUND, FOREGROUND, UNKNOWN, default_radius, fill_known, make_trimap, trimap_to_float
from lib.inference import Prediction, evaluating, predict_clip, predict_portrait, predict_trimap, predict_with_plate
from lib.models import checkpoint
from lib.scores import MEASURE_LABELS, OFFICIAL_MEASURES, TRIMAP_CONTROL, scores_frame

WEIGHTS = ROOT / "data" / "weights"
SMALL, LARGE = (320, 240), (800, 600)  # height and width in px
TRIMAP_RADIUS = 12 / 800  # of a picture's height
PLATE_THRESHOLD = 0.08  # of the control that subtracts the plate; set by hand, not searched for

Method = Callable[[Sample], Prediction]
ClipMethod = Callable[[Sequence[Sample]], Prediction]


def people(count: int, size: tuple[int, int] = SMALL) -> dict[str, Sample]:
    """Held-out rendered people by name, one picture each, with test trimaps and exact plates."""
    return {f"person {n}": with_trimap(sample) for n, sample in enumerate(held_out_people(count, size), 1)}


def with_trimap(sample: Sample) -> Sample:
    """The sample with a test trimap: unknown within 12 px of an edge, at 800 px of height."""
    return replace(sample, trimap=make_trimap(sample.alpha, TRIMAP_RADIUS * sample.alpha.shape[0]))


def handheld(sample: Sample) -> Sample:
    """The sample with the person's shadow in the picture, its plate moved by 2 px (at 320) and a tenth brighter."""
    image, plate = plates.handheld(sample)
    return replace(sample, image=image, background=plate)


def with_background(sample: Sample, background: np.ndarray) -> Sample:
    """The sample's person in front of another background."""
    return replace(sample, image=composite(sample.alpha, sample.foreground, background), background=background)


def clips(count: int, size: tuple[int, int] = SMALL, still: bool = False) -> dict[str, list[Sample]]:
    """Held-out clips by name. still: in front of the background of their first frame, as from a tripod."""
    named = {f"clip {n}": frames for n, frames in enumerate(held_out_clips(count, size), 1)}
    if still:
        named = {name: [with_background(f, frames[0].background) for f in frames] for name, frames in named.items()}
    return named


def folder_pictures(folder: str | Path, rule: str = "tolerant", parameter: str = "benchmark_dir") -> dict[str, Sample]:
    """All pictures of a folder with alphas, by name at their own size; missing trimaps are made by the rule. {} for ""."""
    source = open_folder(folder, parameter=parameter) if folder else None
    samples = {key: source.read(number) for number, key in enumerate(source.keys)} if source else {}
    for key, sample in samples.items():
        if sample.trimap is None:
            trimap = make_trimap(sample.alpha, default_radius(sample.alpha.shape), rule)
            samples[key] = replace(sample, trimap=trimap)
    return samples


def networks(device: str = "auto") -> dict[str, nn.Module]:
    """The networks of data/weights by their folder's name."""
    return {
        file.parent.name: checkpoint.load_network(file.parent, device)
        for file in sorted(WEIGHTS.glob("*/manifest.json"))
    }


def network_method(name: str, network: nn.Module, precision: str = "auto") -> Method:
    """A network as a method; its name in data/weights says what it is given."""

    def method(sample: Sample) -> Prediction:
        if name == "portrait":
            return Prediction(predict_portrait(network, sample.image, SMALL[0], precision=precision))
        if name == "background":
            return predict_with_plate(network, sample.image, sample.background, precision=precision)
        if name == "video":
            clip = predict_clip(network, sample.image[None], precision=precision)
            return Prediction(clip.alpha[0], clip.foreground[0])
        return Prediction(predict_trimap(network, sample.image, sample.trimap, precision=precision))

    return method


def clip_method(network: nn.Module, recurrent: bool = True, precision: str = "auto") -> ClipMethod:
    """Robust Video Matting on a whole clip; recurrent as in `predict_clip`."""
    return lambda frames: predict_clip(network, [f.image for f in frames], recurrent=recurrent, precision=precision)


def trimap_method(solve: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Method:
    """solve: image (H,W,3) float32 in [0,1] and trimap (H,W) uint8 -> alpha (H,W), for example of baselines.SOLVERS."""
    return lambda sample: Prediction(solve(sample.image / np.float32(255), sample.trimap))


def thumbnail_method(network: nn.Module, size: int) -> Method:
    """The study's network on a large picture: shrunk to size x size, its alpha enlarged, known pixels pasted."""

    def solve(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
        layers = (image, *((trimap == level).astype(np.float32) for level in (FOREGROUND, BACKGROUND)))
        small, front, back = (cv2.resize(layer, (size, size), interpolation=cv2.INTER_AREA) for layer in layers)
        levels = np.where(front > 0.999, FOREGROUND, np.where(back > 0.999, BACKGROUND, UNKNOWN)).astype(np.uint8)
        with evaluating(network, "fp32") as device:
            pixels = torch.from_numpy(small.transpose(2, 0, 1).copy())[None].to(device)
            alpha = network(pixels, trimap_to_float(torch.from_numpy(levels)[None, None].to(device)))
        alpha = cv2.resize(alpha[0, 0].cpu().numpy(), trimap.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return fill_known(alpha, trimap)

    return trimap_method(solve)


def trimap_baselines(seed: int) -> dict[str, Method]:
    """The trimap as alpha, and K-means and a mixture whose clusters the trimap names."""

    def clustered(kind: str) -> Method:
        def method(sample: Sample) -> Prediction:
            alpha = baselines.cluster_alpha(sample.image, "trimap", sample.trimap, method=kind, seed=seed)
            return Prediction(fill_known(alpha, sample.trimap))

        return method

    control = trimap_method(lambda image, trimap: baselines.trimap_as_alpha(trimap))
    return {TRIMAP_CONTROL: control, "K-means": clustered("kmeans"), "GMM": clustered("gmm")}


def picture_methods(nets: Mapping[str, nn.Module], solvers: bool = True) -> dict[str, Method]:
    """Every method for single pictures; in brackets what it is given. nets: of `networks`."""
    shipped = {
        "portrait network (nothing)": "portrait",
        "Background Matting V2, small (plate)": "background",
        "Robust Video Matting, small (one frame)": "video",
        "AlphaGAN, small (trimap)": "alphagan",
        "trimap network (trimap)": "trimap",
        "hybrid network (trimap)": "hybrid",
    }
    methods = {
        "control: mean alpha (nothing)": lambda sample: Prediction(mean_alpha(sample.alpha.shape)),
        "control: trimap, 0.5 where unknown (trimap)": trimap_baselines(0)[TRIMAP_CONTROL],
        "control: picture minus plate > threshold (plate)": lambda sample: Prediction(subtract_plate(sample)),
    }
    methods |= {label: network_method(name, nets[name]) for label, name in shipped.items() if name in nets}
    return methods | ({"closed-form (trimap)": trimap_method(baselines.SOLVERS["closed-form"])} if solvers else {})


def clip_methods(nets: Mapping[str, nn.Module]) -> dict[str, ClipMethod]:
    """Every method for clips. nets: of `networks`."""
    portrait, plate = (each_frame(network_method(name, nets[name])) for name in ("portrait", "background"))
    return {
        "control: true alpha of the frame before": lambda frames: Prediction(previous_alpha(frames)),
        "portrait network, frame by frame": portrait,
        "Robust Video Matting, small, without memory": clip_method(nets["video"], recurrent=False),
        "Robust Video Matting, small": clip_method(nets["video"]),
        "Background Matting V2, small, plate of each frame": plate,
        "Background Matting V2, small, plate of the first frame": lambda frames: plate(
            [replace(frame, background=frames[0].background) for frame in frames]
        ),
    }


def each_frame(method: Method) -> ClipMethod:
    """A method for pictures on a clip, frame by frame."""

    def on_clip(frames: Sequence[Sample]) -> Prediction:
        alphas, foregrounds = zip(*(method(frame) for frame in frames), strict=True)
        return Prediction(np.stack(alphas), None if foregrounds[0] is None else np.stack(foregrounds))

    return on_clip


def previous_alpha(frames: Sequence[Sample]) -> np.ndarray:
    """True alpha of the frame before, of the first frame its own: the error of standing still."""
    alphas = np.stack([frame.alpha for frame in frames]) / np.float32(255)
    return np.concatenate([alphas[:1], alphas[:-1]])


def subtract_plate(sample: Sample) -> np.ndarray:
    """1 where picture and plate differ by more than PLATE_THRESHOLD in some channel, else 0; (H,W) float32."""
    difference = np.abs(sample.image.astype(np.int16) - sample.background).max(axis=2) / 255
    return (difference > PLATE_THRESHOLD).astype(np.float32)


@cache
def mean_alpha(shape: tuple[int, int]) -> np.ndarray:
    """Mean alpha of the rendered training people, each as it was rendered, at a size (H,W); float32."""
    files = [PEOPLE / f"{row['id']}.webp" for row in read_manifest() if row["split"] == "train"]
    alphas = (cv2.imread(str(file), cv2.IMREAD_UNCHANGED)[..., 3] for file in files)
    small = (cv2.resize(alpha, shape[::-1], interpolation=cv2.INTER_AREA) for alpha in alphas)
    return sum((alpha.astype(np.float32) / 255 for alpha in small), np.zeros(shape, np.float32)) / len(files)


def evaluate(samples: Mapping, methods: Mapping[str, Callable], measure: Callable) -> pd.DataFrame:
    """Scores (lib.scores) of every method on every sample, or clip, by name; and the seconds that it took.

    measure: (prediction, sample) -> values by measure, such as `picture_measures`. A method that cannot do a sample (a
    UserError) has NaN there, and the reason is printed.
    """
    rows = []
    for name, sample in samples.items():
        for label, method in methods.items():
            started, values = time.perf_counter(), {}
            try:
                prediction = method(sample)
            except UserError as error:
                print(f"{name}, {label}: left out: {error}", flush=True)
            else:
                seconds = time.perf_counter() - started
                values = measure(prediction, sample) | {"seconds": seconds}
            rows.append((label, name, values))
    measures = dict.fromkeys(key for *_, values in rows for key in values)
    nans = dict.fromkeys(measures, np.nan)
    frames = [
        scores_frame(label, 0, [name], {k: [v] for k, v in (nans | values).items()}) for label, name, values in rows
    ]
    return pd.concat(frames, ignore_index=True)


def trimap_measures(prediction: Prediction, sample: Sample) -> dict[str, float]:
    """SAD, MSE, Grad and Conn over the unknown pixels, the known ones pasted."""
    return metrics.official(fill_known(prediction.alpha, sample.trimap), sample.alpha, sample.trimap)


def picture_measures(prediction: Prediction, sample: Sample) -> dict[str, float]:
    """`trimap_measures`; and over the whole frame mad, whole_mse and foreground (MSE of the colours)."""
    return trimap_measures(prediction, sample) | {
        "mad": metrics.mad(prediction.alpha, sample.alpha),
        "whole_mse": metrics.mse(prediction.alpha, sample.alpha),
        "foreground": metrics.foreground_mse(prediction.foreground, sample.foreground, sample.alpha),
    }


def mask_measures(prediction: Prediction, sample: Sample) -> dict[str, float]:
    """iou and mad over the whole frame, for pictures that may have masks instead of soft alphas."""
    difference = float(np.abs(prediction.alpha - sample.alpha / 255.0).mean())
    return {"iou": metrics.iou(prediction.alpha, sample.alpha), "mad": difference}


def clip_measures(prediction: Prediction, frames: Sequence[Sample]) -> dict[str, float]:
    """mad and mse over all frames, and dtssd."""
    return metrics.clip_errors(prediction.alpha, np.stack([frame.alpha for frame in frames]))


def resolution_floor(size: int) -> dict[str, Method]:
    """The true alpha shrunk to size x size and enlarged again: what no network of small pictures can beat."""

    def method(sample: Sample) -> Prediction:
        small = cv2.resize(sample.alpha.astype(np.float32) / 255, (size, size), interpolation=cv2.INTER_AREA)
        return Prediction(cv2.resize(small, sample.alpha.shape[::-1], interpolation=cv2.INTER_LINEAR))

    return {f"control: truth at {size} px, enlarged": method}


def ranks(judged: pd.DataFrame) -> pd.DataFrame:
    """Each method's mean rank over the pictures, by measure and over all four; 1 is best, ties share their mean.

    alphamatting.com orders methods like this: slightly better everywhere ranks before much better once.
    """
    four = judged[judged.measure.isin(OFFICIAL_MEASURES)]
    ranked = four.assign(rank=four.groupby(["image", "measure"]).value.rank(na_option="bottom"))
    mean = ranked.groupby(["method", "measure"], sort=False)["rank"].mean().unstack()[list(OFFICIAL_MEASURES)]
    mean = mean.loc[four.method.unique()]
    table = mean.rename(columns={name: f"rank by {MEASURE_LABELS[name].split(' ')[0]}" for name in OFFICIAL_MEASURES})
    table["mean rank"] = mean.mean(axis=1)
    return table.sort_values("mean rank", kind="stable").rename_axis(columns=None).reset_index()
