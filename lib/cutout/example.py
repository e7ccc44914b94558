"""A picture to try a cut-out on, by Pillow alone: `python -m lib.cutout.example OUT.png`.

A rendered person whom no shipped network has learnt from, before a background that is kept for tests as well.
"""

import csv
import sys
from pathlib import Path

from PIL import Image

from lib.base import ROOT


def example(number: int = 0) -> Image.Image:
    """RGB, of the number-th person and background of the test splits; after the last the first again."""
    layers = []
    for folder in (ROOT / "data/portraits", ROOT / "data/backgrounds"):
        rows = csv.DictReader((folder / "manifest.csv").read_text().splitlines())
        names = [row["id"] for row in rows if row["split"] == "test"]
        layers.append(Image.open(folder / f"{names[number % len(names)]}.webp").convert("RGBA"))
    picture = layers[1].resize(layers[0].size, Image.Resampling.LANCZOS)
    picture.alpha_composite(layers[0])
    return picture.convert("RGB")


if __name__ == "__main__":
    Path(sys.argv[1]).parent.mkdir(parents=True, exist_ok=True)
    example().save(sys.argv[1])
