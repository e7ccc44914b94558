"""The table of steps is complete."""

import subprocess
import sys

from helpers import small_notebook
from lib.base import ROOT
from workflow import steps
from workflow.steps import NOTEBOOKS, STEPS


def test_every_notebook_has_an_entry_and_needs_earlier_ones():
    assert sorted(NOTEBOOKS) == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    for number, notebook in enumerate(NOTEBOOKS):
        assert set(STEPS[notebook].needs) <= set(NOTEBOOKS[:number]), notebook


def test_the_longest_chain_begins_first():
    assert steps.waiting("03_vgg16") > steps.waiting("02_unsupervised") > steps.waiting("01_data") == 0


def test_files_that_notebooks_read_are_there():
    assert [file for step in STEPS.values() for file in step.reads if not (ROOT / file).is_file()] == []


def test_a_new_notebook_is_one_entry(fresh):
    """And its file."""
    with open(fresh.root / "workflow" / "steps.py", "a") as table:
        table.write('STEPS["08_new"] = Step(needs=("02_unsupervised",))\nNOTEBOOKS = tuple(STEPS)\n')
    (fresh.root / "notebooks/08_new.ipynb").write_text(small_notebook("08_new", ""))
    assert "08_new: stale (not finished here yet, needs 02_unsupervised)" in fresh.make("--status").stdout


def test_status_and_steps_start_without_what_draws_or_trains():
    """`make status` and each step would wait seconds for them."""
    slow = ("matplotlib", "pandas", "rfc3987_syntax", "torch")
    code = f"import sys, workflow.execute, workflow.run\nprint([name for name in {slow} if sys.modules.get(name)])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr
