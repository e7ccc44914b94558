"""One picture, one trimap, one matte: `python -m lib matte NETWORK IMAGE TRIMAP OUT.png`."""

import argparse
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from lib import inference
from lib.base import UserError, write_atomically
from lib.cutout import scale
from lib.data.decode import check_same_size, read_grey, read_rgb
from lib.data.trimap import BACKGROUND, FOREGROUND, UNKNOWN, three_levels
from lib.models import store


def read_pair(image_path: Path | str, trimap_path: Path | str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Image (H,W,3) float32 RGB in [0,1], trimap (H,W) uint8 0/128/255, and what had to be assumed, in sentences.

    Both are turned as their EXIF says; 16-bit, palette, grey and RGBA files are understood (lib.data.decode). Other
    values of the trimap than the three are taken for the nearest (127 is what many tools write), and that is said. UserError
    for a file that cannot be read, a trimap in colour, or sizes that differ.
    """
    image_path, trimap_path = Path(image_path), Path(trimap_path)
    picture, grey = read_rgb(image_path), read_grey(trimap_path)
    check_same_size(trimap_path, grey.shape, image_path, picture.full)
    trimap, notes = three_levels(grey), []
    others = np.setdiff1d(np.unique(grey), (BACKGROUND, UNKNOWN, FOREGROUND))
    if len(others):
        share = np.isin(grey, others).mean()
        shown = ", ".join(map(str, others[:4])) + (" ..." if len(others) > 4 else "")
        notes.append(
            f"{trimap_path}: expected the values 0, 128 and 255, found also {shown} ({share:.1%} of the "
            "pixels); they were taken for the nearest of the three."
        )
    return picture.pixels.astype(np.float32) / 255, trimap, notes + remarks(trimap, trimap_path)


def remarks(trimap: np.ndarray, name: Path | str) -> list[str]:
    """Sentences on a trimap (H,W) uint8 that lacks one of its three regions: what that makes of the answer."""
    said = []
    if not (trimap == UNKNOWN).any():
        said.append(f"{name}: no unknown pixels (128), so the matte is the trimap itself.")
    for level, what in ((FOREGROUND, "foreground (255)"), (BACKGROUND, "background (0)")):
        if not (trimap == level).any():
            said.append(f"{name}: no pixels known as {what}; the network has only the colours to go by.")
    return said


def check_out(out: Path, inputs: Sequence[Path]) -> None:
    """UserError unless a PNG can be written at `out` without losing one of the inputs: before the work, not after it."""
    if out.suffix.lower() != ".png":
        raise UserError(
            f"{out}: expected a name that ends in .png, found {out.suffix or 'no ending'}; a matte is a PNG."
        )
    if out.is_dir() or not out.absolute().parent.is_dir():
        found = "a folder" if out.is_dir() else f"no folder {out.parent}"
        raise UserError(f"{out}: expected the name of a file in an existing folder, found {found}; name another.")
    if any(out.exists() and given.exists() and out.samefile(given) for given in inputs):
        raise UserError(f"{out}: expected a file of its own for the matte, found an input's name; name another.")


def write_alpha(path: Path | str, alpha: np.ndarray) -> None:
    """Alpha (H,W) float32 in [0,1] as an 8-bit grey PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.round(alpha * 255).astype(np.uint8)).save(buffer, format="PNG")
    write_atomically(Path(path), buffer.getvalue())


OTHERS = {  # systems that take something else than a trimap, and who uses them
    "background": "a photograph of the empty place (notebook 09)",
    "video": "the pictures of a clip (notebook 10)",
}


def load(folder: Path | str, device: str) -> nn.Module:
    """The trained network that takes a trimap, of a training's folder. UserError for any other, and for what is none."""
    file = Path(folder) / "config.json"
    model = store.load(folder, device)
    config = json.loads(file.read_text()) if file.is_file() else {}
    takes = OTHERS.get(
        config.get("system"), "" if config.get("trimap", True) else "the photograph alone (python -m lib cutout)"
    )
    if takes:
        raise UserError(
            f"{folder}: expected a network that takes a trimap, found one that takes {takes}; name another."
        )
    return model


def main(arguments: list[str] | None = None) -> None:
    """Write the matte of IMAGE, by a trained network.

    UserError for a mistake.
    """
    parser = argparse.ArgumentParser(
        prog="python -m lib matte",
        description=main.__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("network", help="folder of a training, such as runs/quick/train/dim-da-both-seed0")
    parser.add_argument("image")
    parser.add_argument("trimap", help="0 background, 128 unknown, 255 foreground")
    parser.add_argument("out", help="grey PNG, 255 = foreground")
    parser.add_argument("--tile", type=int, default=inference.TILE, help="largest side in pixels done at once")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    given = parser.parse_args(arguments)
    check_out(Path(given.out), [Path(given.image), Path(given.trimap)])
    image, trimap, notes = read_pair(given.image, given.trimap)
    model = load(given.network, given.device)

    def alpha_of(part: np.ndarray, known: np.ndarray) -> np.ndarray:
        found = inference.matte(model, part.astype(np.float32) / 255, known, tile=given.tile)
        if not np.isfinite(found).all():
            raise UserError(f"{given.network}: expected alphas in [0,1], found no numbers; its weights are too large.")
        return found

    write_alpha(given.out, scale.matted(alpha_of, np.round(image * 255).astype(np.uint8), trimap))
    for note in notes:
        print(note)
