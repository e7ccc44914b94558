"""The network against torchvision's VGG-16, a hand-computed unpooling, and the files a user may bring."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import load_file, save_file
from torch import nn

from lib.base import UserError
from lib.models.dim import VGG16Matting
from lib.models.layers import IMAGENET_MEAN, IMAGENET_STD, SamePadConv2d, initialise
from lib.models.summary import summary
from lib.models.weights import load_encoder

SHARED = Path(__file__).resolve().parents[3] / "shared" / "weights" / "vgg16_features_fp16.safetensors"


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


@pytest.mark.parametrize("batch_norm", [False, True])
def test_encoder_has_the_layers_and_parameters_of_torchvisions_vgg16(batch_norm, plain, normed):
    ours = [layer for block in (normed if batch_norm else plain).encoder for layer in block]
    theirs = [layer for layer in torchvision_features(batch_norm) if not isinstance(layer, nn.MaxPool2d)]
    assert [type(layer) for layer in ours] == [type(layer) for layer in theirs]
    assert [[tuple(p.shape) for p in layer.parameters()] for layer in ours] == [
        [tuple(p.shape) for p in layer.parameters()] for layer in theirs]
    assert [(c.kernel_size, c.stride, c.padding) for c in ours if isinstance(c, nn.Conv2d)] == [
        ((3, 3), (1, 1), (1, 1))] * 13
    count = sum(p.numel() for layer in ours for p in layer.parameters())
    assert count == sum(p.numel() for layer in theirs for p in layer.parameters())
    assert batch_norm or count == 14_714_688  # VGG-16's 138,357,544 without its three linear layers


def test_encoder_computes_what_torchvisions_vgg16_computes(plain):
    reference = nn.Sequential(*torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"]))
    convolutions = [c for c in reference if isinstance(c, nn.Conv2d)]
    ours = [c for block in plain.encoder for c in block if isinstance(c, nn.Conv2d)]
    for mine, theirs in zip(ours, convolutions, strict=True):
        theirs.load_state_dict(mine.state_dict())
    seen, taken = [], []
    handles = [plain.head.register_forward_hook(lambda layer, given, output: taken.append(output)),
               plain.encoder[4].register_forward_hook(lambda layer, given, output: seen.append(output))]
    with torch.no_grad():
        plain(*inputs(30, 44))
        expected = reference[:-1](taken[0])  # all but the fifth pooling
    for handle in handles:
        handle.remove()
    torch.testing.assert_close(seen[0], expected)


def test_shapes_at_28_px_follow_the_arithmetic_of_four_halvings(normed):
    table = summary(normed, 28).set_index("layer")
    pools = table.loc[["pool1", "pool2", "pool3", "pool4"], ["channels", "height", "width"]]
    assert pools.to_numpy().tolist() == [[64, 14, 14], [128, 7, 7], [256, 3, 3], [512, 1, 1]]
    unpools = table.loc[["unpool4", "unpool3", "unpool2", "unpool1"], ["channels", "height", "width"]]
    assert unpools.to_numpy().tolist() == [[512, 3, 3], [256, 7, 7], [128, 14, 14], [64, 28, 28]]
    kinds = table["kind"].value_counts()
    assert kinds["Conv2d"] == 1 + 13 + 6 + 1 and kinds["MaxPool2d"] == kinds["MaxUnpool2d"] == 4


def test_parameter_count_is_that_of_the_layers_the_study_names(normed):
    head = 3 * 4 * 9 + 3
    decoder = sum(outputs * inputs * kernel**2 + outputs + 2 * outputs for inputs, outputs, kernel in
                  [(512, 512, 1), (512, 512, 5), (512, 256, 5), (256, 128, 5), (128, 64, 5), (64, 64, 5)])
    encoder = sum(p.numel() for p in torchvision_features(True).parameters())
    last = 64 * 25 + 1
    assert sum(p.numel() for p in normed.parameters()) == head + encoder + decoder + last
    assert summary(normed)["parameters"].sum() == head + encoder + decoder + last


def test_summary_leaves_no_hooks_and_keeps_the_mode(plain):
    plain.train()
    summary(plain, (20, 40))
    assert plain.training
    plain.eval()
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in plain.modules())


@pytest.mark.parametrize("size", [(16, 16), (28, 28), (30, 30), (47, 33), (64, 64)])
def test_any_size_gives_alpha_of_that_size(plain, size):
    with torch.no_grad():
        alpha = plain(*inputs(*size))
    assert alpha.shape == (2, 1, *size) and alpha.dtype == torch.float32
    assert 0 <= alpha.min() and alpha.max() <= 1


def test_smaller_than_16_px_is_refused(plain):
    with pytest.raises(UserError, match="at least 16x16 px.*found 15x20"):
        plain(*inputs(15, 20))


def test_unknown_pooling_is_refused():
    with pytest.raises(UserError, match="pooling: expected one of halving, as_written, found 'max'"):
        VGG16Matting(pooling="max")


def test_unpooling_by_hand(plain):
    x = torch.tensor([[1.0, 2.0, 3.0, 0.0, 5.0],
                      [4.0, 0.0, 0.0, 9.0, 6.0],
                      [7.0, 7.5, 0.0, 1.0, 7.0],
                      [0.0, 0.0, 2.0, 0.0, 8.0],
                      [1.0, 1.0, 1.0, 1.0, 9.0]]).view(1, 1, 5, 5)
    pooled, indices = F.max_pool2d(x, **plain.window, return_indices=True)
    assert pooled.flatten().tolist() == [4.0, 9.0, 7.5, 2.0]
    back = F.max_unpool2d(pooled * 10, indices, **plain.window, output_size=(5, 5))
    assert back.view(5, 5).tolist() == [[0, 0, 0, 0, 0],
                                        [40, 0, 0, 90, 0],
                                        [0, 75, 0, 0, 0],
                                        [0, 0, 20, 0, 0],
                                        [0, 0, 0, 0, 0]]


def test_network_unpools_to_where_its_own_maxima_were(plain):
    """Each decoder block sees the block before it, spread to the encoder's maxima, found here by loops."""
    seen = {}
    handles = [plain.encoder[3].register_forward_hook(lambda layer, given, out: seen.update(encoded=out)),
               plain.decoder[1].register_forward_hook(lambda layer, given, out: seen.update(decoded=out)),
               plain.decoder[2].register_forward_pre_hook(lambda layer, given: seen.update(unpooled=given[0]))]
    with torch.no_grad():
        plain(*inputs(60, 41, n=1))
    for handle in handles:
        handle.remove()
    encoded, decoded = seen["encoded"][0].numpy(), seen["decoded"][0].numpy()
    assert encoded.shape[1:] == (7, 5) and decoded.shape[1:] == (3, 2)
    expected = np.zeros_like(encoded)
    for channel, row, column in np.ndindex(decoded.shape):
        window = encoded[channel, 2 * row:2 * row + 2, 2 * column:2 * column + 2]
        y, x = np.unravel_index(window.argmax(), (2, 2))
        expected[channel, 2 * row + y, 2 * column + x] = decoded[channel, row, column]
    assert np.array_equal(seen["unpooled"][0].numpy(), expected)


