"""Training: the same numbers twice, after a kill, and for any order; clean refusals; two processes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from helpers import prepared_from
from lib.base import UserError
from lib.data.batches import Arrays
from lib.data.prepare import Prepared
from lib.device import Machine
from lib.evaluation.errors import alpha_errors
from lib.inference import predict
from lib.models.store import load
from lib.training import thumbnail as training
from lib.training.thumbnail import ThumbnailRecipe, train

LOSSES = ["epoch", "step", "train_all", "train_unknown", "test_all", "test_unknown", "test_pasted"]
SHORT = ThumbnailRecipe(epochs=2, batch_size=4, optimizer="adamw", lr=1e-3, schedule="onecycle", augment=True)
CPU = Machine("cpu", threads=1)
SPLIT = np.arange(9), np.arange(9, 12)


def blobs(n: int = 12, size: int = 28, rule: str = "tolerant") -> Prepared:
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


def run(folder, machine: Machine = CPU, rule: str = "tolerant", precision: str = "auto", **changes) -> pd.DataFrame:
    machine = replace(machine, precision=precision) if precision != "auto" else machine
    return train(blobs(rule=rule), SPLIT, folder, replace(SHORT, **changes), machine)


def same_weights(one, other) -> bool:
    one, other = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert all(tensor.isfinite().all() for tensor in one.values())
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One undisturbed run, which the others are compared with."""
    folder = tmp_path_factory.mktemp("undisturbed") / "recipe"
    history = run(folder)
    return folder, history


def test_same_call_twice_is_bit_identical(finished, tmp_path):
    folder, history = finished
    torch.manual_seed(99)  # must not matter
    again = run(tmp_path)
    pd.testing.assert_frame_equal(history[LOSSES], again[LOSSES], check_exact=True)
    assert same_weights(folder, tmp_path)


WORKER = """
import pathlib, sys
sys.path[:0] = [{here!r}, {tests!r}]
from test_thumbnail import run
run(pathlib.Path({folder!r}), **{changes!r})
"""


def worker(folder, **changes) -> str:
    """Python source of a process that makes the same run."""
    here = os.path.dirname(__file__)
    return WORKER.format(here=here, tests=os.path.dirname(here), folder=str(folder), changes=changes)


def test_killed_and_resumed_equals_undisturbed(finished, tmp_path, capsys):
    process = subprocess.Popen([sys.executable, "-c", worker(tmp_path)], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (tmp_path / "epoch-001").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it ended before it was killed"
    assert not (tmp_path / "model.safetensors").exists(), "it was not killed half-way"
    assert (tmp_path / "epoch-001" / "optimizer.pt").is_file()
    history = run(tmp_path)
    assert "going on after epoch 1" in capsys.readouterr().out
    pd.testing.assert_frame_equal(finished[1][LOSSES], history[LOSSES], check_exact=True)
    assert same_weights(finished[0], tmp_path)


def test_finished_training_returns_at_once_and_leaves_four_files(finished, capsys):
    folder, history = finished
    before = (folder / "model.safetensors").stat().st_mtime_ns
    pd.testing.assert_frame_equal(run(folder), history, check_exact=True)
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "history.csv",
        "model.safetensors",
        "model.sha256",
    ]


def test_other_settings_start_over_and_say_so(finished, tmp_path, capsys):
    shutil.copytree(finished[0], tmp_path / "copy")
    history = run(tmp_path / "copy", epochs=1, lr=2e-3)
    assert "epochs, lr changed since the last training; starting over" in capsys.readouterr().out
    assert len(history) == 1
    assert json.loads((tmp_path / "copy" / "config.json").read_text())["lr"] == 2e-3


def test_history_is_what_an_evaluation_of_the_saved_network_gives(finished):
    folder, history = finished
    assert history.columns.tolist() == [*LOSSES, "seconds", "images_per_second"]
    prepared, index = blobs(), np.arange(9, 12)
    errors = alpha_errors(
        predict(load(folder, "cpu"), prepared, index, CPU), prepared.alpha[index], prepared.trimap[index]
    ).mean()
    assert errors["all"] == pytest.approx(history["test_all"].iloc[-1], abs=1e-4)
    assert errors["unknown"] == pytest.approx(history["test_unknown"].iloc[-1], abs=1e-4)
    assert errors["pasted"] == pytest.approx(history["test_pasted"].iloc[-1], abs=1e-4)


def test_headless_run_prints_one_line_an_epoch(tmp_path, capsys):
    run(tmp_path, epochs=1, augment=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"{tmp_path.name} epoch 1/1: train 0.")


