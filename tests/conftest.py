"""What several tests share: a root of one's own, and a small copy of the repository to run the workflow in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import SMALL_STEPS, touching_notebook
from lib import base

SMALL_PAPER = """---
title: Small
subtitle: one
written-for: smoke
---

# Abstract

Trained for {{ n('05_results.epochs', '.0f') }} epochs [@xu2017].

# Claims

{{ table('tab_05_results') }}

{{ claims_table() }}
"""
SMALL_CLAIMS = """
- {id: short, kind: study, section: '1', claim: It is short., rests_on: [02_unsupervised.epochs],
   holds_if: {value: 02_unsupervised.epochs, below: 5}, tolerance: exact}
"""


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """A temporary folder in which reports/, figures/ and runs/ lie in this test."""
    monkeypatch.setattr(base, "ROOT", tmp_path)
    return tmp_path


os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # tests that import onnxruntime themselves


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """A copy of lib and the workflow with three small notebooks, and an article of one sentence and one claim."""
    root = tmp_path_factory.mktemp("template")
    for name in ("lib", "workflow", "notebooks/profiles", "reports/article"):
        shutil.copytree(base.ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "CITATION.cff"):
        shutil.copy(base.ROOT / name, root / name)
    (root / "data").symlink_to(base.ROOT / "data")
    with open(root / "workflow/steps.py", "a") as table:
        table.write(
            f"\nSTEPS = {{name: Step(needs=needs) for name, needs in {SMALL_STEPS}.items()}}\nNOTEBOOKS = tuple(STEPS)\n"
        )
    for name in SMALL_STEPS:
        (root / "notebooks" / f"{name}.ipynb").write_text(touching_notebook(name))
    for name in ("paper", "short"):
        (root / f"reports/article/{name}.md").write_text(SMALL_PAPER)
    (root / "reports/claims.yaml").write_text(SMALL_CLAIMS)
    return root


class Copy:
    """A copy of the template. run: the finished process of `python -m <module> smoke ...` in it."""

    def __init__(self, root: Path):
        self.root = root

    def run(self, *arguments: str, module: str = "workflow", **options) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, **options)

    def make(self, *arguments: str, **options) -> subprocess.CompletedProcess:
        return self.run("smoke", *arguments, **options)


@pytest.fixture
def fresh(template, tmp_path) -> Copy:
    """A copy in which nothing has run."""
    return Copy(shutil.copytree(template, tmp_path / "copy", symlinks=True))


@pytest.fixture(scope="session")
def built(template, tmp_path_factory):
    """A copy in which the whole paper has run once, and what that run printed."""
    copy = Copy(shutil.copytree(template, tmp_path_factory.mktemp("built") / "copy {a} b", symlinks=True))
    done = copy.make()
    assert done.returncode == 0, done.stdout + done.stderr
    return copy, done


@pytest.fixture
def finished(built, tmp_path) -> Copy:
    """One's own copy of a finished run, without the times of its files."""
    return Copy(shutil.copytree(built[0].root, tmp_path / "copy", symlinks=True, copy_function=shutil.copy))
