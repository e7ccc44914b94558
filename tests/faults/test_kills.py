"""A run that is killed in the middle of a training ends with the bytes of one that is not, and leaves nothing at work."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import notebook
from lib.base import ROOT

pytestmark = pytest.mark.slow
PARAMETERS = {
    "02_unsupervised": {
        "run": "smoke", "data": "portraits", "data_dir": "", "images": 24, "size": 28, "seed": 0, "test_fraction": 0.25,
        "seeds": 1, "epochs": 1, "batch_size": 8, "device": "cpu", "threads": 1,
    },
    "05_results": {"run": "smoke"},
}  # fmt: skip
TRAIN = """import numpy as np

from lib.data.sources import open_source
from lib.data.cache import prepare
from lib.data.splits import random_split
from lib.experiments import parameters, thumbnail
from lib.report import save

p = parameters.check(globals())
prepared = prepare(open_source(data, data_dir, images, seed), size)
train_index, test_index = random_split(len(prepared), seed, test_fraction)
history = thumbnail.run_variants(prepared, (train_index, test_index), ["adam"], p)
save.write_table(history.drop(columns=["seconds", "images_per_second"]), run, "tab_history", "Losses.")
scored = thumbnail.score(prepared, test_index, ["adam"], p)
save.write_table(scored, run, "tab_scores", "Scores.")
save.write_values(p.given, "02_unsupervised", "Trained.", {"error": float(scored.value.mean()), "epochs": epochs})
"""
GATHER = """import pandas as pd

from lib.base import reports_dir
from lib.report import save

error = float(pd.read_csv(reports_dir(run) / "tables/tab_scores.csv").value.mean())
save.write_values({"run": run}, "05_results", "Gathered.", {"error": error, "epochs": 1})
"""
STEPS = """
STEPS = {
    "02_unsupervised": Step(all_threads=True),
    "05_results": Step(needs=("02_unsupervised",)),
}
NOTEBOOKS = tuple(STEPS)
"""


@pytest.fixture
def paper(template, tmp_path):
    """A function that makes a copy with two small notebooks, of which the first trains."""

    def copy(name: str) -> Path:
        root = Path(shutil.copytree(template, tmp_path / name, symlinks=True))
        shutil.copy(ROOT / "Makefile", root)
        shutil.copytree(ROOT / "workflow/locks", root / "workflow/locks", dirs_exist_ok=True)
        (root / ".venv/bin").mkdir(parents=True)
        (root / ".venv/bin/python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (root / ".venv/bin/python").chmod(0o755)
        with open(root / "workflow/steps.py", "a") as table:
            table.write(STEPS)
        profile = root / "notebooks/profiles/smoke.toml"
        profile.write_text(profile.read_text().replace("\nepochs = 1\n", "\nepochs = 30\n"))
        (root / "notebooks/04_augmentation.ipynb").unlink()
        for notebook_name, body in (("02_unsupervised", TRAIN), ("05_results", GATHER)):
            given = "\n".join(f"{key} = {value!r}" for key, value in PARAMETERS[notebook_name].items())
            cells = [
                ("markdown", [], "# Title\n\n<!-- answer -->\n*Written by the run.*"),
                ("code", ["parameters"], given),
            ]
            (root / f"notebooks/{notebook_name}.ipynb").write_text(notebook([*cells, ("code", [], body)]))
        return root.resolve()

    return copy


def make(root: Path) -> subprocess.Popen:
    """`make paper PROFILE=smoke` in a group of its own, that hears Ctrl-C wherever it was started."""
    return subprocess.Popen(
        ["make", "--assume-old=.venv/ready", "paper", "PROFILE=smoke", "CORES=2"],
        cwd=root,
        stdout=open(root / "said", "ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
    )


def at_work(root: Path) -> dict[int, str]:
    """Process -> command line, of those whose working folder is in the copy."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(folder / "cwd")).is_relative_to(root):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if command:  # else it has ended, and nobody has asked for its status yet
                    found[int(folder.name)] = command
        except OSError:  # ended while we looked, or not ours
            continue
    return found


def at_training(root: Path, begin: float) -> bool:
    """Whether a training has written something since then."""
    try:
        return any(file.stat().st_mtime > begin for file in (root / "runs/smoke/train").rglob("*") if file.is_file())
    except FileNotFoundError:  # a temporary file
        return False


def kernel(root: Path) -> int:
    """The notebook's kernel; what it forks for a moment has the same command line and a larger number."""
    return min(pid for pid, line in at_work(root).items() if "ipykernel_launcher" in line)


def results(root: Path) -> dict[str, str]:
    """Every table, value and finished training -> SHA-256."""
    places = [root / "reports/smoke/tables", root / "reports/smoke/values", root / "runs/smoke/train"]
    kinds = (".csv", ".md", ".json", ".safetensors")
    files = [file for place in places for file in place.rglob("*") if file.suffix in kinds]
    return {
        file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.name != "history.csv"  # says how many seconds a step took
    }


def test_killed_runs_go_on_to_the_same_results(paper):
    quiet, root = paper("undisturbed"), paper("killed")
    assert make(quiet).wait(600) == 0, (quiet / "said").read_text()[-2000:]
    wanted = results(quiet)
    assert {"reports/smoke/tables/tab_history.csv", "runs/smoke/train/adam-seed0/model.safetensors"} < set(wanted)

    for target, name in (("make", "SIGKILL"), ("ipykernel_launcher", "SIGKILL"), ("group", "SIGINT")):
        begin, process, end = time.time(), make(root), time.monotonic() + 300
        while not at_training(root, begin):
            assert process.poll() is None and time.monotonic() < end, (root / "said").read_text()[-2000:]
            time.sleep(0.05)
        if target == "group":
            os.killpg(process.pid, getattr(signal, name))
        else:
            os.kill(process.pid if target == "make" else kernel(root), getattr(signal, name))
        assert process.wait(600) != 0
        end = time.monotonic() + 30
        while left := at_work(root):
            assert time.monotonic() < end, left
            time.sleep(0.2)
    assert make(root).wait(600) == 0, (root / "said").read_text()[-2000:]
    assert results(root) == wanted
