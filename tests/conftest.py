"""What several tests share: a small copy of the repository with quick notebooks of its own, to run the workflow in."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import small_notebook
from lib.base import ROOT
from workflow.plan import NOTEBOOKS


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """A copy of lib and the workflow whose notebooks only touch the files that the Snakefile expects."""
    root = tmp_path_factory.mktemp("template")
    for name in ("lib", "workflow", "notebooks/profiles", "data"):  # of the data what a plan reads, not the pictures
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.webp"))
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, root / name)
    for name, files in declared_outputs(root).items():
        body = (f"for file in {files!r}:\n    path = Path(file.replace('RUN', run))\n"
                "    path.parent.mkdir(parents=True, exist_ok=True)\n    path.write_text(str(epochs))")
        (root / "notebooks" / f"{name}.ipynb").write_text(small_notebook(name, body))
    small_article(root)
    for made in ("runs", ".snakemake"):
        shutil.rmtree(root / made)
    return root


def small_article(root: Path) -> None:
    """An article of one sentence and one claim, in the real one's looks."""
    shutil.copytree(ROOT / "reports" / "article", root / "reports" / "article")
    (root / "reports/article/paper.md").write_text(
        "---\ntitle: Small\nsubtitle: one\n---\n\n# Abstract\n\nTrained for {{ n('05_results.epochs', '.0f') }} epochs "
        "[@xu2017].\n\n# Claims\n\n{{ claims_table() }}\n")
    (root / "reports/claims.yaml").write_text(
        "- {id: short, claim: It is short., source: this paper, rests_on: [05_results.epochs],\n"
        "   holds_if: {value: 05_results.epochs, below: 5}, tolerance: exact}\n")


@pytest.fixture
def repository(template, tmp_path) -> Path:
    """One's own copy of the template."""
    return shutil.copytree(template, tmp_path / "copy")


def declared_outputs(root: Path) -> dict[str, list[str]]:
    """Notebook -> figures, tables and other files that the Snakefile declares, read by running it with run=RUN."""
    (root / "runs" / "RUN").mkdir(parents=True)
    plan = {name: {"fingerprint": "", "needs": [], "parameters": {}} for name in NOTEBOOKS}
    (root / "runs" / "RUN" / "plan.json").write_text(json.dumps(plan))
    (root / "runs" / "RUN" / "sources.json").write_text("[]")
    done = subprocess.run([sys.executable, "-m", "snakemake", "--dry-run", "--detailed-summary", "--quiet", "--config",
                           "run=RUN"], cwd=root, capture_output=True, text=True, check=True)
    notebook_of = {"data": "01_data", "unsupervised": "02_unsupervised", "vgg16": "03_vgg16",
                   "augmentation": "04_augmentation", "results": "05_results",
                   "refinement": "06_refinement", "benchmarks": "07_benchmarks"}
    files: dict[str, list[str]] = {name: [] for name in NOTEBOOKS}
    for line in done.stdout.splitlines()[1:]:
        file, _, rule, *_ = line.split("\t")
        name = notebook_of.get(rule)
        if name and Path(file).stem != name:  # the runner itself writes what carries the notebook's name
            files[name].append(file)
    return files


def command(root: Path):
    """A function that runs `python -m workflow smoke ...` in `root` and returns the finished process."""
    def run(*arguments: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-m", "workflow", "smoke", *arguments], cwd=root,
                              capture_output=True, text=True, **options)
    run.root = root
    return run


@pytest.fixture
def make_paper(repository):
    """`command` in a fresh copy, where nothing has run."""
    return command(repository)


@pytest.fixture(scope="session")
def built(template, tmp_path_factory):
    """A copy in which the whole paper has run once, and what that run printed."""
    root = shutil.copytree(template, tmp_path_factory.mktemp("built") / "copy")
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
