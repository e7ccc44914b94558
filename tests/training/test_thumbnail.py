"""The study's training and its variants: draws, evaluations, refusals, and snapshots."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torchvision.models.vgg import cfgs, make_layers

from helpers import prepared_from
from lib.base import UserError
from lib.compute import Compute, Runtime
from lib.data.cache import ImageSet
from lib.inference import predict_batches
from lib.metrics import errors_by_region
from lib.models.checkpoint import load_network
from lib.training import trainer
from lib.training.thumbnail import Snapshots, ThumbnailConfig, ThumbnailTask, WithoutTrimap, load_snapshots
from lib.training.trainer import train

LOSSES = ["epoch", "step", "train_all", "train_unknown", "test_all", "test_unknown", "test_pasted"]
SHORT = ThumbnailConfig(
    epochs=2, batch_size=4, optimizer="adamw", lr=1e-3, schedule="onecycle", augment=True, width=8, seed=3
)
CPU, RUNTIME = Compute("cpu", "fp32", 1), Runtime(torch.device("cpu"), "fp32")
SPLIT = np.arange(9), np.arange(9, 12)


def blobs(n: int = 12, size: int = 28, rule: str = "tolerant") -> ImageSet:
    """Ellipses of one colour on another: easy to matte, drawn in no time."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    image, alpha = np.empty((n, 3, size, size), np.uint8), np.empty((n, 1, size, size), np.uint8)
    for number in range(n):
        centre, radius = random.uniform(0.3, 0.7, 2), random.uniform(0.2, 0.4)
        soft = np.clip((radius - np.hypot(y - centre[0], x - centre[1])) * size + 0.5, 0, 1)
        front, back = random.integers(0, 256, (2, 3, 1, 1))
        alpha[number, 0] = np.round(255 * soft)
        image[number] = soft * front + (1 - soft) * back
    return prepared_from(image, alpha, rule=rule)


def run(folder, compute: Compute = CPU, on_validation=None, **changes) -> pd.DataFrame:
    config = replace(SHORT, **changes)
    return train(ThumbnailTask, config, folder, compute, blobs(), SPLIT, on_validation=on_validation)


def task(prepared: ImageSet | None = None, split=SPLIT, **changes) -> ThumbnailTask:
    return ThumbnailTask(replace(SHORT, **changes), RUNTIME, prepared or blobs(), split)


