"""Frames of a clip at 240x320 through the small Robust Video Matting, one after the other, its memories handed on."""

import time
from pathlib import Path

import numpy as np
import torch

from lib.data.clips import Clips, resized
from lib.experiments.shipped import FOLDER, SMALL
from lib.models import store

ROUNDS = 4  # times through the clip; the first warms up


def by_onnx(folder: Path, size: int, batch_size: int, epochs: int) -> dict[str, float]:
    """Frames a second by ONNX Runtime, as a program without PyTorch has them."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(FOLDER / "video" / "model.onnx"), providers=["CPUExecutionProvider"])
    memories = [each.name for each in session.get_inputs()[1:]]
    channels = {each.name: each.shape[1] for each in session.get_inputs()[1:]}
    names = [each.name for each in session.get_outputs()]
    states = {
        name: np.zeros((1, channels[name], *(side // int(name.removeprefix("memory")) for side in SMALL)), np.float32)
        for name in memories
    }

    def step(frame: np.ndarray) -> None:
        answers = dict(zip(names, session.run(None, {"image": frame, **states}), strict=True))
        states.update({name: answers[f"{name}_after"] for name in memories})

    return {"clip_onnx": _rate(step)}


def by_torch(folder: Path, size: int, batch_size: int, epochs: int) -> dict[str, float]:
    """The same by PyTorch."""
    network, states = store.load(FOLDER / "video", "cpu"), [None]

    def step(frame: np.ndarray) -> None:
        states[0] = network(torch.from_numpy(frame), states[0]).states

    with torch.inference_mode():
        return {"clip_torch": _rate(step)}


def _rate(step) -> float:
    source = Clips()
    frames = [resized(frame, SMALL).image for frame in source.read(0)]
    given = [np.ascontiguousarray(frame.transpose(2, 0, 1)[None], np.float32) / 255 for frame in frames]
    seconds = []
    for _ in range(ROUNDS):
        for frame in given:
            started = time.perf_counter()
            step(frame)
            seconds.append(time.perf_counter() - started)
    return 1 / float(np.median(seconds[len(given) :]))
