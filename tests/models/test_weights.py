"""The files of weights that a user may bring: torchvision's fill the encoder, others are refused by name."""

import hashlib
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn
from torchvision.models import Weights, WeightsEnum

from lib.base import UserError
from lib.models import weights
from lib.models.dim import VGG16Matting, deep_image_matting
from lib.models.weights import load_encoder

SHARED = Path(__file__).resolve().parents[3] / "shared" / "weights" / "vgg16_features_fp16.safetensors"


def torchvision_features(batch_norm: bool) -> nn.Sequential:
    build = torchvision.models.vgg16_bn if batch_norm else torchvision.models.vgg16
    with torch.device("meta"):  # shapes only: the classifier's 120 million weights are not needed
        return build(weights=None).features


def weights_file(folder: Path, batch_norm: bool, change=None) -> tuple[Path, dict[str, torch.Tensor]]:
    """A file with torchvision's names and shapes: drawn values, fp16, and a (shortened) classifier."""
    generator = torch.Generator().manual_seed(5)
    state = {
        f"features.{name}": torch.randn(value.shape, generator=generator).half() if value.ndim else torch.tensor(3)
        for name, value in torchvision_features(batch_norm).state_dict().items()
    }
    state["classifier.6.bias"] = torch.zeros(1000)
    if change:
        change(state)
    save_file(state, folder / "weights.safetensors")
    return folder / "weights.safetensors", state


@pytest.mark.parametrize(("in_file", "in_model"), [(False, False), (True, True), (False, True)])
def test_file_of_torchvision_fills_the_encoder(tmp_path, in_file, in_model):
    path, state = weights_file(tmp_path, in_file)
    model = VGG16Matting(batch_norm=in_model)
    load_encoder(model, str(path))
    wanted = [value for name, value in state.items() if name.startswith("features") and value.ndim == 4]
    found = [c for block in model.encoder for c in block if isinstance(c, nn.Conv2d)]
    assert len(found) == len(wanted) == 13
    for layer, value in zip(found, wanted, strict=True):
        assert layer.weight.dtype == torch.float32 and torch.equal(layer.weight, value.float())
    if in_file:
        variances = [value for name, value in state.items() if name.endswith("running_var")]
        norms = [n for block in model.encoder for n in block if isinstance(n, nn.BatchNorm2d)]
        assert all(torch.equal(n.running_var, v.float()) for n, v in zip(norms, variances, strict=True))


def test_with_weights_the_head_passes_rgb_and_stops_the_trimap(tmp_path):
    model = VGG16Matting(batch_norm=False)
    load_encoder(model, str(weights_file(tmp_path, False)[0]))
    image, trimap = torch.rand(2, 3, 16, 16), torch.randint(0, 3, (2, 1, 16, 16)) / 2
    assert torch.equal(model.head(torch.cat([image, trimap], dim=1)), image)


def test_no_weights_change_nothing():
    plain = VGG16Matting(batch_norm=False)
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    load_encoder(plain, "")
    assert all(torch.equal(before[name], value) for name, value in plain.state_dict().items())


def renamed(state):
    state["backbone.conv1.weight"] = state.pop("features.0.weight")


def reshaped(state):
    state["features.2.weight"] = torch.zeros(64, 64, 5, 5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (renamed, r"features\.0\.weight missing; backbone\.conv1\.weight unexpected"),
        (reshaped, r"features\.2\.weight has shape \(64, 64, 5, 5\), not \(64, 64, 3, 3\)"),
        (lambda state: [state.pop(name) for name in list(state)] + [state.update(x=torch.zeros(1))], "and 24 more"),
    ],
)
def test_file_of_another_model_is_refused_and_nothing_is_changed(tmp_path, change, words):
    path, _ = weights_file(tmp_path, False, change)
    model = VGG16Matting(batch_norm=False)
    before = model.encoder1[0].weight.detach().clone()
    with pytest.raises(UserError, match=words) as caught:
        load_encoder(model, str(path))
    assert str(path) in str(caught.value)
    assert torch.equal(before, model.encoder1[0].weight)


def test_norms_without_a_place_are_refused(tmp_path):
    path, _ = weights_file(tmp_path, True)
    with pytest.raises(UserError, match="with batch norm, the model has none"):
        load_encoder(VGG16Matting(batch_norm=False), str(path))


