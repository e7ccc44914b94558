"""A run depends on the repository and its lock, not on the user's Snakemake, Python, Jupyter or git."""

import subprocess
import sys

import pytest

from lib.base import ROOT
from workflow import make


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
    assert not [name for name in make.environment() if name.startswith("SNAKEMAKE")]
