"""AlphaGAN, Background Matting V2 and Robust Video Matting train: what they tell, repeat, resume, and ship."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lib.base import UserError
from lib.device import Machine
from lib.models import store
from lib.training import alphagan, background, video
from lib.training.alphagan import AlphaGANRecipe, AlphaGANTraining
from lib.training.background import BackgroundRecipe
from lib.training.export import export
from lib.training.place import Place
from lib.training.video import VideoRecipe

ONE = Machine("cpu", "fp32", threads=1)
SMALL = {"epochs": 2, "images": 4, "batch_size": 2, "side": 64, "late_side": 64, "tests": 1, "ema": 0.5}
TIMED = ["seconds", "images_per_second"]
SYSTEMS = {
    "background": (background, BackgroundRecipe(**SMALL)),
    "video": (video, VideoRecipe(**SMALL, frames=2, late_frames=3)),
    "alphagan": (alphagan, AlphaGANRecipe(**SMALL, adversary=1e-2, adversary_from=0.5)),
}


@pytest.fixture(scope="module", params=SYSTEMS)
def trained(request, tmp_path_factory):
    module, recipe = SYSTEMS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, module.train(folder, recipe, ONE, people=2)


def test_it_tells_repeats_and_resumes(trained, tmp_path, monkeypatch):
    name, folder, history = trained
    module, recipe = SYSTEMS[name]
    assert history.step.tolist() == [2, 4] and history.notna().all(axis=None)
    system = {"background": background.Background, "video": video.Video, "alphagan": AlphaGANTraining}[name]
    real, calls = system.test, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(system, "test", killed)
    with pytest.raises(KeyboardInterrupt):
        module.train(tmp_path, recipe, ONE, people=2)
    monkeypatch.undo()
    again = module.train(tmp_path, recipe, ONE, people=2)
    assert history.drop(columns=TIMED).equals(again.drop(columns=TIMED))
    assert (folder / "model.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_it_ships_and_is_loaded_again(trained, tmp_path):
    _, folder, _ = trained
    export(folder, tmp_path)
    network, kept = store.load(tmp_path, "cpu"), load_file(folder / "model.safetensors")
    for key, value in network.state_dict().items():
        assert torch.allclose(value, kept[key], rtol=1e-3, atol=1e-6), key


def test_the_loss_of_every_system_reaches_every_weight():
    here = Place(torch.device("cpu"), "fp32")
    for system in (background.Background(SYSTEMS["background"][1], here, 1), video.Video(SYSTEMS["video"][1], here, 1)):
        system.model.train()
        loss, _ = system.loss(next(system.batches(1, 0)))
        loss.backward()
        without = {key for key, value in system.model.named_parameters() if value.grad is None}
        # The deep guided filter and the second task's head have no part in clips at one size.
        assert all(key.startswith(("filter.", "segmentation.")) for key in without), without


def test_the_adversary_counts_from_its_share_of_the_steps_on_and_only_then():
    here, states = Place(torch.device("cpu"), "fp32"), []
    for adversary in (0.0, 10.0):
        system = AlphaGANTraining(AlphaGANRecipe(**SMALL, adversary=adversary, adversary_from=0.5), here, 1)
        system.model.train()
        system.optimizers = system.make_optimizers()
        batches = [batch for epoch in (1, 2) for batch in system.batches(epoch, 0)]
        system.steps = 0
        for batch in batches[:2]:
            system.step([batch])
        states.append([{key: value.clone() for key, value in system.model.generator.state_dict().items()}])
        system.step([batches[2]])
        states[-1].append(system.model.generator.state_dict())
    same = [all(torch.equal(a[key], b[key]) for key in a) for a, b in zip(*states, strict=True)]
    assert same == [True, False]


def test_where_the_trimap_knows_the_discriminator_sees_no_error():
    system = AlphaGANTraining(SYSTEMS["alphagan"][1], Place(torch.device("cpu"), "fp32"), 1)
    batch = next(system.batches(1, 0))
    trimap = batch[:, 10:].float() / 255
    levels = torch.where((trimap > 0.25) & (trimap < 0.75), 0.5, trimap)
    predicted = system.model(batch[:, :3].float() / 255, levels)
    assert torch.equal(predicted[levels != 0.5], levels[levels != 0.5])


def test_it_goes_on_from_another_training(trained):
    name, folder, _ = trained
    recipe, here = replace(SYSTEMS[name][1], start=str(folder)), Place(torch.device("cpu"), "fp32")
    system = {"background": background.Background, "video": video.Video, "alphagan": AlphaGANTraining}[name]
    kept = load_file(folder / "model.safetensors")
    assert all(torch.equal(value, kept[key]) for key, value in system(recipe, here, 1).model.state_dict().items())


def test_a_recipe_out_of_range_is_told_of():
    with pytest.raises(UserError, match="disturbances: expected some of jitter"):
        BackgroundRecipe(disturbances=("fog",))
    with pytest.raises(UserError, match="accumulate: expected 1"):
        AlphaGANRecipe(accumulate=2)
    with pytest.raises(UserError, match="frames: expected at least 2"):
        VideoRecipe(frames=1)


def test_held_out_clips_are_composites_at_their_new_size():
    [frames] = video.clips_held_out(1, (64, 48))
    for frame in frames[::4]:
        alpha = frame.alpha[..., None] / 255
        assert frame.image.shape == (64, 48, 3)
        assert np.abs(frame.image - alpha * frame.foreground - (1 - alpha) * frame.background).max() <= 0.5 + 1e-9