def test_it_learns(tmp_path):
    history = train(blobs(12), (np.arange(12), []), tmp_path, replace(SHORT, epochs=5, augment=False), CPU)
    assert history["train_all"].iloc[-1] < 0.5 * history["train_all"].iloc[0]
    assert history["test_all"].isna().all()


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "sgd", "lr": 0.01, "schedule": "constant"},
        {"optimizer": "adam", "loss_region": "unknown", "schedule": "cosine", "machine": Machine("cpu", "fp32", 1)},
        {"batch_norm": False, "lr": 1e-4, "rule": "strict"},
        {"width": 8},
    ],
)
def test_other_choices_train_too(tmp_path, changes):
    history = run(tmp_path, epochs=1, **changes)
    assert np.isfinite(history[LOSSES].to_numpy()).all()
    model = load(tmp_path, "cpu")
    assert model.training is False
    assert model.encoder1[0].out_channels == changes.get("width", 64)


def test_draws_of_an_image_do_not_depend_on_the_others():
    prepared, device = blobs(), torch.device("cpu")
    whole = training.draws(Arrays(prepared, np.arange(12), device), seed=1, epoch=2)
    part = training.draws(Arrays(prepared, np.array([7, 2]), device), seed=1, epoch=2)
    for one, other in zip(whole, part, strict=True):
        assert torch.equal(one[[7, 2]], other)
    radii = whole[2]
    assert 1.5 <= radii.min() and radii.max() <= 3.0 and radii.unique().numel() == 12


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": "rmsprop"}, "optimizer: expected one of sgd, adam, adamw, found 'rmsprop'"),
        ({"schedule": "linear"}, "schedule: expected one of constant, onecycle, cosine, found 'linear'"),
        ({"loss_region": "edge"}, "loss_region: expected one of all, unknown"),
        ({"pooling": "mean"}, "pooling: expected one of halving, as_written"),
        ({"epochs": 0}, "epochs: expected at least 1, found 0"),
        ({"batch_size": 1}, "batch_size: expected at least 2, found 1"),
        ({"lr": 0.0}, "lr: expected a positive number, found 0.0"),
        ({"lr": float("nan")}, "lr: expected a positive number"),
        ({"accumulate": 0}, "accumulate: expected at least 1, found 0"),
        ({"steps": -1}, "steps: expected at least 0, found -1"),
        ({"clip": -0.1}, "clip: expected at least 0, found -0.1"),
        ({"ema": 1.0}, "ema: expected a decay below 1, found 1.0"),
        ({"machine": Machine("tpu")}, "device: expected auto, cpu or cuda"),
        ({"machine": Machine("cpu", "fp8")}, "precision: expected auto, fp32 or bf16"),
    ],
)
def test_bad_values_are_refused_before_anything_is_written(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        run(tmp_path / "new", **changes)
    assert not (tmp_path / "new").exists()


def test_a_wrong_weights_file_costs_no_earlier_result(finished):
    with pytest.raises(UserError, match="encoder_weights"):
        run(finished[0], encoder_weights=str(finished[0] / "model.safetensors"))
    assert (finished[0] / "model.safetensors").is_file()
    with pytest.raises(UserError, match="found no file"):
        run(finished[0], encoder_weights="nowhere.safetensors")


def test_too_few_images_are_refused(tmp_path):
    with pytest.raises(UserError, match="expected at least 2 images, found 1"):
        train(blobs(), ([0], [1]), tmp_path / "new", SHORT, CPU)
    assert not (tmp_path / "new").exists()


def by_two_processes(folder, **changes):
    script = folder / "worker.py"
    script.write_text(worker(folder / "two", **changes))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


def test_without_batch_norm_two_processes_learn_what_one_does(tmp_path):
    """The gradient of a batch's mean loss is the same, however its images are shared; only sums are rounded otherwise: in
    single precision, since where the CPU has bf16 its rounding would be ten times the bound."""
    by_two_processes(tmp_path, epochs=2, augment=False, batch_norm=False, precision="fp32")
    alone = run(tmp_path / "one", epochs=2, augment=False, batch_norm=False, precision="fp32")
    together = pd.read_csv(tmp_path / "two" / "history.csv")
    np.testing.assert_allclose(together[LOSSES], alone[LOSSES], rtol=1e-4)


def test_two_processes_train_one_network(tmp_path):
    done = by_two_processes(tmp_path, epochs=1, augment=False)
    history = pd.read_csv(tmp_path / "two" / "history.csv")
    assert len(history) == 1 and np.isfinite(history[LOSSES].to_numpy()).all()
    assert done.stdout.count("epoch 1/1") == 1, "only the first process speaks"
    # the batches of 9 images are 4 and 5, the halves 2 + 2 and 3 + 2: batch norm differs, the loss hardly
    alone = run(tmp_path / "one", epochs=1, augment=False)
    assert history["train_all"][0] == pytest.approx(alone["train_all"][0], abs=0.1)
    batch_norm = load_file(tmp_path / "two" / "model.safetensors")["decoder6.1.num_batches_tracked"]
    assert batch_norm == load_file(tmp_path / "one" / "model.safetensors")["decoder6.1.num_batches_tracked"] == 2
