"""Named numbers that a notebook leaves for the article: each with its spread, parameters, code and commit."""

import json
import re
from pathlib import Path

import numpy as np

from lib import provenance
from lib.base import ROOT, UserError, reports_dir, write_atomically

Leaf = float | int | bool | str | dict | None
PARTS = {"answer": str, "code": str, "parameters": dict, "values": dict}  # of a values file, beside the commit
SPREAD = ("sd", "low", "high")  # what may stand beside "value" in a number with a spread


def slug(text: str) -> str:
    """A part of a name: small letters, digits and underscores ("K-means, border" -> "k_means_border")."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def flatten(values: dict, prefix: str) -> dict[str, Leaf]:
    """Nested values -> one level, "prefix.part.part"; a dict with the key "value" is a number, not a level."""
    flat: dict[str, Leaf] = {}
    for key, value in values.items():
        name = f"{prefix}.{slug(str(key))}"
        if name in flat:
            raise ValueError(f"two values with the name {name}")
        if isinstance(value, dict) and "value" not in value:
            flat |= flatten(value, name)
        else:
            flat[name] = value
    return flat


def write(p: dict, notebook: str, answer: str, values: dict) -> None:
    """Write reports/<run>/values/<notebook>.json: the answer, and the values by name with how they were made.

    p: the notebook's parameters; values: name -> number, text, number with spread (`estimate`), or a dict of
    such. What is not finite is written as null.
    """
    source = ROOT / "notebooks" / f"{notebook}.ipynb"
    content = {"notebook": notebook, "answer": answer, "parameters": p, **provenance.commit(),
               "code": provenance.code_fingerprint(source) if source.is_file() else "",
               "values": _plain(flatten(values, notebook))}
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    text = provenance.anonymous(text, p)
    write_atomically(reports_dir(p["run"]) / "values" / f"{notebook}.json", (text + "\n").encode())


def read(run: str, notebook: str) -> dict:
    """What `write` wrote; UserError that names the notebook to run if it is not there."""
    path = reports_dir(run) / "values" / f"{notebook}.json"
    if not path.is_file():
        raise UserError(f"reports/{run}/values/{path.name}: expected the values of notebook {notebook} with "
                        f"run={run}, found no file; run that notebook first.")
    return _content(path)


def load(folder: Path) -> dict[str, Leaf]:
    """All values of a run by name, from its folder (reports/<run>); UserError when it has none."""
    flat: dict[str, Leaf] = {}
    for path in sorted((folder / "values").glob("*.json")):
        flat |= _content(path)["values"]
    if not flat:
        raise UserError(f"{folder}: expected the values of a run (values/*.json), found none; name a folder like "
                        "reports/quick, and run `make paper` first.")
    return flat


def parameters(folder: Path) -> dict:
    """The parameters of all notebooks of a run, in one dict."""
    merged: dict = {}
    for path in sorted((folder / "values").glob("*.json")):
        merged |= _content(path)["parameters"]
    return merged


def stale(folder: Path) -> dict[str, str]:
    """Notebook -> why its values no longer speak of the code that is here; empty when all are fresh."""
    reasons = {}
    for path in sorted((folder / "values").glob("*.json")):
        source = ROOT / "notebooks" / f"{path.stem}.ipynb"
        if not source.is_file():
            reasons[path.stem] = "its notebook is gone"
        elif _content(path)["code"] != provenance.code_fingerprint(source):
            reasons[path.stem] = "its cells or the lib code that they use have changed since"
    return reasons


def number(leaf: Leaf) -> float | None:
    """The number of a value, with or without a spread; None for text and for what could not be measured."""
    if isinstance(leaf, dict):
        leaf = leaf.get("value")
    if isinstance(leaf, bool):
        return float(leaf)
    return leaf if isinstance(leaf, int | float) else None


def _content(path: Path) -> dict:
    """A values file; UserError when it was cut off or is something else."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError:
        content = None
    if not isinstance(content, dict) or not all(isinstance(content.get(name), kind) for name, kind in PARTS.items()):
        raise UserError(f"{path.name} in {path.parent}: expected a values file of this version, found something "
                        "else; run its notebook again.")
    return content


def _plain(value):
    """JSON types only: numpy scalars as Python's, NaN and infinity as None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value
