"""The named values that notebooks left (lib.report.save), read again for the article and the claims."""

import json
from pathlib import Path

from lib import provenance
from lib.base import ROOT, UserError, reports_dir

Leaf = float | int | bool | str | dict | None  # a value; a dict is an estimate: value, sd, low, high, seeds, n
PARTS = {"answer": str, "code": str, "parameters": dict, "values": dict}  # of a values file


def read(run: str, notebook: str) -> dict:
    """What a notebook wrote; UserError that names the notebook to run if it is not there."""
    path = reports_dir(run) / "values" / f"{notebook}.json"
    if not path.is_file():
        raise UserError(
            f"reports/{run}/values/{path.name}: expected the values of notebook {notebook} with "
            f"run={run}, found no file; run that notebook first."
        )
    return _content(path)


def load(folder: Path) -> dict[str, Leaf]:
    """All values of a run by name, from its folder (reports/<run>); UserError when it has none."""
    flat: dict[str, Leaf] = {}
    for path in sorted((folder / "values").glob("*.json")):
        flat |= _content(path)["values"]
    if not flat:
        raise UserError(
            f"{folder}: expected the values of a run (values/*.json), found none; name a folder like "
            "reports/quick, and run `make paper` first."
        )
    return flat


def samples(folder: Path) -> dict[str, str]:
    """Name -> the errors behind a mean (lib.scores), of those values of a run that are means of such."""
    found: dict[str, str] = {}
    for path in sorted((folder / "values").glob("*.json")):
        found |= _content(path).get("samples", {})
    return found


def cells(folder: Path) -> dict[str, tuple[str, str]]:
    """File that a notebook of a run wrote, by its stem -> (notebook, id of the cell that wrote it)."""
    return {
        Path(file).stem: (path.stem, cell)
        for path in sorted((folder / "values").glob("*.json"))
        for file, cell in _content(path).get("files", {}).items()
    }


def commits(folder: Path) -> dict[str, str]:
    """Notebook -> the commit that its values were made at; "" where nobody knows."""
    return {path.stem: _content(path).get("commit", "") for path in sorted((folder / "values").glob("*.json"))}


def parameters(folder: Path) -> dict:
    """The parameters of all notebooks of a run, in one dict."""
    merged: dict = {}
    for given in parameters_by_notebook(folder).values():
        merged |= given
    return merged


def parameters_by_notebook(folder: Path) -> dict[str, dict]:
    """Notebook -> the parameters that it ran with, of a run by its folder."""
    return {path.stem: _content(path)["parameters"] for path in sorted((folder / "values").glob("*.json"))}


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
        raise UserError(
            f"{path.name} in {path.parent}: expected a values file of this version, found something "
            "else; run its notebook again."
        )
    return content
