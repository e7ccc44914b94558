"""What trainings on composed pictures share, and what each network's training has of its own."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from training.test_tasks import CPU, PHOTO, RUNTIME, TASKS

from lib.base import UserError
from lib.models.backbones import EfficientNetLite0, LiteBackbone, load_imagenet, load_lite0
from lib.models.portrait import HybridMatting
from lib.training import photo
from lib.training.photo import AlphaGANConfig, AlphaGANTask, HybridConfig, HybridTask, PortraitConfig, PortraitTask
from lib.training.trainer import train


def test_batches_come_in_order():
    pictures = {(1, row): np.full((1, 2, 2), row, np.uint8) for row in range(6)}
    for count in range(1, 4):
        parts = [[(1, 2 * part), (1, 2 * part + 1)] for part in range(count)]
        stacks = list(photo.prefetch(pictures, parts))
        assert [stack[:, 0, 0, 0].tolist() for stack in stacks] == [[2 * part, 2 * part + 1] for part in range(count)]


def test_nothing_is_left_to_learn_beyond_an_alpha_of_0_or_1():
    predicted = torch.tensor([-0.3, 0.4, 1.2, 1.2, -0.3, 1.2], requires_grad=True)
    alpha = torch.tensor([0.0, 0.0, 1.0, 0.5, 1.0, 0.0])
    (photo.keep_saturated(predicted, alpha) - alpha).abs().sum().backward()
    assert predicted.grad.tolist() == [0, 1, 0, 1, -1, 1]


def test_a_small_encoder_gives_the_maps_of_the_whole_one_and_begins_by_the_picture_alone():
    whole = EfficientNetLite0(3)
    load_imagenet(whole)
    encoder = LiteBackbone(6).eval()
    load_lite0(encoder.network, whole.state_dict())
    picture, plates = torch.rand(1, 3, 64, 48), torch.rand(2, 3, 64, 48)
    with torch.inference_mode():
        expected = whole.eval()(encoder.normalise(picture.repeat(1, 2, 1, 1))[:, :3])[:4]
        for plate in plates:
            maps = encoder(torch.cat([picture, plate[None]], dim=1))
            assert all(torch.allclose(mine, true, atol=1e-4) for mine, true in zip(maps, expected, strict=True))


@pytest.mark.parametrize("name", ["background", "video"])
def test_the_encoder_begins_as_that_of_another_network_and_the_rest_by_the_seed(name):
    task, config = TASKS[name]
    portrait = "data/weights/portrait"
    torch.manual_seed(5)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    models = [task(replace(config, encoder=encoder), RUNTIME).model for encoder in ("imagenet", portrait, portrait)]
    assert torch.equal(torch.rand(3), drawn), "the process's own random numbers stay as they were"
    states = [model.state_dict() for model in models]
    assert all(torch.equal(value, states[2][key]) for key, value in states[1].items())
    stems = [next(value for key, value in state.items() if key.endswith("stem.conv.weight")) for state in states]
    assert not torch.equal(stems[0], stems[1])
    with pytest.raises(UserError, match="encoder: expected the folder of a finished training"):
        task.fingerprints(replace(config, encoder="nowhere"))


@pytest.mark.parametrize("name", ["background", "video"])
def test_the_loss_reaches_every_weight(name):
    task = TASKS[name][0](TASKS[name][1], RUNTIME)
    task.model.train()
    task.loss(next(task.batches(1, 0)))[0].backward()
    without = {key for key, value in task.model.named_parameters() if value.grad is None}
    # The deep guided filter and the second task's head have no part in clips at one size.
    assert all(key.startswith(("filter.", "segmentation.")) for key in without), without


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (lambda: photo.BackgroundConfig(disturbances=("fog",)), "disturbances"),
        (lambda: AlphaGANConfig(accumulate=2), "accumulate"),
        (lambda: photo.VideoConfig(frames=1), "frames"),
        (lambda: HybridConfig(structure="unpooling"), "structure"),
        (lambda: HybridConfig(trimap=False), "trimap"),
        (lambda: replace(PortraitConfig(), side=32), "side"),
    ],
)
def test_a_config_out_of_range_is_refused(config, words):
    with pytest.raises(ValidationError, match=words):
        config()


def test_less_than_a_batch_is_refused(tmp_path):
    with pytest.raises(UserError, match="images: expected at least one batch of 8, found 4"):
        train(PortraitTask, replace(TASKS["trimap"][1], batch_size=8), tmp_path / "new", CPU)
    assert not (tmp_path / "new").exists()


# ------------------------------------------------------------------------------------------ trimap, portrait and hybrid


def test_the_encoder_has_a_rate_of_its_own():
    task = PortraitTask(TASKS["trimap"][1], RUNTIME)
    [optimizer] = task.make_optimizers()
    assert [group["lr"] for group in optimizer.param_groups] == [3e-4, 1e-3]
    counted = sum(parameter.numel() for group in optimizer.param_groups for parameter in group["params"])
    assert counted == sum(parameter.numel() for parameter in task.model.parameters())


def test_the_portrait_network_trains_at_two_sizes_and_resumes_amid_an_epoch():
    task = PortraitTask(replace(TASKS["portrait"][1], late_side=128, epochs=3), RUNTIME)
    assert [next(task.batches(epoch, 0)).shape[-2:] for epoch in (1, 2, 3)] == [(64, 48), (64, 48), (128, 96)]
    first, second = task.batches(1, 0)
    assert torch.equal(next(task.batches(1, 1)), second) and not torch.equal(first, second)


def test_the_hybrid_begins_as_a_plain_network_and_learns_to_use_the_channel(tmp_path):
    config = HybridConfig(**PHOTO | {"epochs": 1, "tests": 0}, width=0.25, start=str(tmp_path / "plain"))
    plain = replace(TASKS["trimap"][1], epochs=1, tests=0)
    history = train(PortraitTask, plain, tmp_path / "plain", CPU)
    assert history[["test_mse", "test_iou"]].isna().all(axis=None)
    begun, stem = HybridTask(config, RUNTIME).model.state_dict(), "encoder.stem.conv.weight"
    expected = photo.load_file(tmp_path / "plain/model.safetensors")[stem]
    assert torch.equal(begun[stem][:, :6], expected) and not begun[stem][:, 6].any()
    train(HybridTask, config, tmp_path / "hybrid", CPU)
    model = photo.load_file(tmp_path / "hybrid/model.safetensors")
    assert model.keys() == HybridMatting(0.25).state_dict().keys() and model[stem][:, 6].any()


# ------------------------------------------------------------------------------------------ AlphaGAN


def test_the_adversary_counts_from_its_share_of_the_steps_on_and_only_then():
    states = []
    for adversary in (0.0, 10.0):
        task = AlphaGANTask(replace(TASKS["alphagan"][1], adversary=adversary, adversary_from=0.5), RUNTIME)
        task.model.train()
        optimizers = task.make_optimizers()
        for step, batch in enumerate([batch for epoch in (1, 2) for batch in task.batches(epoch, 0)][:3]):
            task.training_step([batch], optimizers, step)
            states.append({key: value.clone() for key, value in task.model.generator.state_dict().items()})
    same = [all(torch.equal(a[key], b[key]) for key in a) for a, b in zip(states[:3], states[3:], strict=True)]
    assert same == [True, True, False]


def test_where_the_trimap_knows_the_discriminator_sees_no_error():
    task = AlphaGANTask(TASKS["alphagan"][1], RUNTIME)
    image, _, _, _, trimap = photo.crop_layers(next(task.batches(1, 0)))
    predicted = task.model(image, trimap)
    assert torch.equal(predicted[trimap != 0.5], trimap[trimap != 0.5])
