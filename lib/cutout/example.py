"""A picture to try a cut-out on, drawn with Pillow alone: `python -m lib.cutout.example OUT.png`.

A rendered person whom no shipped network has seen in training, before a place that is kept for tests as well.
"""

import csv
import io
import sys
from pathlib import Path

from PIL import Image

from lib.base import ROOT, write_atomically


def example(number: int = 0) -> Image.Image:
    """The picture, RGB, of the number-th person and place to test on: as many as there are, then from the first again."""
    person, place = (_kept(ROOT / "data" / kind, number) for kind in ("portraits", "backgrounds"))
    with Image.open(person) as layer, Image.open(place) as scene:
        picture = scene.convert("RGBA").resize(layer.size, Image.Resampling.LANCZOS)
        picture.alpha_composite(layer.convert("RGBA"))
    return picture.convert("RGB")


def _kept(folder: Path, number: int) -> Path:
    """The file of the number-th row of a folder's manifest that is kept for tests."""
    rows = csv.DictReader((folder / "manifest.csv").read_text().splitlines())
    names = [row["id"] for row in rows if row["split"] == "test"]
    return folder / f"{names[number % len(names)]}.webp"


def main(arguments: list[str]) -> None:
    """Write the picture as a PNG."""
    buffer = io.BytesIO()
    example().save(buffer, format="PNG")
    write_atomically(Path(arguments[0]), buffer.getvalue())


if __name__ == "__main__":
    main(sys.argv[1:])
