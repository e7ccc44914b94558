"""Networks by ONNX Runtime: like lib.inference at any size, whole files only, and without PyTorch."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from helpers import shipped
from lib import inference
from lib.base import ROOT, UserError
from lib.cutout.example import example
from lib.cutout.network import OnnxNetwork
from lib.models import checkpoint

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from lib.models.onnx import export_onnx  # it needs onnx

WITHOUT_TORCH = """
import sys
for name in ("torch", "scipy", "cv2", "pandas", "pydantic", "sklearn", "numba", "pymatting", "safetensors", "onnx"):
    sys.modules[name] = None  # an import of it fails
import lib.cutout.command
from lib import cutout
from lib.cutout.example import example
cut = cutout.load(threads=1).cut_out(example())
print(cut.person, cut.rgba.size)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = shipped(tmp_path_factory.mktemp("weights"), {"system": "portrait", "trimap": True, "width": 0.25})
    export_onnx(out)
    return out


def picture(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.random((height, width, 3), np.float32), random.choice(np.uint8([0, 128, 255]), (height, width))


@pytest.mark.parametrize("size", [(64, 96), (61, 97), (33, 5), (1, 40), (1, 1)])
def test_any_size_comes_out_as_pytorch_has_it(folder, size):
    image, trimap = picture(*size)
    network = OnnxNetwork(folder, threads=1)
    alpha = network(image, trimap)
    assert network.trimap and alpha.shape == size and alpha.dtype == np.float32
    expected = inference.predict_trimap(checkpoint.load_network(folder, "cpu"), image, trimap, precision="fp32")
    np.testing.assert_allclose(alpha[trimap == 128], expected[trimap == 128], atol=1e-3)


def test_closed_forms_answer_is_found_where_a_graph_wants_it(tmp_path):
    out = shipped(tmp_path, {"system": "hybrid", "width": 0.25})
    export_onnx(out)
    (image, trimap), network = picture(61, 97), OnnxNetwork(out, 1)
    assert network.solved
    expected = inference.predict_trimap(checkpoint.load_network(out, "cpu"), image, trimap, precision="fp32")
    np.testing.assert_allclose(network(image, trimap)[trimap == 128], expected[trimap == 128], atol=1e-3)


def test_a_network_without_a_trimap_takes_none(folder, tmp_path):
    out = shipped(tmp_path, {"system": "portrait", "trimap": False, "width": 0.25})
    export_onnx(out)
    (image, trimap), network = picture(40, 40), OnnxNetwork(out, 1)
    assert not network.trimap and network(image).shape == (40, 40)
    with pytest.raises(UserError, match="trimap: expected none, found one"):
        network(image, trimap)
    with pytest.raises(UserError, match="trimap: expected one, found none"):
        OnnxNetwork(folder, 1)(image)
    with pytest.raises(UserError, match=r"trimap: expected the image's size \(40, 40\), found \(39, 40\)"):
        OnnxNetwork(folder, 1)(image, trimap[1:])


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx"])
def test_one_changed_byte_is_refused_by_its_sum(folder, name):
    path = folder / name
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(UserError, match=f"{name}: expected the SHA-256 [0-9a-f]{{64}} .*, found [0-9a-f]{{64}}"):
            OnnxNetwork(folder)
    finally:
        path.write_bytes(whole)
    OnnxNetwork(folder, 1)


def test_a_folder_without_weights_or_graph_is_refused(tmp_path):
    with pytest.raises(UserError, match="manifest.json: expected the sums of shipped weights, found none"):
        OnnxNetwork(tmp_path / "nowhere")
    out = shipped(tmp_path, {"system": "portrait", "trimap": False, "width": 0.25})
    with pytest.raises(UserError, match=r"model.onnx: .*found no such file; run python -m lib.models.onnx"):
        OnnxNetwork(out)


def test_it_runs_where_pytorch_is_not_installed():
    done = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "True (600, 800)", done.stderr


def test_cutting_out_writes_nothing_into_a_home_and_contacts_nobody(tmp_path):
    """ONNX Runtime 1.32 wrote an identifier into HOME and looked its maker's server up as soon as it was imported."""

    def works(*command: str) -> bool:
        return bool(shutil.which(command[0])) and not subprocess.run(command, capture_output=True).returncode

    example().save(tmp_path / "a.png")
    home, calls = tmp_path / "home", tmp_path / "calls"
    home.mkdir()
    command = [sys.executable, "-m", "lib", "cutout", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png")]
    if works("strace", "true"):
        command = ["strace", "-f", "-e", "trace=socket", "-o", str(calls), *command]
    if works("unshare", "-rn", "true"):
        command = ["unshare", "-rn", *command]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    done = subprocess.run(command, cwd=ROOT, env=environment | {"HOME": str(home)}, capture_output=True, text=True)
    assert done.returncode == 0 and (tmp_path / "b.png").is_file(), done.stderr
    assert not list(home.rglob("*"))
    assert not calls.exists() or "AF_INET" not in calls.read_text()
