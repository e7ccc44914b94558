"""A small copy of the repository with three quick notebooks, in which the workflow is tried."""

import shutil
import subprocess
import sys
from pathlib import Path

from helpers import notebook
from lib.base import ROOT

COPIED = ("02_unsupervised", "04_augmentation", "05_results")
NEEDS = {"04_augmentation": ("02_unsupervised",), "05_results": ("02_unsupervised", "04_augmentation")}
PARAMETERS = {"run": "smoke", "data": "portraits", "data_dir": "", "images": 8, "seed": 0, "epochs": 1}
BODY = """from lib.experiments import parameters
from lib.output import save
import matplotlib.pyplot as plt
import pandas as pd
p = parameters.check(globals())
figure, axes = plt.subplots(figsize=(1, 1))
save.save_figure(figure, run, "fig_NAME")
save.write_table(pd.DataFrame({"epochs": [epochs]}), run, "tab_NAME", "Epochs.")"""
PAPER = """---
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
CLAIMS = """- {id: short, kind: study, section: '1', claim: It is short., rests_on: [05_results.epochs],
   holds_if: {value: 05_results.epochs, below: 5}, tolerance: exact}
"""


def quick_notebook(name: str, body: str = BODY) -> str:
    """The JSON of a notebook with the parameters, `body`, and the values that every notebook must leave."""
    end = f"save.write_values(p.given, {name!r}, f'{{epochs}} epochs', {{'epochs': epochs}})"
    return notebook(
        [
            ("markdown", [], "# Title\n\n<!-- answer -->\n*Written by the run.*\n\nA formula: $x^2$.\n\n## Part"),
            ("code", ["parameters"], "\n".join(f"{key} = {value!r}" for key, value in PARAMETERS.items())),
            ("code", [], body.replace("NAME", name)),
            ("code", [], end),
        ]
    )


def make_copy(root: Path) -> Path:
    """Write the copy into `root`. Its data are the repository's, by a link."""
    root.mkdir(parents=True, exist_ok=True)
    for name in ("lib", "workflow", "notebooks/profiles", "reports/article"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "demo"))
    for file in (*ROOT.glob("requirements*.lock"), ROOT / "pyproject.toml", ROOT / "CITATION.cff"):
        shutil.copy(file, root)
    (root / "data").symlink_to(ROOT / "data")
    with open(root / "workflow" / "steps.py", "a", encoding="utf-8") as table:
        table.write(
            f"\nSTEPS = {{name: Step(needs={NEEDS}.get(name, ())) for name in {COPIED}}}\nNOTEBOOKS = {COPIED}\n"
        )
    for name in COPIED:
        (root / "notebooks" / f"{name}.ipynb").write_text(quick_notebook(name), encoding="utf-8")
    (root / "reports/article/paper.md").write_text(PAPER, encoding="utf-8")
    (root / "reports/article/short.md").write_text(PAPER, encoding="utf-8")
    (root / "reports/claims.yaml").write_text(CLAIMS, encoding="utf-8")
    return root


def make_paper(root: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    """The finished process of `python -m workflow smoke ...` in a copy."""
    command = [sys.executable, "-m", "workflow", "smoke", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8", **options)
