"""The rehearsal: planned steps are those of the notebooks' own trainings, hours are steps times seconds, and a no is told."""

import os
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import torch

from helpers import prepared_from
from lib.base import ROOT, UserError
from lib.compute import Runtime
from lib.experiments import fullsize, parameters, rehearse, thumbnail
from lib.training.dim import DimConfig, DimTask
from lib.training.thumbnail import ThumbnailTask
from workflow import profiles
from workflow.rehearse import main


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MATTING_CACHE", str(tmp_path / "cache"))


def test_planned_steps_are_those_of_the_trainings():
    values = profiles.read("smoke")["parameters"] | {"images": 20, "seeds": 3, "epochs": 2}
    p = parameters.check(parameters.defaults() | values)
    study, recipe, full = (steps for *_, steps in rehearse.kinds(p))
    prepared = prepared_from(np.zeros((15, 3, 28, 28), np.uint8), np.zeros((15, 1, 28, 28), np.uint8))
    runtime = Runtime(torch.device("cpu"), "fp32")
    for planned, names in ((study, ("sgd", "sgd-da", "adam")), (recipe, ("recipe", "recipe-da", "recipe"))):
        steps = 0
        for name in names:
            config = thumbnail.config_of(name, p, 15)
            steps += config.epochs * ThumbnailTask(config, runtime, prepared, (range(15), [])).steps_per_epoch()
        assert planned == 3 * steps
    pictures = prepared_from(np.zeros((12, 3, 64, 48), np.uint8), np.full((12, 1, 64, 48), 128, np.uint8))
    config = DimConfig(batch_size=p.full_batch, crops=p.full_crops, side=p.full_side, width=p.full_width)
    an_epoch = DimTask(config, runtime, pictures, (np.arange(12), np.arange(0))).steps_per_epoch()
    steps = an_epoch * sum(fullsize.epochs_of(step, p) for _, step in fullsize.TRAININGS)
    assert full == pytest.approx(steps, rel=0.5)  # a rest of two crops is a step of its own there


def test_seconds_are_measured_and_hours_follow(capsys):
    assert main(["smoke", "seeds=1"]) == 0
    output = capsys.readouterr().out
    assert "yes: make paper PROFILE=smoke can run here." in output
    rows = [line.split()[-4:] for line in output.splitlines() if "px, " in line or "crops of" in line]
    assert len(rows) == 3
    for _, steps, seconds, hours in rows:
        assert float(seconds) > 0 and float(hours) == pytest.approx(int(steps) * float(seconds) / 3600, abs=0.01)


def test_a_missing_gpu_is_named_unless_the_cpu_is_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(rehearse, "seconds_per_step", lambda *_: 1.0)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    small = "images=64 full_images=4 full_size='64'"
    assert main(["gpu", "--set", small]) == 1
    output = capsys.readouterr().out
    assert "no: device: expected a GPU" in output and "yes" not in output
    assert main(["gpu", "--set", f"device=cpu {small}"]) == 0
    assert "yes: make paper PROFILE=gpu can run here." in capsys.readouterr().out


def test_out_of_memory_names_the_training(monkeypatch, capsys):
    def measure(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(rehearse, "seconds_per_step", measure)
    assert main(["smoke"]) == 1
    assert "no: 28x28 px, study: batches of 8 do not fit" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["quikc"], "profile: expected one of gpu, .*found 'quikc'"),
        (["smoke", "images"], "SET: expected name=value"),
        (["smoke", "imagse=3"], "did you mean images?"),
        (["smoke", "--set", "images='3"], "SET: expected name=value with closed quotes"),
    ],
)
def test_mistakes_end_in_a_sentence(arguments, said):
    with pytest.raises(UserError, match=said):
        main(arguments)


def test_the_script_for_a_gpu_box_is_sound():
    """By the shell's own reading of it, and by shellcheck's where that is installed; its targets exist."""
    script = ROOT / "workflow" / "gpu_box.sh"
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    if shutil.which("shellcheck"):
        assert subprocess.run(["shellcheck", script], capture_output=True).returncode == 0
    for target in ("env", "gpu-check", "paper", "verify"):
        assert f"make {target}" in script.read_text()
        made = ["make", "--dry-run", "--assume-old=.venv/ready", target, "PROFILE=smoke"]
        assert subprocess.run(made, cwd=ROOT, capture_output=True).returncode == 0


def test_the_script_for_a_gpu_box_packs_the_run_that_the_settings_name():
    for given, run in (
        ([], "smoke"),
        (["--settings", "run=mine epochs=1"], "mine"),
        (["--data", "folder"], "smoke-folder"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "workflow", "--name", "smoke", *given], cwd=ROOT, capture_output=True, text=True
        )
        assert done.stdout == f"{run}\n"


@pytest.mark.parametrize(("given", "run"), [([], "smoke"), (["run=mine", "photo=/a b/it's.png"], "mine")])
def test_the_script_for_a_gpu_box_hands_settings_on_and_packs_what_they_name(tmp_path, given, run):
    """With a `make` that only tells how it was called, and a run that lies there already."""
    for folder in ("workflow", "bin", ".venv/bin", f"reports/{run}", f"figures/{run}", f"runs/{run}/train/a"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(ROOT / "workflow/gpu_box.sh", tmp_path / "workflow")
    (tmp_path / "bin/make").write_text("#!/bin/sh\nprintf '%s|' \"$@\" >> called\necho >> called\n")
    (tmp_path / ".venv/bin/python").write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n')
    for name in ("bin/make", ".venv/bin/python"):
        (tmp_path / name).chmod(0o755)
    for name in (f"reports/{run}/run.json", f"figures/{run}/a.png", f"runs/{run}/train/a/model.safetensors"):
        (tmp_path / name).write_text(name)
    done = subprocess.run(
        ["bash", "workflow/gpu_box.sh", *given],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PROFILE": "smoke", "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    called = [line.split("|")[:-1] for line in (tmp_path / "called").read_text().splitlines()]
    assert [call[0] for call in called] == ["env", "gpu-check", "paper", "verify"]
    for call in called[1:]:
        (text,) = [argument.removeprefix("SET=") for argument in call if argument.startswith("SET=")]
        assert profiles.parse_settings(text) == dict(setting.split("=", 1) for setting in given)
    with tarfile.open(tmp_path / f"build/{run}.tar.gz") as packed:
        assert {f"reports/{run}/run.json", f"runs/{run}/train/a/model.safetensors", f"build/{run}.sha256"} <= set(
            packed.getnames()
        )
