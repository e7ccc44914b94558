"""A watched training against the plain one and against the network that it leaves."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from helpers import prepared_from
from lib.base import UserError
from lib.data.prepare import Prepared
from lib.device import Machine
from lib.inference import predict
from lib.models.store import load
from lib.training import loop, thumbnail, watched

LOSSES = ["epoch", "step", "train_all", "train_unknown", "test_all", "test_unknown", "test_pasted"]
CPU, SPLIT, IMAGES = Machine("cpu", threads=1), (np.arange(9), np.arange(9, 12)), np.array([9, 11])
RECIPE = thumbnail.ThumbnailRecipe(
    epochs=2, batch_size=4, optimizer="adamw", lr=1e-3, schedule="onecycle", augment=True, test_at=(2,)
)


def blobs() -> Prepared:
    """Squares of noise on noise."""
    random, alpha = np.random.default_rng(0), np.zeros((12, 1, 28, 28), np.uint8)
    alpha[:, :, 8:, 6:20] = 255
    return prepared_from(random.integers(0, 256, (12, 3, 28, 28), dtype=np.uint8), alpha)


def run(folder) -> pd.DataFrame:
    return thumbnail.train(blobs(), SPLIT, folder, RECIPE, CPU)


def same_weights(one, other) -> bool:
    one, other = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def watch(folder, images=IMAGES) -> pd.DataFrame:
    return watched.train(blobs(), SPLIT, folder, RECIPE, CPU, images)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("watched") / "recipe"
    return folder, watch(folder)


def test_watching_changes_no_number_and_no_key(done, tmp_path):
    folder, history = done
    plain = run(tmp_path)
    pd.testing.assert_frame_equal(history[LOSSES], plain[LOSSES], check_exact=True)
    assert same_weights(folder, tmp_path)
    configs = [json.loads((place / "config.json").read_text()) for place in (folder, tmp_path)]
    assert configs[0] == configs[1] and configs[0]["system"] == "thumbnail"


def test_what_was_seen_last_is_what_the_finished_network_predicts(done):
    folder, history = done
    alphas = watched.seen(folder, history)
    assert alphas.shape == (len(history), 2, 28, 28) and alphas.dtype == np.uint8
    alpha = predict(load(folder, "cpu"), blobs(), IMAGES, CPU)
    np.testing.assert_array_equal(alphas[-1], np.rint(255 * alpha[:, 0]))
    assert (alphas[0] != alphas[-1]).any()


def test_one_that_was_not_watched_is_done_again_and_one_that_was_is_not(done, tmp_path, monkeypatch):
    folder, history = done
    run(tmp_path)
    watch(tmp_path)
    np.testing.assert_array_equal(watched.seen(tmp_path, history), watched.seen(folder, history))
    watch(tmp_path, IMAGES[:1])
    assert watched.seen(tmp_path, history).shape[1] == 1
    monkeypatch.setattr(loop, "Training", None)
    watch(tmp_path, IMAGES[:1])


def test_one_that_was_killed_goes_on_and_keeps_what_it_saw(done, tmp_path, monkeypatch):
    folder, history = done
    saved = loop.Training._save

    def killed(training):
        saved(training)
        if training.step == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(loop.Training, "_save", killed)
        with pytest.raises(KeyboardInterrupt):
            watch(tmp_path)
    again = watch(tmp_path)
    pd.testing.assert_frame_equal(history[LOSSES], again[LOSSES], check_exact=True)
    np.testing.assert_array_equal(watched.seen(tmp_path, again), watched.seen(folder, history))


def test_too_few_images_are_refused_as_without(tmp_path):
    with pytest.raises(UserError, match="at least 2 images"):
        watched.train(blobs(), (np.array([0]), SPLIT[1]), tmp_path, RECIPE, CPU, IMAGES)
