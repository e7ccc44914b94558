"""The command line: each option a field, each mistake one line, nothing heavy imported before it is needed."""

import dataclasses
import os
import subprocess
import sys

import pandas as pd
import pytest
import torch

from lib.__main__ import COMMANDS, main, train_parser
from lib.base import ROOT
from lib.device import Machine
from lib.models.store import load
from lib.training import thumbnail
from lib.training.thumbnail import ThumbnailRecipe


def refused(capsys, *arguments: str) -> str:
    """What a call that ends with exit status 2 writes to stderr."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    return capsys.readouterr().err


def fields() -> list[dataclasses.Field]:
    return [field for kind in (ThumbnailRecipe, Machine) for field in dataclasses.fields(kind)]


def test_train_names_every_field_of_its_recipe_and_machine_and_says_what_it_means():
    text = train_parser().format_help()
    assert all(
        f"--{field.name.replace('_', '-')} " in text or f"--no-{field.name.replace('_', '-')}" in text
        for field in fields()
    )
    meanings = {action.dest: action.help for action in train_parser()._actions}
    assert all(meanings[field.name].strip() for field in fields())
    assert meanings["clip"] == "largest norm of the gradient, 0 = any" and meanings["momentum"] == "of sgd"
    assert meanings["batch_norm"] == meanings["pooling"] == "of the network (lib.models.dim)"


def test_without_options_train_takes_the_defaults(monkeypatch, tmp_path):
    monkeypatch.setenv("MATTING_CACHE", str(tmp_path / "cache"))
    called = []
    monkeypatch.setattr(thumbnail, "train", lambda *given: called.append(given))
    main(["train", "--out", str(tmp_path / "out"), "--images", "10"])
    main(
        [
            "train",
            "--out",
            str(tmp_path / "out"),
            "--images",
            "10",
            "--lr",
            "0.5",
            "--augment",
            "--no-batch-norm",
            "--test-at",
            "3",
            "5",
            "--trimap-rule",
            "strict",
            "--threads",
            "1",
            "--device",
            "cpu",
            "--split",
            "group",
            "--test-fraction",
            "0.5",
        ]
    )
    (prepared, split, out, recipe, machine), (strict, groups, _, changed, cpu) = called
    assert (recipe, machine, out) == (ThumbnailRecipe(), Machine(), str(tmp_path / "out"))
    assert len(prepared) == 10 and prepared.image.shape[-2:] == (28, 28) and len(split[0]) == 8 and len(split[1]) == 2
    assert changed == ThumbnailRecipe(lr=0.5, augment=True, batch_norm=False, test_at=(3, 5))
    assert cpu == Machine("cpu", threads=1) and strict.rule == "strict"
    sides = [{strict.groups[image] for image in side} for side in groups]
    assert not sides[0] & sides[1]


def test_train_writes_a_network_that_can_be_loaded(monkeypatch, tmp_path):
    monkeypatch.setenv("MATTING_CACHE", str(tmp_path / "cache"))
    main(
        [
            "train",
            "--out",
            str(tmp_path / "out"),
            "--images",
            "10",
            "--epochs",
            "1",
            "--batch-size",
            "4",
            "--device",
            "cpu",
            "--threads",
            "1",
        ]
    )
    assert isinstance(load(tmp_path / "out", "cpu"), torch.nn.Module)
    assert pd.read_csv(tmp_path / "out" / "history.csv").step.tolist() == [2]


def test_a_mistake_is_one_sentence(tmp_path, capsys):
    error = refused(
        capsys, "train", "--out", str(tmp_path / "out"), "--data", "folder", "--data-dir", str(tmp_path / "nowhere")
    )
    assert error.count("\n") == 1 and error.startswith("Error: ") and "nowhere" in error
    error = refused(capsys, "train", "--out", str(tmp_path / "out"), "--size", "100000")
    assert error.startswith("Error: size: expected 16 to 1024") and "found 100000" in error and error.count("\n") == 1
    error = refused(capsys, "train", "--out", str(tmp_path / "out"), "--epochs", "0")
    assert error == "Error: epochs: expected at least 1, found 0; raise it.\n"
    assert not (tmp_path / "out").exists()


def test_an_unknown_command_or_choice_is_refused(tmp_path, capsys):
    assert "invalid choice: 'trian'" in refused(capsys, "trian")
    assert "COMMAND" in refused(capsys)
    assert "invalid choice: 'loose'" in refused(capsys, "train", "--out", str(tmp_path), "--trimap-rule", "loose")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_under_its_own_name(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0 and f"python -m lib {command}" in capsys.readouterr().out


def test_the_list_of_commands_needs_no_pytorch():
    code = (
        "import runpy, sys; sys.argv = ['lib', '--help']\ntry:\n    runpy.run_module('lib', run_name='__main__')\n"
        "finally:\n    sys.stderr.write(str('torch' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "False"
    assert all(f"\n    {command} " in done.stdout for command in COMMANDS)


def test_two_processes_prepare_once_and_train_one_network(tmp_path):
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        "-m",
        "lib",
        "train",
        "--out",
        str(tmp_path / "two"),
        "--images",
        "10",
        "--epochs",
        "1",
        "--batch-size",
        "8",
        "--device",
        "cpu",
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MATTING_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(pd.read_csv(tmp_path / "two" / "history.csv")) == 1 and done.stdout.count("epoch 1/1") == 1