def test_missing_and_unreadable_files_are_refused(tmp_path):
    plain = VGG16Matting(batch_norm=False)
    with pytest.raises(UserError, match="found no file at .*nowhere"):
        load_encoder(plain, str(tmp_path / "nowhere.safetensors"))
    (tmp_path / "text.safetensors").write_text("these are no weights")
    with pytest.raises(UserError, match="not a readable safetensors file"):
        load_encoder(plain, str(tmp_path / "text.safetensors"))


def test_vgg_weights_fill_a_network_with_a_fourth_channel(tmp_path):
    donor = VGG16Matting(batch_norm=False)
    state, position = {}, 0
    for block in donor.encoder:
        for layer in block:
            if isinstance(layer, torch.nn.Conv2d):
                state[f"features.{position}.weight"] = torch.randn_like(layer.weight)
                state[f"features.{position}.bias"] = torch.randn_like(layer.bias)
            position += 1
        position += 1
    save_file(state, tmp_path / "vgg.safetensors")
    model = deep_image_matting().stage1
    load_encoder(model, str(tmp_path / "vgg.safetensors"))
    first = model.encoder1[0].weight
    assert torch.equal(first[:, :3], state["features.0.weight"])
    assert not first[:, 3:].any()  # the trimap is not seen at the start
    image, trimap = torch.rand(2, 3, 64, 64), torch.randint(0, 3, (2, 1, 64, 64)) / 2
    with torch.inference_mode():
        assert torch.equal(model(image, trimap), model(image, torch.zeros_like(trimap)))


def test_a_narrow_network_refuses_a_file_of_full_width(tmp_path):
    path, _ = weights_file(tmp_path, False)
    model = VGG16Matting(batch_norm=False, width=8)
    before = model.encoder1[0].weight.detach().clone()
    with pytest.raises(UserError, match="of a VGG-16 with 64 channels where the network has 8"):
        load_encoder(model, str(path))
    assert torch.equal(before, model.encoder1[0].weight)


def test_a_cached_file_of_torchvision_is_used_only_while_its_hash_is_right(tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    torch.save({"features.0.weight": torch.ones(2)}, folder / "weights.pth")
    digest = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()[:8]

    class Choice(WeightsEnum):
        IMAGENET1K_V1 = Weights(f"https://nowhere.invalid/vgg16-{digest}.pth", None, {})

    monkeypatch.setattr(torchvision.models, "VGG16_Weights", Choice)
    cached = (folder / "weights.pth").rename(folder / f"vgg16-{digest}.pth")
    assert torch.equal(weights._imagenet_state(False)["features.0.weight"], torch.ones(2))
    torch.save({"features.0.weight": torch.zeros(2)}, cached)  # as readable as before
    with pytest.raises(
        UserError, match=f"{cached.name}: expected a SHA-256 that begins with {digest}, found .*delete it"
    ):
        load_encoder(VGG16Matting(batch_norm=False, width=4), "imagenet")


class Trap:
    """Unpickled it makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


def test_a_cached_file_runs_nothing_though_its_hash_is_right(tmp_path, monkeypatch):
    (tmp_path / "checkpoints").mkdir()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    made = tmp_path / "weights.pth"
    torch.save({"features.0.weight": Trap(tmp_path / "ran")}, made)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()[:8]
    made.rename(tmp_path / "checkpoints" / f"vgg16-{digest}.pth")

    class Choice(WeightsEnum):
        IMAGENET1K_V1 = Weights(f"https://nowhere.invalid/vgg16-{digest}.pth", None, {})

    monkeypatch.setattr(torchvision.models, "VGG16_Weights", Choice)
    with pytest.raises(
        UserError, match=r"vgg16-.*\.pth: expected tensors and nothing else, found a file that would run code"
    ):
        weights._imagenet_state(False)
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(not SHARED.is_file(), reason="no weights file beside the repository")
def test_a_real_imagenet_file_fills_the_encoder():
    normed = VGG16Matting()
    load_encoder(normed, str(SHARED))
    stored = load_file(SHARED)
    assert torch.equal(normed.encoder1[0].weight, stored["features.0.weight"].float())
    assert torch.equal(normed.encoder5[6].bias, stored["features.28.bias"].float())