def test_pooling_as_written_grows_the_map_by_one_each_time():
    model = VGG16Matting(batch_norm=False, pooling="as_written").eval()
    table = summary(model, 16).set_index("layer")
    assert table.loc[["pool1", "pool2", "pool3", "pool4"], "height"].tolist() == [17, 18, 19, 20]
    assert table.loc[["unpool4", "unpool3", "unpool2", "unpool1"], "height"].tolist() == [19, 18, 17, 16]
    assert table.loc["alpha", ["height", "width"]].tolist() == [16, 16]


def test_image_is_normalised_as_imagenet(plain):
    given = []
    handle = plain.head.register_forward_pre_hook(lambda layer, values: given.append(values[0]))
    image, trimap = inputs(16, 16, n=1)
    plain(image, trimap)
    handle.remove()
    expected = torchvision.transforms.functional.normalize(image, IMAGENET_MEAN, IMAGENET_STD)
    torch.testing.assert_close(given[0], torch.cat([expected, trimap], dim=1))


def test_weights_are_a_function_of_the_seed_alone(plain):
    model = VGG16Matting(batch_norm=False)
    torch.manual_seed(7)
    initialise(model, 3)
    first = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(8)
    initialise(model, 3)
    assert all(torch.equal(first[name], value) for name, value in model.state_dict().items())
    initialise(model, 4)
    assert not torch.equal(first["encoder.0.0.weight"], model.encoder[0][0].weight)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 3), (6, 5)])
def test_padded_taps_left_out_change_nothing(size):
    layer = SamePadConv2d(3, 4, 5).double()
    x = torch.rand(2, 3, *size, dtype=torch.float64, requires_grad=True)
    expected = F.conv2d(x, layer.weight, layer.bias, padding=2)
    torch.testing.assert_close(layer(x), expected)
    found = torch.autograd.grad(layer(x).square().sum(), [x, layer.weight, layer.bias])
    wanted = torch.autograd.grad(expected.square().sum(), [x, layer.weight, layer.bias])
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_bf16_gradients_are_written_everywhere(normed):
    """At 28 px the decoder's 5x5 kernel sees a 1x1 map: the gradient of its 24 outer taps is 0, not old memory."""
    layer = normed.decoder[1][0]
    for _ in range(3):
        junk = torch.full((layer.weight.numel(),), float("nan"), dtype=torch.bfloat16)
        del junk  # the next allocation of this size may find the NaN again
        with torch.autocast("cpu", torch.bfloat16):
            output = layer(torch.ones(4, 512, 1, 1))
        gradient, = torch.autograd.grad(output.float().sum(), [layer.weight])
        assert (gradient[:, :, 2, 2] == 4).all()
        gradient[:, :, 2, 2] = 0
        assert (gradient == 0).all()


def test_gradients_reach_every_layer():
    model = VGG16Matting().train()
    model(*inputs(28, 28)).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


# ------------------------------------------------------------------------------------------ weights files


def weights_file(folder: Path, batch_norm: bool, change=None) -> tuple[Path, dict[str, torch.Tensor]]:
    """A file with torchvision's names and shapes: drawn values, fp16, and a (shortened) classifier."""
    generator = torch.Generator().manual_seed(5)
    state = {f"features.{name}": torch.randn(value.shape, generator=generator).half() if value.ndim
             else torch.tensor(3) for name, value in torchvision_features(batch_norm).state_dict().items()}
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
    image, trimap = inputs(16, 16)
    assert torch.equal(model.head(torch.cat([image, trimap], dim=1)), image)


def test_no_weights_change_nothing(plain):
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    load_encoder(plain, "")
    assert all(torch.equal(before[name], value) for name, value in plain.state_dict().items())


def renamed(state):
    state["backbone.conv1.weight"] = state.pop("features.0.weight")


def reshaped(state):
    state["features.2.weight"] = torch.zeros(64, 64, 5, 5)


@pytest.mark.parametrize(("change", "words"), [
    (renamed, r"features\.0\.weight missing; backbone\.conv1\.weight unexpected"),
    (reshaped, r"features\.2\.weight has shape \(64, 64, 5, 5\), not \(64, 64, 3, 3\)"),
    (lambda state: [state.pop(name) for name in list(state)] + [state.update(x=torch.zeros(1))], "and 24 more")])
def test_file_of_another_model_is_refused_and_nothing_is_changed(tmp_path, change, words):
    path, _ = weights_file(tmp_path, False, change)
    model = VGG16Matting(batch_norm=False)
    before = model.state_dict()["encoder.0.0.weight"].clone()
    with pytest.raises(UserError, match=words) as caught:
        load_encoder(model, str(path))
    assert str(path) in str(caught.value)
    assert torch.equal(before, model.encoder[0][0].weight)


def test_norms_without_a_place_are_refused(tmp_path):
    path, _ = weights_file(tmp_path, True)
    with pytest.raises(UserError, match="with batch norm, the model has none"):
        load_encoder(VGG16Matting(batch_norm=False), str(path))


def test_missing_and_unreadable_files_are_refused(tmp_path, plain):
    with pytest.raises(UserError, match="found no file at .*nowhere"):
        load_encoder(plain, str(tmp_path / "nowhere.safetensors"))
    (tmp_path / "text.safetensors").write_text("these are no weights")
    with pytest.raises(UserError, match="not a readable safetensors file"):
        load_encoder(plain, str(tmp_path / "text.safetensors"))


@pytest.mark.skipif(not SHARED.is_file(), reason="no weights file beside the repository")
def test_a_real_imagenet_file_fills_the_encoder(normed):
    load_encoder(normed, str(SHARED))
    stored = load_file(SHARED)
    assert torch.equal(normed.encoder[0][0].weight, stored["features.0.weight"].float())
    assert torch.equal(normed.encoder[4][6].bias, stored["features.28.bias"].float())
