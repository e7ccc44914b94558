"""Background Matting V2: size as published, the refiner's windows, bad input; its outputs beside the MIT package's."""

import pytest
import torch
from models.published import background_matting, convolutions_of_stride_2, resnet50, timm_lite0
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lib.base import UserError
from lib.models.bgmv2 import MODES, BackgroundMatting, Base, Refiner


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def small(mode: str = "full", pixels: float = 80_000, encoder: nn.Module | None = None) -> BackgroundMatting:
    torch.manual_seed(0)
    base = Base(encoder or convolutions_of_stride_2(6), aspp=64, rates=(2, 4, 6), decoder=(64, 48, 32), hidden=16)
    return _lively(BackgroundMatting(base, Refiner(16, mode, pixels), scale=0.5))


def _lively(model: nn.Module) -> nn.Module:
    """Large last weights and norms that have seen data, so that outputs spread over [0,1] and nothing cancels."""
    generator = torch.Generator().manual_seed(1)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1, generator=generator)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(layer.weight, 0.8, 1.6, generator=generator)
            nn.init.normal_(layer.bias, 0, 0.2, generator=generator)
    for last in (model.base.decode1, model.refiner.at_full[-1]):
        nn.init.normal_(last.weight, 0, 0.15, generator=generator)
    return model


def inputs(height: int, width: int, n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, 3, height, width, generator=generator), torch.rand(n, 3, height, width, generator=generator)


def test_networks_have_the_published_size():
    with torch.device("meta"):
        mobile, large = background_matting(), background_matting(resnet50(6))
    split = {name: parameters(part) for name, part in (*mobile.base.named_children(), ("refiner", mobile.refiner))}
    assert (split["encoder"], split["aspp"], split["refiner"]) == (1_812_576, 2_706_432, 15_444)
    assert sum(count for name, count in split.items() if name.startswith("decode")) == 472_387
    assert parameters(mobile) == 5_006_839  # published: 5.007 million
    assert parameters(large) == 40_247_703  # published: 40.248 million


def test_base_does_the_published_work():
    with torch.device("meta"):
        base = background_matting().base.eval()
    for size, expected in (((240, 320), 4.36), ((120, 160), 1.11), ((60, 80), 0.28)):
        with FlopCounterMode(display=False) as counted:
            base(torch.empty(1, 6, *size, device="meta"))
        assert counted.get_total_flops() / 2e9 == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(64, 48), (61, 43), (35, 70)])
