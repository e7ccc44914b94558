"""Shipped networks by ONNX Runtime: neither PyTorch nor the training's code is imported."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from lib.base import UserError
from lib.data.trimap import FOREGROUND, UNKNOWN
from lib.tiles import padded

# Before onnxruntime is imported: it would else write an identifier into HOME and contact Microsoft.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
MANIFEST = "manifest.json"
SUMS = {"model.safetensors": "sha256", "model.onnx": "onnx_sha256"}  # file -> its sum's name in the manifest


class Network:
    """A folder of data/weights, ready to matte: loaded once, called for each picture.

    threads: of the processor, 0 for all cores. trimap: whether the network wants one. solved: whether it wants closed-form
    matting's answer as well (lib.closed_form, which needs pymatting and OpenCV).

    Raises UserError for a folder without shipped weights, for one whose files are not those of its manifest (a changed
    byte is refused), and where ONNX Runtime isn't installed.
    """

    def __init__(self, folder: Path | str, threads: int = 0):
        folder = Path(folder)
        _check(folder)
        self._session = _session(folder / "model.onnx", threads)
        wanted = {each.name for each in self._session.get_inputs()}
        self.trimap, self.solved = "trimap" in wanted, "closed_form" in wanted

    def __call__(self, image: np.ndarray, trimap: np.ndarray | None = None) -> np.ndarray:
        """Alpha (H,W) float32 in [0,1] of image (H,W,3) float32 RGB in [0,1] and trimap (H,W) uint8 0/128/255 or None.

        Any size from 1x1 up, as a whole; for pictures that memory cannot hold, and to keep known pixels, give the
        network to lib.tiles.matte. UserError for a trimap too few or too many, or one of another size.
        """
        height, width = image.shape[:2]
        given = {"image": padded(np.asarray(image, np.float32)).transpose(2, 0, 1)[None]}
        self._check_trimap(trimap, (height, width))
        if trimap is not None:
            given["trimap"] = _levels(padded(trimap))[None, None]
        if self.solved:
            from lib.closed_form import half_closed_form

            pixels, levels = given["image"][0].transpose(1, 2, 0), given["trimap"][0, 0]
            given["closed_form"] = half_closed_form(pixels, levels)[None, None]
        (alpha,) = self._session.run(["alpha"], given)
        return alpha[0, 0, :height, :width]

    def _check_trimap(self, trimap: np.ndarray | None, size: tuple[int, int]) -> None:
        if self.trimap != (trimap is not None):
            raise UserError(
                f"trimap: expected {'one' if self.trimap else 'none'}, found "
                f"{'none' if trimap is None else 'one'}; use the network made for it."
            )
        if trimap is not None and trimap.shape != size:
            raise UserError(f"trimap: expected the image's size {size}, found {trimap.shape}; make them alike.")


def _check(folder: Path) -> None:
    """UserError unless the folder's files are those that its manifest names."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if not isinstance(manifest, dict):
            raise ValueError("no table of sums")
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder / MANIFEST}: expected the sums of shipped weights, found none ({type(error).__name__}); "
            "name a folder of data/weights."
        ) from error
    for name, key in SUMS.items():
        path, wanted = folder / name, manifest.get(key)
        if not path.is_file() or not wanted:
            missing = f"no {key} in {MANIFEST}" if path.is_file() else "no such file"
            raise UserError(
                f"{path}: expected a file and its sum, found {missing}; run python -m lib.models.onnx {folder}."
            )
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != wanted:
            raise UserError(
                f"{path}: expected the SHA-256 {wanted} ({MANIFEST}), found {found}: it was altered or damaged; "
                "get it from the repository again."
            )


def _session(path: Path, threads: int):
    """The graph's onnxruntime.InferenceSession, on the processor."""
    try:
        import onnxruntime
    except ImportError as error:
        raise UserError(
            "onnxruntime: expected the package, found none; install it: pip install '.[cutout]'."
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors: its warnings speak of graphs, not of pictures
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _levels(trimap: np.ndarray) -> np.ndarray:
    """uint8 0/128/255 -> float32 0, 0.5 or 1, exactly (128 / 255 is not 0.5)."""
    return (trimap >= UNKNOWN).astype(np.float32) * 0.5 + (trimap == FOREGROUND).astype(np.float32) * 0.5
