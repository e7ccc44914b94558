"""The full network of Deep Image Matting: its options, its weights' start, its refinement."""

import pytest
import torch
from safetensors.torch import save_file

from lib.base import UserError
from lib.models.dim import TwoStage, VGG16Matting, deep_image_matting
from lib.models.summary import summary
from lib.models.weights import load_encoder


def pictures(side: int = 64, n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(n, 3, side, side, generator=generator)
    trimap = torch.randint(0, 3, (n, 1, side, side), generator=generator) / 2
    return image, trimap


def test_full_width_has_the_papers_layers():
    # 14 encoder convolutions, deconv6 ... deconv1 and the raw alpha: counted from the paper's text.
    table = summary(deep_image_matting().stage1, 64)
    convolutions = table[table.kind == "Conv2d"]
    assert len(convolutions[convolutions.layer.str.startswith(("encoder", "conv6"))]) == 14
    assert table.layer[table.kind == "MaxPool2d"].tolist() == [f"pool{n}" for n in range(1, 6)]
    assert table.layer[table.kind == "MaxUnpool2d"].tolist() == [f"unpool{n}" for n in range(5, 0, -1)]
    assert table.channels[table.kind == "MaxUnpool2d"].tolist() == [512, 512, 256, 128, 64]
    by_hand = (14_714_688 + 64 * 9  # VGG-16's convolutions, and the fourth channel of the first
               + 512 * 512 + 512  # conv6, 1x1
               + 512 * 512 + 512 + sum(a * b * 25 + b for a, b in [(512, 512), (512, 256), (256, 128), (128, 64), (64, 64),
                                                                    (64, 1)]))
    assert sum(p.numel() for p in deep_image_matting().stage1.parameters()) == by_hand


def test_the_studys_network_is_not_touched_by_the_options():
    table = summary(VGG16Matting(), 28)
    assert "Identity" not in set(table.kind)
    assert (table.kind == "MaxPool2d").sum() == (table.kind == "MaxUnpool2d").sum() == 4


@pytest.mark.parametrize("side", [32, 45, 64])
def test_any_size_and_range(side):
    model = deep_image_matting(width=8, batch_norm=True).eval()
    with torch.inference_mode():
        alpha = model(*pictures(side))
    assert alpha.shape == (2, 1, side, side) and alpha.dtype == torch.float32
    assert 0 <= alpha.min() and alpha.max() <= 1


def test_too_small_is_said():
    with pytest.raises(UserError, match=r"size: expected at least 32x32 px \(5 poolings\), found 28x28"):
        deep_image_matting(width=8)(*pictures(28))
    with pytest.raises(UserError, match="pools: expected 4 or 5, found 3"):
        VGG16Matting(pools=3)


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
    first = model.encoder[0][0].weight
    assert torch.equal(first[:, :3], state["features.0.weight"])
    assert not first[:, 3:].any()  # the trimap is not seen at the start
    image, trimap = pictures()
    with torch.inference_mode():
        assert torch.equal(model(image, trimap), model(image, torch.zeros_like(trimap)))


def test_refinement_starts_as_the_identity_and_can_correct_both_ways():
    model = deep_image_matting(width=8)
    image, trimap = pictures()
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
    model(*pictures()).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_a_stage_of_any_kind_can_be_refined():
    study = TwoStage(VGG16Matting(width=8), width=8, batch_norm=True).eval()
    with torch.inference_mode():
        assert study(*pictures(28)).shape == (2, 1, 28, 28)
