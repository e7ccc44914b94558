"""The study's network against torchvision's VGG-16, its variants, both stages of Deep Image Matting, files of weights."""

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn
from torchvision.models import Weights, WeightsEnum

from lib.base import UserError
from lib.models.layers import IMAGENET_MEAN, IMAGENET_STD, Unpool
from lib.models.vgg import TwoStage, VGG16Matting, build_study_network, deep_image_matting, load_vgg_weights


def torchvision_features(batch_norm: bool) -> nn.Sequential:
    build = torchvision.models.vgg16_bn if batch_norm else torchvision.models.vgg16
    with torch.device("meta"):  # shapes only: the classifier's 120 million weights are not needed
        return build(weights=None).features


@pytest.fixture(scope="module")
def plain() -> VGG16Matting:
    return VGG16Matting(batch_norm=False).eval()


@pytest.fixture(scope="module")
def normed() -> VGG16Matting:
    return VGG16Matting().eval()


def inputs(height: int, width: int, n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(n, 3, height, width, generator=generator)
    return image, torch.randint(0, 3, (n, 1, height, width), generator=generator) / 2


def convolutions_of(model: VGG16Matting) -> list[nn.Conv2d]:
    return [layer for block in model.encoder for layer in block if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_encoder_has_the_layers_and_parameters_of_torchvisions_vgg16(batch_norm, plain, normed):
    ours = [layer for block in (normed if batch_norm else plain).encoder for layer in block]
    theirs = [layer for layer in torchvision_features(batch_norm) if not isinstance(layer, nn.MaxPool2d)]
    assert [type(layer) for layer in ours] == [type(layer) for layer in theirs]
    shapes = [[[tuple(p.shape) for p in layer.parameters()] for layer in layers] for layers in (ours, theirs)]
    assert shapes[0] == shapes[1]
    assert {(c.kernel_size, c.stride, c.padding) for c in ours if isinstance(c, nn.Conv2d)} == {
        ((3, 3), (1, 1), (1, 1))
    }
    count = sum(p.numel() for layer in ours for p in layer.parameters())
    assert batch_norm or count == 14_714_688  # VGG-16's 138,357,544 without its three linear layers


def test_encoder_computes_what_torchvisions_vgg16_computes(plain):
    reference = nn.Sequential(*torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"]))
    theirs = [c for c in reference if isinstance(c, nn.Conv2d)]
    for layer, other in zip(convolutions_of(plain), theirs, strict=True):
        other.load_state_dict(layer.state_dict())
    outputs = []
    handles = [
        layer.register_forward_hook(lambda layer, given, output: outputs.append(output))
        for layer in (plain.head, plain.encoder5)
    ]
    with torch.no_grad():
        plain(*inputs(30, 44))
        expected = reference[:-1](outputs[0])  # all but the fifth pooling
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(outputs[1], expected)


@pytest.mark.parametrize("size", [(16, 16), (28, 28), (47, 33)])
def test_any_size_gives_alpha_of_that_size(plain, size):
    with torch.no_grad():
        alpha = plain(*inputs(*size))
    assert alpha.shape == (2, 1, *size) and alpha.dtype == torch.float32
    assert 0 <= alpha.min() and alpha.max() <= 1


def test_what_cannot_be_is_refused(plain):
    with pytest.raises(UserError, match="at least 16x16 px.*found 15x20"):
        plain(*inputs(15, 20))
    with pytest.raises(UserError, match=r"size: expected at least 32x32 px \(5 poolings\), found 28x28"):
        deep_image_matting(width=8)(*inputs(28, 28))
    with pytest.raises(UserError, match="pooling: expected one of halving, as_written, found 'max'"):
        VGG16Matting(pooling="max")
    with pytest.raises(UserError, match="pools: expected 4 or 5, found 3"):
        VGG16Matting(pools=3)


def test_network_unpools_to_where_its_own_maxima_were(plain):
    """Each decoder block gets the block before it, spread to the encoder's maxima, which loops find here."""
    maps = {}
    handles = [
        plain.encoder4.register_forward_hook(lambda layer, given, out: maps.update(encoded=out)),
        plain.decoder5.register_forward_hook(lambda layer, given, out: maps.update(decoded=out)),
        plain.decoder4.register_forward_pre_hook(lambda layer, given: maps.update(unpooled=given[0])),
    ]
    with torch.no_grad():
        plain(*inputs(60, 41, n=1))
    for handle in handles:
        handle.remove()
    encoded, decoded = maps["encoded"][0].numpy(), maps["decoded"][0].numpy()
    assert encoded.shape[1:] == (7, 5) and decoded.shape[1:] == (3, 2)
    expected = np.zeros_like(encoded)
    for channel, row, column in np.ndindex(decoded.shape):
        window = encoded[channel, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        y, x = np.unravel_index(window.argmax(), (2, 2))
        expected[channel, 2 * row + y, 2 * column + x] = decoded[channel, row, column]
    assert np.array_equal(maps["unpooled"][0].numpy(), expected)


def test_image_is_normalised_as_imagenet(plain):
    head_inputs = []
    handle = plain.head.register_forward_pre_hook(lambda layer, values: head_inputs.append(values[0]))
    image, trimap = inputs(16, 16, n=1)
    plain(image, trimap)
    handle.remove()
    expected = torchvision.transforms.functional.normalize(image, IMAGENET_MEAN, IMAGENET_STD)
    torch.testing.assert_close(head_inputs[0], torch.cat([expected, trimap], dim=1))


def test_gradients_reach_every_layer():
    model = VGG16Matting().train()
    model(*inputs(28, 28)).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


# ---------------------------------------------------------------------------------------------------------- both stages


@pytest.mark.parametrize("side", [32, 45])
def test_both_stages_take_any_size(side):
    model = deep_image_matting(width=8, batch_norm=True).eval()
    with torch.inference_mode():
        alpha = model(*inputs(side, side))
    assert alpha.shape == (2, 1, side, side) and alpha.dtype == torch.float32
    assert 0 <= alpha.min() and alpha.max() <= 1


def test_refinement_starts_as_the_identity_and_can_correct_both_ways():
    model = deep_image_matting(width=8)
    image, trimap = inputs(64, 64)
    rough, refined = model.stages(image, trimap)
    assert torch.equal(rough, refined)
    for sign in (1, -1):
        with torch.no_grad():
            model.refinement[-1].bias.fill_(sign * 2.0)
        rough, refined = model.stages(image, trimap)
        expected = torch.sigmoid(torch.logit(rough.double(), eps=1e-12) + sign * 2.0)
        assert torch.allclose(refined.double(), expected, atol=1e-5)


def test_gradients_of_the_refinement_reach_both_stages():
    model = deep_image_matting(width=8)
    torch.nn.init.normal_(model.refinement[-1].weight)
    model(*inputs(64, 64)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_studys_network_can_be_refined():
    study = TwoStage(VGG16Matting(width=8), width=8, batch_norm=True).eval()
    with torch.inference_mode():
        assert study(*inputs(28, 28)).shape == (2, 1, 28, 28)


# ------------------------------------------------------------------------------------------------------------- variants


STUDY = {"network": "study's", "batch_norm": True, "pooling": "halving", "unpooling": "places", "skips": False}
STUDY |= {"four_channels": False, "normalisation": "imagenet", "decoder_kernel": 5}


def variant(width: int = 8, **options) -> VGG16Matting:
    return build_study_network(SimpleNamespace(**STUDY | {"width": width} | options)).eval()


def weights_of(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("unpooling", ["places", "bilinear", "transposed"])
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("side", [28, 37])
def test_any_structure_gives_alpha_of_the_images_size(unpooling, skips, side):
    alpha = variant(unpooling=unpooling, skips=skips)(*inputs(side, side))
    assert alpha.shape == (2, 1, side, side) and 0 <= alpha.min() and alpha.max() <= 1


def test_by_default_it_is_the_studys_network():
    model, study = variant(16), VGG16Matting(width=16).eval()
    model.load_state_dict(study.state_dict())
    assert torch.equal(model(*inputs(28, 28)), study(*inputs(28, 28)))


def test_skips_and_bilinear_have_no_weights_of_their_own_and_transposed_has():
    plain = weights_of(variant(16))
    assert weights_of(variant(16, skips=True)) == weights_of(variant(16, unpooling="bilinear")) == plain
    learnt = sum(4 * c * c + c for c in (16, 32, 64, 128))  # 2x2 kernels from c to c channels, with biases
    assert weights_of(variant(16, unpooling="transposed")) == plain + learnt


def test_a_skip_adds_the_encoders_map():
    """With an unpooling that takes the encoder's maps away, the deepest first, the plain network is left."""
    plain, skipping = variant(), variant(skips=True)
    skipping.load_state_dict(plain.state_dict())
    maps = []
    for encoder in skipping.encoder[:4]:
        encoder.register_forward_hook(lambda layer, given, output: maps.append(output))

    class Less(Unpool):
        def forward(self, x, place):
            return super().forward(x, place) - maps.pop()

    skipping.unpool = Less(2, 2)
    with torch.no_grad():
        torch.testing.assert_close(skipping(*inputs(28, 28)), plain(*inputs(28, 28)), atol=1e-5, rtol=0)


def test_the_trimap_as_a_fourth_channel_has_no_head():
    model = variant(four_channels=True)
    assert isinstance(model.head, nn.Identity) and model.encoder1[0].in_channels == 4


# ----------------------------------------------------------------------------------------------------- files of weights


def weights_file(folder: Path, batch_norm: bool, change=None) -> tuple[str, dict[str, torch.Tensor]]:
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
    return str(folder / "weights.safetensors"), state


@pytest.mark.parametrize(("in_file", "in_model"), [(False, False), (True, True), (False, True)])
def test_file_of_torchvision_fills_the_encoder(tmp_path, in_file, in_model):
    path, state = weights_file(tmp_path, in_file)
    model = VGG16Matting(batch_norm=in_model)
    load_vgg_weights(model, path)
    expected = [value for name, value in state.items() if name.startswith("features") and value.ndim == 4]
    for layer, value in zip(convolutions_of(model), expected, strict=True):
        assert layer.weight.dtype == torch.float32 and torch.equal(layer.weight, value.float())
    if in_file:
        variances = [value for name, value in state.items() if name.endswith("running_var")]
        norms = [n for block in model.encoder for n in block if isinstance(n, nn.BatchNorm2d)]
        assert all(torch.equal(n.running_var, v.float()) for n, v in zip(norms, variances, strict=True))


def test_with_weights_the_head_passes_rgb_and_stops_the_trimap(tmp_path):
    model = VGG16Matting(batch_norm=False)
    load_vgg_weights(model, weights_file(tmp_path, False)[0])
    image, trimap = inputs(16, 16)
    assert torch.equal(model.head(torch.cat([image, trimap], dim=1)), image)


def test_weights_fill_a_network_with_a_fourth_channel(tmp_path):
    path, state = weights_file(tmp_path, False)
    model = deep_image_matting().stage1
    load_vgg_weights(model, path)
    first = model.encoder1[0].weight
    assert torch.equal(first[:, :3], state["features.0.weight"].float())
    assert not first[:, 3:].any()  # the trimap has no effect at the start


def test_no_weights_change_nothing(plain):
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    load_vgg_weights(plain, "")
    assert all(torch.equal(before[name], value) for name, value in plain.state_dict().items())


def renamed(state):
    state["backbone.conv1.weight"] = state.pop("features.0.weight")


def reshaped(state):
    state["features.2.weight"] = torch.zeros(64, 64, 5, 5)


@pytest.mark.parametrize(
    ("in_file", "width", "change", "words"),
    [
        (False, 64, renamed, r"Missing key.*features\.0\.weight.*Unexpected key.*backbone\.conv1\.weight"),
        (False, 64, reshaped, r"size mismatch for features\.2\.weight: .*64, 64, 5, 5.*64, 64, 3, 3"),
        (False, 8, None, r"size mismatch for features\.0\.weight.*set width to 64"),
        (True, 64, None, "vgg16_bn file for a network with batch norm"),
    ],
)
def test_file_of_another_model_is_refused(tmp_path, in_file, width, change, words):
    path, _ = weights_file(tmp_path, in_file, change)
    with pytest.raises(UserError, match=words) as caught:
        load_vgg_weights(VGG16Matting(batch_norm=False, width=width), path)
    assert path in str(caught.value) and "\n" not in str(caught.value)


def test_missing_and_unreadable_files_are_refused(tmp_path, plain):
    with pytest.raises(UserError, match="nowhere.safetensors: .*found none that can be read"):
        load_vgg_weights(plain, str(tmp_path / "nowhere.safetensors"))
    (tmp_path / "text.safetensors").write_text("these are no weights")
    with pytest.raises(UserError, match="text.safetensors: .*found none that can be read"):
        load_vgg_weights(plain, str(tmp_path / "text.safetensors"))


class Trap:
    """Unpickled it makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A function that puts a file of torchvision's, of the right name and hash, where PyTorch keeps what it downloads."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def put(content) -> Path:
        file = tmp_path / "checkpoints" / "weights.pth"
        file.parent.mkdir()
        torch.save(content, file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]

        class Choice(WeightsEnum):
            IMAGENET1K_V1 = Weights(f"https://nowhere.invalid/vgg16-{digest}.pth", None, {})

        monkeypatch.setattr(torchvision.models, "VGG16_Weights", Choice)
        return file.rename(file.with_name(f"vgg16-{digest}.pth"))

    return put


def test_a_cached_file_of_torchvision_is_used_only_while_its_hash_is_right(tmp_path, cached):
    _, state = weights_file(tmp_path, False)
    file, model = cached(state), VGG16Matting(batch_norm=False)
    load_vgg_weights(model, "imagenet")
    assert torch.equal(model.encoder1[0].weight, state["features.0.weight"].float())
    torch.save({**state, "features.0.weight": torch.zeros(64, 3, 3, 3)}, file)  # as readable as before
    with pytest.raises(UserError, match=f"{file.name}: expected a SHA-256 that begins with .*, found .*delete it"):
        load_vgg_weights(model, "imagenet")


def test_a_cached_file_runs_nothing_though_its_hash_is_right(tmp_path, cached):
    cached({"features.0.weight": Trap(tmp_path / "ran")})
    with pytest.raises(UserError, match=r"could not load https://nowhere.invalid/vgg16-.*\.pth"):
        load_vgg_weights(VGG16Matting(batch_norm=False, width=4), "imagenet")
    assert not (tmp_path / "ran").exists()
