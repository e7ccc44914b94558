"""Where things lie. Everything hangs off the repository root, so the working directory never matters."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def figures_dir(run: str) -> Path:
    """Figures of one run (`quick`, `paper-aisegment` ...), as PNG and PDF."""
    return ROOT / "figures" / run


def reports_dir(run: str) -> Path:
    """Executed notebooks, HTML, tables and run.json of one run."""
    return ROOT / "reports" / run


def runs_dir(run: str) -> Path:
    """Working files of one run: checkpoints, predictions, step records. Never committed."""
    return ROOT / "runs" / run


def cache_dir() -> Path:
    """Prepared arrays, shared by all runs; set MATTING_CACHE to keep them on another disk."""
    return Path(os.environ.get("MATTING_CACHE", ROOT / ".cache"))
