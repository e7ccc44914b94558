"""Shipped weights: what a training left comes back, and what ships is what the manifest says."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lib.base import ROOT, UserError, write_atomically
from lib.data.trimap import UNKNOWN, make_trimap
from lib.inference import matte
from lib.models import store
from lib.models.portrait import PortraitMatting
from lib.training.export import MANIFEST, export
from lib.training.folder import file_digest
from lib.training.portrait import TEST_RADIUS, held_out

SHIPPED = sorted((ROOT / "data" / "weights").glob(f"*/{MANIFEST}"))


def test_a_finished_training_becomes_half_as_large_and_answers_alike(tmp_path):
    run, model = tmp_path / "run", PortraitMatting(trimap=True, width=0.25).eval()
    run.mkdir()
    with pytest.raises(UserError, match="run: expected a finished training, found none"):
        export(run, tmp_path / "out", {})
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, run / "model.safetensors")
    write_atomically(run / "model.sha256", file_digest(run / "model.safetensors").encode())
    config = {"system": "portrait", "trimap": True, "width": 0.25, "textures": "/home/somebody/pictures"}
    (run / "config.json").write_text(json.dumps(config))
    manifest = export(run, tmp_path / "out", {"mse": 0.5})
    out = tmp_path / "out" / "model.safetensors"
    assert (
        manifest["sha256"] == file_digest(out) and out.stat().st_size < 0.6 * (run / "model.safetensors").stat().st_size
    )
    assert "somebody" not in (tmp_path / "out" / "config.json").read_text()
    image, trimap = torch.rand(1, 3, 64, 64), torch.full((1, 1, 64, 64), 0.5)
    with torch.inference_mode():
        found = store.load(tmp_path / "out", "cpu")(image, trimap)
        torch.testing.assert_close(found, model(image, trimap), atol=2e-2, rtol=0)


@pytest.mark.parametrize("manifest", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_weights_are_whole_and_as_good_as_their_manifest_says(manifest):
    said, folder = json.loads(manifest.read_text()), manifest.parent
    assert said["sha256"] == file_digest(folder / "model.safetensors") and said["bytes"] <= 10 * 2**20
    model, errors = store.load(folder, "cpu"), []
    for image, alpha in held_out(3):
        trimap = make_trimap(alpha, TEST_RADIUS)
        found = matte(model, image / np.float32(255), trimap, precision="fp32")
        errors.append(((found - alpha / 255.0)[trimap == UNKNOWN] ** 2).mean())
    assert np.mean(errors) == pytest.approx(said["scores"]["three_held_out"]["mse"], rel=0.02)
