"""A run depends on the repository and its lock, not on the user's Snakemake, Python, Jupyter or git."""

import os
import shutil
import subprocess
import sys

import pytest

from lib.base import ROOT
from workflow import run as runner


@pytest.mark.parametrize("option", ["--dry-run", "-n", "-npr"])
def test_a_dry_run_is_refused_before_anything_is_removed(option):
    """It deleted the records of finished notebooks, and then said that the paper was there."""
    command = [sys.executable, "-m", "workflow", "smoke", f"--snakemake={option}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        f"error: SNAKEMAKE: expected options of a run, found {option}; `make status` says what would run.\n"
    )


def test_make_hands_on_a_single_option_of_snakemake():
    """argparse took it for an option of its own: "expected one argument"."""
    done = subprocess.run(
        ["make", "-n", "paper", "SNAKEMAKE=--verbose", "SET=lr=1"], cwd=ROOT, capture_output=True, text=True
    )
    assert "--snakemake='--verbose'" in done.stdout and "--settings='lr=1'" in done.stdout


def test_snakemakes_own_environment_does_not_send_the_steps_elsewhere(monkeypatch):
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "slurm")
    monkeypatch.setenv("SNAKEMAKE_OUTPUT_CACHE", "/elsewhere")
    assert not [name for name in runner.environment() if name.startswith("SNAKEMAKE")]


@pytest.fixture
def clone(tmp_path):
    """A folder with the Makefile and its locks, whose set-up is whole."""
    (tmp_path / "one/workflow").mkdir(parents=True)
    shutil.copytree(ROOT / "workflow/locks", tmp_path / "one/workflow/locks")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / "one")
    (tmp_path / "one/.venv").mkdir()
    stamp = "{ pwd; cat workflow/locks/paper.lock pyproject.toml; } | cksum > .venv/ready"
    subprocess.run(stamp, shell=True, cwd=tmp_path / "one", check=True)
    return tmp_path / "one"


def sets_up(folder) -> bool:
    done = subprocess.run(["make", "-n", "status"], cwd=folder, capture_output=True, text=True, check=True)
    return "set-up: " in done.stdout


def test_a_lock_from_the_future_makes_no_set_up_again(clone):
    """After a clone with a wrong clock, each make once did the whole set-up."""
    os.utime(clone / "workflow/locks/paper.lock", (2e9, 2e9))
    assert not sets_up(clone)
    with open(clone / "workflow/locks/paper.lock", "a") as lock:
        lock.write("# another\n")
    assert sets_up(clone)


def test_a_renamed_or_copied_set_up_is_made_again(clone):
    """Its programs named another folder: they did not start, or used the lib of the first clone."""
    shutil.copytree(clone, clone.with_name("two"), symlinks=True)
    assert sets_up(clone.with_name("two")) and not sets_up(clone)


def test_pips_own_settings_do_not_send_the_set_up_elsewhere(clone):
    """PIP_USER=1 ended it: "Can not perform a '--user' install"."""
    (clone / "Makefile").write_text((clone / "Makefile").read_text() + "\nprinted:\n\t@env\n")
    given = os.environ | {"PIP_USER": "1", "PIP_TARGET": "/elsewhere"}
    done = subprocess.run(["make", "-s", "printed"], cwd=clone, env=given, capture_output=True, text=True, check=True)
    assert "PIP_USER=0" in done.stdout and "PIP_TARGET" not in done.stdout