def test_any_size_gives_a_matte_of_that_size(mode, size):
    with torch.inference_mode():
        matte = small(mode, pixels=320).eval()(*inputs(*size))
    assert matte.alpha.shape == (2, 1, *size) and matte.foreground.shape == (2, 3, *size)
    height, width = (-(-side // 4) * 4 for side in size)
    assert matte.coarse_alpha.shape == (2, 1, height // 2, width // 2) == matte.error.shape
    assert matte.refined.shape == (2, 1, height // 4, width // 4)
    assert all(0 <= each.min() and each.max() <= 1 for each in matte[:-1])


def test_a_size_that_4_does_not_divide_is_that_of_the_picture_repeated_at_its_border():
    model = small().eval()
    image, plate = inputs(30, 41)
    longer = [torch.nn.functional.pad(each, (0, 3, 0, 2), mode="replicate") for each in (image, plate)]
    with torch.inference_mode():
        torch.testing.assert_close(model(image, plate).alpha, model(*longer).alpha[..., :30, :41])


def test_a_plate_of_another_size_is_refused():
    image, plate = inputs(64, 48)
    with pytest.raises(UserError, match="plate: expected the picture's size, 64x48 px .2 of them., found 32x48 px"):
        small()(image, plate[..., :32, :])
    with pytest.raises(UserError, match="plate: expected .* found 64x48 px;"):
        small()(image, plate[:1])


def test_unknown_options_are_refused():
    with pytest.raises(UserError, match="mode: expected one of sampling, full, found 'half'"):
        Refiner(mode="half")
    with pytest.raises(UserError, match="scale: expected more than 0 and at most 0.5, found 0.75"):
        BackgroundMatting(small().base, Refiner(16), scale=0.75)


# ------------------------------------------------------------------------------------------------ the refiner's cells


def test_full_mode_is_all_cells_selected():
    model = small(pixels=10**9).eval()
    model.base.decode1.bias.data[4] = 5.0  # an error everywhere, so that sampling drops no cell
    image, plate = inputs(64, 48)
    with torch.inference_mode():
        full = model(image, plate)
        model.refiner.mode = "sampling"
        patches = model(image, plate)
    assert patches.refined.all()
    torch.testing.assert_close(patches.alpha, full.alpha, atol=1e-6, rtol=0)
    torch.testing.assert_close(patches.foreground, full.foreground, atol=1e-6, rtol=0)
    assert full.alpha.std() > 0.05  # not all clamped


def test_a_cell_is_computed_from_the_pixels_around_it_and_from_no_others():
    """In its place the result is that of full mode; it hangs on 6 px around the cell and on nothing beyond."""
    torch.manual_seed(0)
    refiner = Refiner(hidden=4, pixels=16).double().eval()
    pictures = torch.rand(1, 6, 48, 48, dtype=torch.double, requires_grad=True)
    coarse, hidden = torch.rand(1, 4, 12, 12).double(), torch.rand(1, 4, 12, 12).double()
    error = torch.zeros(1, 1, 12, 12).double()
    error[..., 5, 7] = 1
    fine, cells = refiner(pictures, coarse, error, hidden)
    assert cells.nonzero().tolist() == [[0, 5, 7]]
    refiner.mode = "full"
    full, _ = refiner(pictures, coarse, error, hidden)
    rough = torch.nn.functional.interpolate(coarse, (48, 48), mode="bilinear", align_corners=False)
    here = torch.zeros(48, 48, dtype=torch.bool)
    here[20:24, 28:32] = True
    torch.testing.assert_close(fine[..., here], full[..., here])
    assert torch.equal(fine[..., ~here], rough[..., ~here])
    fine[..., here].sum().backward()
    seen = pictures.grad.abs().sum(dim=(0, 1)).nonzero()
    # 3 px at half resolution around the cell's own 2 x 2, each of 2 x 2 px at full resolution
    assert seen.min(dim=0).values.tolist() == [20 - 6, 28 - 6] and seen.max(dim=0).values.tolist() == [23 + 6, 31 + 6]


def test_selection_by_hand():
    error = torch.tensor([[[0.0, 0.3, 0.2], [0.9, 0.0, 0.1]], [[0.0, 0.0, 0.0], [0.0, 0.4, 0.0]]])
    chosen = Refiner(mode="sampling", pixels=32).select(error)
    assert chosen.tolist() == [[[False, True, False], [True, False, False]], [[False] * 3, [False, True, False]]]
    assert Refiner(mode="sampling", pixels=16 * 5000).select(error).equal(error > 0)  # k is capped at the 6 cells
    assert Refiner(mode="full").select(error).all()


def test_nothing_selected_is_the_coarse_result_at_full_size():
    model = small("sampling").train()
    nn.init.zeros_(model.base.decode1.weight[4])  # no error anywhere
    nn.init.zeros_(model.base.decode1.bias[4:5])
    image, plate = inputs(32, 32)
    matte = model(image, plate)
    assert not matte.refined.any()
    rough = torch.nn.functional.interpolate(matte.coarse_alpha, (32, 32), mode="bilinear", align_corners=False)
    torch.testing.assert_close(matte.alpha, rough)


def test_residual_of_zero_gives_the_picture():
    model = small().eval()
    for last in (model.base.decode1, model.refiner.at_full[-1]):
        nn.init.zeros_(last.weight[1:4])
        nn.init.zeros_(last.bias[1:4])
    image, plate = inputs(32, 48)
    with torch.inference_mode():
        for mode in MODES:
            model.refiner.mode = mode
            torch.testing.assert_close(model(image, plate).foreground, image)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_reach_every_layer(mode):
    model = small(mode, pixels=160).train()
    matte = model(*inputs(32, 48), clamp=False)
    sum(each.square().mean() for each in matte[:-1]).backward()
    assert [name for name, value in model.named_parameters() if not value.grad.abs().sum() > 0] == []


@pytest.mark.parametrize("mode", MODES)
def test_half_precision_and_channels_last_give_float32(mode):
    model = small(mode, pixels=320).eval().to(memory_format=torch.channels_last)
    image, plate = (each.to(memory_format=torch.channels_last) for each in inputs(32, 48))
    with torch.inference_mode():
        exact = model(image, plate)
        with torch.autocast("cpu", torch.bfloat16):
            found = model(image, plate)
    assert found.alpha.dtype == found.foreground.dtype == found.error.dtype == torch.float32
    torch.testing.assert_close(found.coarse_alpha, exact.coarse_alpha, atol=0.1, rtol=0)
    assert (found.alpha - exact.alpha).abs().mean() < 0.05  # bf16 may choose other cells


def test_a_fresh_network_starts_where_the_clamp_cuts_off_no_gradient():
    torch.manual_seed(0)
    model = background_matting(mode="full").train()
    matte = model(*inputs(64, 64), clamp=False)
    assert 0 < matte.alpha.min() and matte.alpha.max() < 1 and 0 < matte.coarse_alpha.min()


# ------------------------------------------------------------------------------------------------------- other encoders


def test_efficientnet_lite0_can_stand_in_for_the_encoder():
    """The small plan: about 1.07 million weights."""
    timm = pytest.importorskip("timm", reason="timm (extra `peers`) isn't installed")
    net = timm.create_model("efficientnet_lite0", in_chans=6)
    model = small(encoder=timm_lite0(net, 6)).eval()
    assert parameters(model) == pytest.approx(1.07e6, abs=0.01e6)
    with torch.inference_mode():
        assert model(*inputs(61, 43)).alpha.shape == (2, 1, 61, 43)


# ----------------------------------------------------------------------------------- the published code (MIT) beside it


@pytest.fixture(scope="module", params=["mobilenetv2", "resnet50"])
def peers(request) -> tuple[BackgroundMatting, nn.Module]:
    package = pytest.importorskip(
        "BackgroundMattingV2.model", reason="the package backgroundmattingv2 (extra `peers`) isn't installed"
    )
    torch.manual_seed(0)
    ours = background_matting(resnet50(6) if request.param == "resnet50" else None, pixels=16 * 40).eval()
    _lively(ours)
    theirs = package.MattingRefine(request.param, refine_sample_pixels=16 * 40).eval()
    copied = zip(theirs.state_dict().items(), ours.state_dict().items(), strict=True)  # layers come in the same order
    theirs.load_state_dict({name: value for (name, _), (_, value) in copied})
    return ours, theirs


def spread(ours: BackgroundMatting, theirs: nn.Module, image: torch.Tensor, plate: torch.Tensor, scale: float) -> None:
    """Scale the last layer of both so that alpha and error aren't all clamped at this size."""
    with torch.inference_mode():
        small = torch.nn.functional.interpolate(torch.cat([image, plate], dim=1), scale_factor=scale, mode="bilinear")
        raw = torch.cat(ours.base(small, clamp=False)[:3], dim=1)
        last = ours.base.decode1
        centre, width = raw.mean(dim=(0, 2, 3)), raw.std(dim=(0, 2, 3)) * 4
        last.weight[:5] /= width.view(-1, 1, 1, 1)
        last.bias[:5] = (last.bias[:5] - centre) / width + torch.tensor([0.5, 0, 0, 0, 0.5])
    theirs.decoder.conv4.load_state_dict(last.state_dict())


def test_base_gives_the_published_codes_outputs(peers):
    ours, theirs = peers
    image, plate = inputs(176, 160, n=1)  # its map at 1/16 is 11 x 10: the pooling's dilation of 9 reaches something
    spread(ours, theirs, image, plate, 1.0)
    package = pytest.importorskip("BackgroundMattingV2.model")
    with torch.inference_mode():
        alpha, foreground, error, hidden = package.MattingBase.forward(theirs, image, plate)
        found = ours.base(torch.cat([image, plate], dim=1))
    assert 0.1 < alpha.std()
    for mine, other in zip(
        (found[0], (found[1] + image).clamp(0, 1), *found[2:]), (alpha, foreground, error, hidden), strict=True
    ):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("size", "scale"), [((96, 80), 0.25), ((100, 84), 0.5)])
def test_refiner_gives_the_published_codes_outputs(peers, mode, size, scale):
    ours, theirs = peers
    image, plate = inputs(*size)
    spread(ours, theirs, image, plate, scale)
    ours.scale = theirs.backbone_scale = scale
    ours.refiner.mode = theirs.refiner.mode = mode
    with torch.inference_mode():
        found, expected = ours(image, plate), theirs(image, plate)
    share = found.refined.float().mean()
    assert share == 1 if mode == "full" else 0.02 < share < 0.9
    assert torch.equal(found.refined, expected[5].bool())
    for mine, other in zip(found[:5], expected[:5], strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=0)
