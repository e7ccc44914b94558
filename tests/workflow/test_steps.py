"""The table of steps is whole, and the Snakefile is made from it."""

import subprocess
import sys

import pytest

from helpers import touching_notebook
from lib.base import ROOT
from workflow import drawing, steps
from workflow.steps import NOTEBOOKS, STEPS


def test_every_notebook_has_an_entry_and_needs_earlier_ones():
    assert sorted(NOTEBOOKS) == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    for number, notebook in enumerate(NOTEBOOKS):
        assert set(STEPS[notebook].needs) <= set(NOTEBOOKS[:number]), notebook


def test_no_file_is_written_twice():
    everything = [file for notebook in NOTEBOOKS for file in steps.outputs(notebook, "r", {})]
    everything += steps.ending_outputs("r")
    assert len(everything) == len(set(everything))


def test_rendered_portraits_have_more_to_show():
    more = set(steps.shown("01_data", "r")) - set(steps.shown("01_data", "r", "folder"))
    assert more == {*steps.figures("r", "fig_clips"), *steps.tables("r", "tab_difficulty", "tab_render_check")}


def test_what_the_longest_chain_hangs_on_is_begun_first():
    assert steps.waiting("03_vgg16") > steps.waiting("02_unsupervised") > steps.waiting("01_data") == 0


def test_files_that_are_read_beside_the_images_are_there():
    assert [file for step in STEPS.values() for file in step.reads if not (ROOT / file).is_file()] == []


@pytest.fixture
def with_one_more(repository):
    """A small repository in which somebody has added a notebook: its file, and one entry in the table of steps."""
    table = repository / "workflow" / "steps.py"
    entry = '    "08_new": Step(needs=("01_data",), figures=("fig_new",), files=("reports/{run}/new.txt",)),\n'
    table.write_text(table.read_text().replace("}\nNOTEBOOKS =", f"{entry}}}\nNOTEBOOKS ="))
    files = ["figures/RUN/fig_new.png", "figures/RUN/fig_new.pdf", "reports/RUN/new.txt"]
    (repository / "notebooks" / "08_new.ipynb").write_text(touching_notebook("08_new", files))
    return repository


def test_a_new_notebook_is_one_entry(with_one_more):
    """Only what it needs and it itself are run; each of its files is one that Snakemake knows by name."""
    command = [sys.executable, "-m", "workflow", "smoke"]
    said = subprocess.run([*command, "--status"], cwd=with_one_more, capture_output=True, text=True, check=True).stdout
    assert "08_new: stale (not finished here yet, needs 01_data)" in said
    done = subprocess.run(
        [*command, "--snakemake", "figures/smoke/fig_new.pdf"], cwd=with_one_more, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (with_one_more / "reports/smoke/new.txt").read_text() == "1"
    assert {path.stem for path in (with_one_more / "runs/smoke/steps").glob("*.json")} == {"01_data", "08_new"}


def test_the_drawing_shows_every_step():
    made = {name: {"needs": list(step.needs)} for name, step in STEPS.items()}
    assert set(drawing.places(made)) == {*NOTEBOOKS, drawing.LAST}


def test_what_says_what_is_stale_starts_without_what_draws_or_trains():
    """`make status` and each step would wait seconds for them."""
    slow = ("matplotlib", "pandas", "rfc3987_syntax", "torch")
    code = f"import sys, workflow.execute, workflow.make\nprint([name for name in {slow} if sys.modules.get(name)])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr
