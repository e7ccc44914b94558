"""What several tests share: a small copy of the repository with quick notebooks of its own, to run the workflow in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import COPIED, touching_notebook
from lib.base import ROOT
from workflow import steps

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # tests that import onnxruntime themselves


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """A copy of lib and the workflow whose notebooks only touch the files that workflow.steps wants of them."""
    root = tmp_path_factory.mktemp("template")
    for name in ("lib", "workflow", "notebooks/profiles", "data"):  # of the data what a plan reads, not the pictures
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.webp"))
    for name in ("requirements.lock", "pyproject.toml", "CITATION.cff"):
        shutil.copy(ROOT / name, root / name)
    others = [name for name in steps.NOTEBOOKS if name not in COPIED]
    with open(root / "workflow/steps.py", "a") as table:
        table.write(f"\nfor name in {others}:\n    del STEPS[name]\nNOTEBOOKS = tuple(STEPS)\n")
    for file in {file for name in COPIED for file in steps.STEPS[name].reads}:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, root / file)
    for name in COPIED:
        (root / "notebooks" / f"{name}.ipynb").write_text(touching_notebook(name, steps.shown(name, "RUN")))
    small_article(root)
    return root


def small_article(root: Path) -> None:
    """An article of one sentence and one claim, in the real one's looks."""
    shutil.copytree(ROOT / "reports" / "article", root / "reports" / "article")
    (root / "reports/article/paper.md").write_text(
        "---\ntitle: Small\nsubtitle: one\n---\n\n# Abstract\n\nTrained for {{ n('05_results.epochs', '.0f') }} epochs "
        "[@xu2017].\n\n# Claims\n\n{{ claims_table() }}\n"
    )
    (root / "reports/article/checklist.md").write_text("Trained for {{ n('05_results.epochs', '.0f') }} epochs.\n")
    (root / "reports/claims.yaml").write_text(
        "- {id: short, kind: study, section: '1', claim: It is short., rests_on: [05_results.epochs],\n"
        "   holds_if: {value: 05_results.epochs, below: 5}, tolerance: exact}\n"
    )


@pytest.fixture
def repository(template, tmp_path) -> Path:
    """One's own copy of the template."""
    return shutil.copytree(template, tmp_path / "copy")


def command(root: Path):
    """A function that runs `python -m workflow smoke ...` in `root` and returns the finished process."""

    def run(*arguments: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "workflow", "smoke", *arguments], cwd=root, capture_output=True, text=True, **options
        )

    run.root = root
    return run


@pytest.fixture
def make_paper(repository):
    """`command` in a fresh copy, where nothing has run."""
    return command(repository)


@pytest.fixture(scope="session")
def built(template, tmp_path_factory):
    """A copy in which the whole paper has run once, and what that run printed."""
    root = shutil.copytree(template, tmp_path_factory.mktemp("built") / "copy {a} b")
    done = command(root)()
    assert done.returncode == 0, done.stdout + done.stderr
    return root, done


@pytest.fixture
def built_paper(built, tmp_path):
    """`command` in one's own copy of a finished run; times are kept, so nothing is stale."""
    return command(shutil.copytree(built[0], tmp_path / "copy"))


def pytest_collection_modifyitems(items):
    """Tests marked `last` compare what all others, notebooks included, left behind."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)
