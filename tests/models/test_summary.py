"""The table of layers: shapes from arithmetic, parameters counted by hand."""

import pytest
import torch
import torchvision

from lib.models.summary import summary
from lib.models.vgg import VGG16Matting, deep_image_matting


@pytest.fixture(scope="module")
def normed() -> VGG16Matting:
    return VGG16Matting().eval()


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
    decoder = sum(
        outputs * inputs * kernel**2 + outputs + 2 * outputs
        for inputs, outputs, kernel in [
            (512, 512, 1),
            (512, 512, 5),
            (512, 256, 5),
            (256, 128, 5),
            (128, 64, 5),
            (64, 64, 5),
        ]
    )
    with torch.device("meta"):  # shapes only: the classifier's 120 million weights are not needed
        encoder = sum(p.numel() for p in torchvision.models.vgg16_bn(weights=None).features.parameters())
    last = 64 * 25 + 1
    assert sum(p.numel() for p in normed.parameters()) == head + encoder + decoder + last
    assert summary(normed)["parameters"].sum() == head + encoder + decoder + last


def test_pooling_as_written_grows_the_map_by_one_each_time():
    table = summary(VGG16Matting(batch_norm=False, pooling="as_written"), (16, 20)).set_index("layer")
    assert table.loc[["pool1", "pool2", "pool3", "pool4"], "height"].tolist() == [17, 18, 19, 20]
    assert table.loc[["unpool4", "unpool3", "unpool2", "unpool1"], "height"].tolist() == [19, 18, 17, 16]
    assert table.loc["alpha", ["height", "width"]].tolist() == [16, 20]


def test_full_width_has_the_papers_layers():
    # 14 encoder convolutions, deconv6 ... deconv1 and the raw alpha: counted from the paper's text.
    table = summary(deep_image_matting().stage1, 64)
    convolutions = table[table.kind == "Conv2d"]
    assert len(convolutions[convolutions.layer.str.startswith(("encoder", "conv6"))]) == 14
    assert table.layer[table.kind == "MaxPool2d"].tolist() == [f"pool{n}" for n in range(1, 6)]
    assert table.layer[table.kind == "MaxUnpool2d"].tolist() == [f"unpool{n}" for n in range(5, 0, -1)]
    assert table.channels[table.kind == "MaxUnpool2d"].tolist() == [512, 512, 256, 128, 64]
    by_hand = (
        14_714_688
        + 64 * 9  # VGG-16's convolutions, and the fourth channel of the first
        + 512 * 512
        + 512  # conv6, 1x1
        + 512 * 512
        + 512  # deconv6, 1x1
        + sum(a * b * 25 + b for a, b in [(512, 512), (512, 256), (256, 128), (128, 64), (64, 64), (64, 1)])
    )
    assert sum(p.numel() for p in deep_image_matting().stage1.parameters()) == by_hand
