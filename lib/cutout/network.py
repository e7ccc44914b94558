"""Shipped networks by ONNX Runtime: neither PyTorch nor the training's code is imported."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from lib.base import UserError
from lib.cutout import limits
from lib.data.trimap import FOREGROUND, UNKNOWN
from lib.tiles import pad_to_multiple

# Before onnxruntime is imported: it would else write an identifier into HOME and contact Microsoft.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
MANIFEST = "manifest.json"
SUMS = {"model.safetensors": "sha256", "model.onnx": "onnx_sha256"}  # file -> its sum's name in the manifest


class OnnxNetwork:
    """A folder of data/weights, loaded once. threads: of the processor, 0 = all that this process may use.

    trimap: whether the network takes one; solved: whether it takes closed-form matting's alpha, too (lib.closed_form).
    UserError for a folder whose files are not those of its manifest, and where ONNX Runtime isn't installed.
    """

    def __init__(self, folder: Path | str, threads: int = 0):
        folder = Path(folder)
        _check_sums(folder)
        try:
            import onnxruntime
        except ImportError as error:
            raise UserError(
                "onnxruntime: expected the package, found none; install it: pip install '.[cutout]'."
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = (
            threads or limits.cores()
        )  # of 0 it would pin threads to cores that may be others'
        options.log_severity_level = 3  # errors: its warnings speak of graphs, not of pictures
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, ["CPUExecutionProvider"])
        inputs = {each.name for each in self._session.get_inputs()}
        self.trimap, self.solved = "trimap" in inputs, "closed_form" in inputs

    def __call__(self, image: np.ndarray, trimap: np.ndarray | None = None) -> np.ndarray:
        """Alpha (H,W) float32 of image (H,W,3), uint8 or float in [0,1], and trimap (H,W) uint8 0/128/255 or None; any size."""
        if self.trimap != (trimap is not None):
            raise UserError(
                f"trimap: expected {'one' if self.trimap else 'none'}, found "
                f"{'none' if trimap is None else 'one'}; use the network made for it."
            )
        size = image.shape[:2]
        pixels = pad_to_multiple(image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1))
        inputs = {"image": pixels.transpose(2, 0, 1)[None]}
        if trimap is not None:
            if trimap.shape != size:
                raise UserError(f"trimap: expected the image's size {size}, found {trimap.shape}; make them alike.")
            known = pad_to_multiple(trimap)
            # 0, 0.5 and 1, exactly: 128 / 255 is not 0.5.
            levels = ((known >= UNKNOWN) * np.float32(0.5) + (known == FOREGROUND) * np.float32(0.5)).astype(np.float32)
            inputs["trimap"] = levels[None, None]
        if self.solved:
            from lib.closed_form import half_closed_form

            inputs["closed_form"] = half_closed_form(pixels, levels)[None, None]
        (alpha,) = self._session.run(["alpha"], inputs)
        return alpha[0, 0, : size[0], : size[1]]


def _check_sums(folder: Path) -> None:
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
        path, expected = folder / name, manifest.get(key)
        if not path.is_file() or not expected:
            missing = f"no {key} in {MANIFEST}" if path.is_file() else "no such file"
            raise UserError(
                f"{path}: expected a file and its sum, found {missing}; run python -m lib.models.onnx {folder}."
            )
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
        if actual != expected:
            raise UserError(
                f"{path}: expected the SHA-256 {expected} ({MANIFEST}), found {actual}: it was altered or damaged; "
                "get it from the repository again."
            )