def same_weights(one, other) -> bool:
    one, other = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in one.values())
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One undisturbed run, which the others are compared with."""
    folder = tmp_path_factory.mktemp("undisturbed") / "recipe"
    return folder, run(folder)


WORKER = """
import pathlib, sys
sys.path[:0] = [{here!r}, {tests!r}]
from test_thumbnail import run
run(pathlib.Path({folder!r}))
"""


def test_a_killed_process_leaves_what_ends_with_the_same_numbers(finished, tmp_path, capsys):
    here = os.path.dirname(__file__)
    source = WORKER.format(here=here, tests=os.path.dirname(here), folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not list(tmp_path.glob("checkpoint-*.pt")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert list(tmp_path.glob("checkpoint-*.pt")), "it was too slow"
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    assert not (tmp_path / "model.safetensors").exists(), "it was not killed half-way"
    history = run(tmp_path)
    assert "going on after step 2" in capsys.readouterr().out
    pd.testing.assert_frame_equal(finished[1][LOSSES], history[LOSSES], check_exact=True)
    assert same_weights(finished[0], tmp_path)


def test_finished_training_returns_at_once_and_leaves_four_files(finished, capsys):
    folder, history = finished
    before = (folder / "model.safetensors").stat().st_mtime_ns
    pd.testing.assert_frame_equal(run(folder), history, check_exact=True)
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    assert capsys.readouterr().out == ""
    files = ["config.json", "history.csv", "model.safetensors", "model.sha256"]
    assert sorted(path.name for path in folder.iterdir()) == files


def test_history_is_what_an_evaluation_of_the_saved_network_gives(finished):
    folder, history = finished
    assert history.columns.tolist() == [*LOSSES, "seconds", "images_per_second"]
    prepared, index = blobs(), np.arange(9, 12)
    errors = errors_by_region(
        predict_batches(load_network(folder, "cpu"), prepared, index, CPU),
        prepared.alpha[index],
        prepared.trimap[index],
    ).mean()
    assert errors["all"] == pytest.approx(history["test_all"].iloc[-1], abs=1e-4)
    assert errors["unknown"] == pytest.approx(history["test_unknown"].iloc[-1], abs=1e-4)
    assert errors["pasted"] == pytest.approx(history["test_pasted"].iloc[-1], abs=1e-4)


def test_it_learns(tmp_path):
    config = replace(SHORT, epochs=5, augment=False, width=64, seed=0)
    history = train(ThumbnailTask, config, tmp_path, CPU, blobs(), (np.arange(12), []))
    assert history["train_all"].iloc[-1] < 0.5 * history["train_all"].iloc[0]
    assert history["test_all"].isna().all()


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "lr": 0.01, "schedule": "constant", "pooling": "as_written"},
        {"optimizer": "adam", "loss_region": "unknown", "schedule": "cosine"},
        {"batch_norm": False, "lr": 1e-4, "unpooling": "bilinear", "four_channels": True, "decoder_kernel": 3},
        {"network": "residual, as long a step", "optimizer": "adam", "normalisation": "centred"},
    ],
)
def test_other_choices_train_too_and_load_as_what_they_are(tmp_path, changes):
    history = run(tmp_path, epochs=1, **changes)
    assert np.isfinite(history[LOSSES].to_numpy()).all()
    errors = predict_batches(load_network(tmp_path, "cpu"), blobs(), SPLIT[1], CPU) - blobs().alpha[SPLIT[1]] / 255
    assert np.abs(errors).mean() == pytest.approx(history.test_all.iloc[-1], abs=1e-4)


def test_draws_of_an_image_do_not_depend_on_the_others():
    whole, part = (task(split=(index, []), jitter=1.0).draws(epoch=2) for index in (np.arange(12), np.array([7, 2])))
    for one, other in zip(whole, part, strict=True):
        assert torch.equal(one[[7, 2]], other)
    radii = whole[2]
    assert 1.5 <= radii.min() and radii.max() <= 3.0 and radii.unique().numel() == 12


def test_the_draws_follow_the_config():
    flips, angles, radii, *_ = task(probability=1.0).draws(1)
    assert flips.all() and angles.abs().max() <= 30 and (radii >= 1.5).all() and (radii <= 3.0).all()
    assert not task(probability=0.0).draws(1)[0].any() and not task(flip=False, probability=1.0).draws(1)[0].any()
    _, angles, radii, *_ = task(degrees=0.0, probability=1.0, radius=1.0).draws(1)
    assert (angles == 0).all() and (radii == 1.5).all()


def test_jitter_changes_the_colours_alone_within_its_ranges():
    jittered, plain = (next(task(jitter=strength, augment=False).batches(1, 0)) for strength in (1.0, 0.0))
    assert torch.equal(jittered[1], plain[1]) and torch.equal(jittered[2], plain[2])
    brightest, darkest = 1.15 * 1.07 * plain[0] ** np.exp(-0.223), 0.85 * 0.93 * plain[0] ** np.exp(0.223)
    assert (jittered[0] <= brightest.clamp(0, 1) + 1e-6).all() and (jittered[0] >= darkest - 1e-6).all()
    later = next(task(jitter=1.0, augment=False).batches(2, 0))
    assert not torch.equal(jittered[0], plain[0]) and not torch.equal(later[0], jittered[0])


def test_training_trimaps_may_follow_a_rule_of_their_own():
    """A pixel of alpha 5 is background to the tolerant rule; the strict one makes it and its neighbours unknown."""
    alpha = np.zeros((12, 1, 28, 28), np.uint8)
    alpha[:, :, 8:, 6:20], alpha[:, :, 2, 2] = 255, 5
    dusty = prepared_from(np.zeros((12, 3, 28, 28), np.uint8), alpha)
    rules = {
        rule: next(task(dusty, train_rule=rule, augment=False).batches(1, 0))[2] for rule in ("", "tolerant", "strict")
    }
    assert (rules["tolerant"][:, 0, 2, 2] == 0).all() and (rules["strict"][:, 0, 2, 2:4] == 0.5).all()
    assert torch.equal(rules[""], rules["tolerant"])  # the rule of the test trimaps


def test_a_blind_training_looks_at_no_trimap():
    blind = task(blind=True)
    image, alpha, trimap = next(blind.batches(1, 0))
    blind.model.eval()
    losses = [blind.loss((image, alpha, other))[0] for other in (trimap, torch.ones_like(trimap))]
    network = WithoutTrimap(blind.model)
    assert torch.equal(losses[0], losses[1]) and torch.equal(network(image, trimap), network(image, 1 - trimap))


def test_encoder_weights_come_from_their_file(tmp_path):
    state = make_layers(cfgs["D"], False).state_dict()
    save_file({f"features.{name}": value for name, value in state.items()}, tmp_path / "vgg16.safetensors")
    begun = task(encoder_weights=str(tmp_path / "vgg16.safetensors"), width=64).model
    assert torch.equal(begun.encoder1[0].weight, state["0.weight"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"optimizer": "rmsprop"}, {"schedule": "linear"}, {"loss_region": "edge"}, {"pooling": "mean"}, {"epochs": 0},
        {"batch_size": 1}, {"lr": 0.0}, {"lr": float("nan")}, {"accumulate": 0}, {"steps": -1}, {"clip": -0.1},
        {"ema": 1.0}, {"border": "white"}, {"width": 0}, {"radius": 0.5}, {"probability": -1.0},
    ],
)  # fmt: skip
def test_values_out_of_range_name_the_field(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        replace(SHORT, **wrong)


@pytest.mark.parametrize(
    ("compute", "words"),
    [(Compute("tpu"), "device: expected auto, cpu or cuda"), (Compute("cpu", "fp8"), "precision: expected auto, fp32")],
)
def test_bad_compute_is_refused_before_anything_is_written(tmp_path, compute, words):
    with pytest.raises(UserError, match=words):
        run(tmp_path / "new", compute)
    assert not (tmp_path / "new").exists()


def test_a_wrong_weights_file_costs_no_earlier_result(finished):
    with pytest.raises(UserError, match="encoder_weights"):
        run(finished[0], encoder_weights=str(finished[0] / "model.safetensors"))
    assert (finished[0] / "model.safetensors").is_file()
    with pytest.raises(UserError, match="found none that can be read"):
        run(finished[0], encoder_weights="nowhere.safetensors")


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(UserError, match="expected at least 2 images, found 1"):
        train(ThumbnailTask, SHORT, tmp_path / "new", CPU, blobs(), ([0], [1]))
    assert not (tmp_path / "new").exists()


# ------------------------------------------------------------------------------------------ snapshots

IMAGES = np.array([9, 11])


def snapshots(folder, images=IMAGES) -> Snapshots:
    return Snapshots(folder, blobs(), images)


def test_snapshots_change_no_number_and_the_last_is_what_the_network_predicts(finished, tmp_path):
    folder, history = finished
    again = run(tmp_path, on_validation=snapshots(tmp_path))
    pd.testing.assert_frame_equal(history[LOSSES], again[LOSSES], check_exact=True)
    assert same_weights(folder, tmp_path)
    assert (folder / "config.json").read_text() == (tmp_path / "config.json").read_text()
    alphas = load_snapshots(tmp_path, history.step)
    assert alphas.shape == (len(history), 2, 28, 28) and alphas.dtype == np.uint8 and (alphas[0] != alphas[-1]).any()
    alpha = predict_batches(load_network(tmp_path, "cpu"), blobs(), IMAGES, CPU)
    np.testing.assert_array_equal(alphas[-1], np.rint(255 * alpha[:, 0]))
    assert snapshots(tmp_path).complete(history.step) and not snapshots(folder).complete(history.step)
    assert not snapshots(tmp_path, IMAGES[:1]).complete(history.step)


def test_a_killed_training_goes_on_and_keeps_its_snapshots(finished, tmp_path, monkeypatch):
    saved = trainer.Trainer._checkpoint

    def killed(self):
        saved(self)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(trainer.Trainer, "_checkpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, on_validation=snapshots(tmp_path))
    again = run(tmp_path, on_validation=snapshots(tmp_path))
    pd.testing.assert_frame_equal(finished[1][LOSSES], again[LOSSES], check_exact=True)
    assert snapshots(tmp_path).complete(again.step)
