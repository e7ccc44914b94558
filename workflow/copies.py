"""Copies of all notebooks with a profile's parameters put in, for nbval, which has none of its own:

python -m workflow.copies smoke smoke-nbval build/nbval
"""

import shutil
import sys
from pathlib import Path

import papermill

from lib.base import ROOT, figures_dir, reports_dir, runs_dir
from workflow.execute import literal
from workflow.plan import make_plan
from workflow.steps import NOTEBOOKS


def prepare_notebooks(profile: str, run: str, folder: Path) -> None:
    """Write notebooks/*.ipynb with the profile's parameters and run name into `folder`, not executed.

    What an earlier such run left is removed first, so that everything is computed again.
    """
    for old in (folder, runs_dir(run), reports_dir(run), figures_dir(run)):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True)
    plan = make_plan(profile, {"run": run})
    for notebook in NOTEBOOKS:
        source, target = (literal(place / f"{notebook}.ipynb") for place in (ROOT / "notebooks", folder))
        papermill.execute_notebook(source, target, plan[notebook]["parameters"], prepare_only=True, progress_bar=False)


if __name__ == "__main__":
    prepare_notebooks(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
