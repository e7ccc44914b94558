"""Named numbers that a notebook leaves for the article: each with its spread, parameters, code and commit."""

import json
import re

import numpy as np

from lib import provenance
from lib.base import ROOT, reports_dir, write_atomically
from lib.experiments.parameters import without_places

Leaf = float | int | bool | str | dict | None


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
    such. What is not finite is written as null. The errors behind a mean (`sample` of an estimate) stand apart, under
    "samples", by the same name.
    """
    flat = flatten(values, notebook)
    samples = {
        name: leaf["sample"] for name, leaf in flat.items() if isinstance(leaf, dict) and leaf.get("sample") is not None
    }
    source = ROOT / "notebooks" / f"{notebook}.ipynb"
    content = {
        "notebook": notebook,
        "answer": answer,
        "parameters": p,
        **provenance.commit(),
        "code": provenance.code_fingerprint(source) if source.is_file() else "",
        "values": {name: _plain(_without_sample(leaf)) for name, leaf in flat.items()},
    }
    # Errors as text may look like a path; so they come in only after paths have been taken out.
    content = json.loads(without_places(_text(content), p)) | ({"samples": samples} if samples else {})
    text = _text(content)
    write_atomically(reports_dir(p["run"]) / "values" / f"{notebook}.json", (text + "\n").encode())


def _text(content: dict) -> str:
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _without_sample(leaf: Leaf) -> Leaf:
    return {part: value for part, value in leaf.items() if part != "sample"} if isinstance(leaf, dict) else leaf


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
