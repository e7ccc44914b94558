"""The claims of reports/claims.yaml, judged by the values of a run: holds, refuted, not shown, or not tested.

A claim is data: a sentence, the values it rests on, and one condition on one of them. A difference with an interval
holds or is refuted only when the whole 95 % interval lies on one side; in between, or without one, nothing is shown.
"""

import math
from pathlib import Path

import pandas as pd
import yaml

from lib.base import ROOT, UserError, reports_dir, write_atomically
from lib.experiments import published
from lib.output import notebook
from workflow import values

CLAIMS = ROOT / "reports" / "claims.yaml"
FIELDS = {"id", "claim", "source", "rests_on", "holds_if", "tolerance"}
CONDITIONS = ("below", "above", "equal", "between")
TOLERANCES = ("exact", "same hardware", "statistical")
SHOWN = ["claim", "source", "measured", "holds if", "outcome"]  # columns for readers
HOLDS, REFUTED, NOT_SHOWN, NOT_TESTED = "holds", "refuted", "not shown", "not tested"


def read(path: Path = CLAIMS) -> list[dict]:
    """The claims, checked; UserError that names the claim and what is wrong with it."""
    try:
        listed = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path.name}: expected a YAML list of claims, found: {error}; correct it.") from error
    for claim in listed:
        where = f"{path.name}, claim {claim.get('id', '?')}"
        if unknown := set(claim) - FIELDS - {"needs"}:
            raise UserError(
                f"{where}: expected the fields {', '.join(sorted(FIELDS))}, found {', '.join(unknown)}; correct it."
            )
        if missing := FIELDS - set(claim):
            raise UserError(f"{where}: expected the field {', '.join(sorted(missing))}, found none; add it.")
        kinds = [kind for kind in claim["holds_if"] if kind in CONDITIONS]
        if len(kinds) != 1 or claim["holds_if"].get("value") not in claim["rests_on"]:
            raise UserError(
                f"{where}: expected holds_if with a value of rests_on and one of {', '.join(CONDITIONS)}, "
                f"found {claim['holds_if']}; correct it."
            )
        if claim["tolerance"] not in TOLERANCES:
            raise UserError(
                f"{where}: expected a tolerance {', '.join(TOLERANCES)}, found {claim['tolerance']!r}; choose one."
            )
    return listed


def judge(claim: dict, known: dict[str, values.Leaf]) -> str:
    """The outcome of one claim by the values of a run. UserError when a value that it rests on is missing."""
    for name in claim["rests_on"]:
        if name not in known:
            raise UserError(
                f"claims.yaml, claim {claim['id']}: expected the value {name}, found none in the run; let "
                f"notebook {name.split('.')[0]} record it, or correct the claim."
            )
    if any(known.get(name) != wanted for name, wanted in claim.get("needs", {}).items()):
        return NOT_TESTED
    condition = claim["holds_if"]
    leaf = known[condition["value"]]
    number = values.number(leaf)
    if number is None:
        return NOT_TESTED
    if isinstance(leaf, dict) and leaf.get("low") is None:
        return NOT_SHOWN  # an estimate without an interval
    low, high = (leaf["low"], leaf["high"]) if isinstance(leaf, dict) else (number, number)
    if "equal" in condition:
        return HOLDS if math.isclose(number, _bound(condition["equal"], known), rel_tol=1e-9) else REFUTED
    if "between" in condition:
        floor, ceiling = (_bound(bound, known) for bound in condition["between"])
        return _side(floor < low and high < ceiling, high < floor or low > ceiling)
    if "below" in condition:
        bound = _bound(condition["below"], known)
        return _side(high < bound, low > bound)
    bound = _bound(condition["above"], known)
    return _side(low > bound, high < bound)


def judged(folder: Path) -> pd.DataFrame:
    """All claims on a run, by its folder (reports/<run>): id, claim, source, measured (the value of the condition, in words), outcome."""
    known = published.values() | values.load(folder)
    rows = [
        {
            "id": claim["id"],
            "claim": claim["claim"],
            "source": claim["source"],
            "measured": measured(known.get(claim["holds_if"]["value"])),
            "holds if": condition(claim["holds_if"], known),
            "outcome": judge(claim, known),
            "tolerance": claim["tolerance"],
            "rests on": ", ".join(claim["rests_on"]),
        }
        for claim in read()
    ]
    return pd.DataFrame(rows)


def measured(leaf: values.Leaf) -> str:
    """A value for a table: a number with its interval where it has one."""
    number = values.number(leaf)
    if number is None:
        return "" if leaf is None or isinstance(leaf, dict) else str(leaf)
    text = f"{number:,.0f}" if float(number).is_integer() and abs(number) >= 1 else f"{number:.3f}"
    if isinstance(leaf, dict) and leaf.get("low") is not None:
        text += f" ({leaf['low']:.3f} to {leaf['high']:.3f})"
    return text.replace("-", "\N{MINUS SIGN}")


def condition(holds_if: dict, known: dict[str, values.Leaf]) -> str:
    """The condition of a claim in words: "below 0", "is 34,427"."""
    kind = next(kind for kind in CONDITIONS if kind in holds_if)
    bounds = holds_if[kind] if isinstance(holds_if[kind], list) else [holds_if[kind]]
    spelled = [f"{_bound(bound, known):,.10g}".replace("-", "\N{MINUS SIGN}") for bound in bounds]
    return {"below": "below {}", "above": "above {}", "equal": "is {}", "between": "{} to {}"}[kind].format(*spelled)


def write_table(run: str) -> None:
    """Write reports/<run>/tables/tab_claims.csv and .md."""
    frame = judged(reports_dir(run))
    folder = reports_dir(run) / "tables"
    notebook.write_csv(frame, folder / "tab_claims.csv")
    shown = frame[SHOWN].to_markdown(index=False, disable_numparse=True)
    caption = f"Claims of the study and of this paper, judged on run {run} by the rules of reports/claims.yaml."
    write_atomically(folder / "tab_claims.md", f"{shown}\n\n*{caption}*\n".encode())


def _bound(bound: float | str, known: dict[str, values.Leaf]) -> float:
    """A bound is a number, or the name of a value."""
    if not isinstance(bound, str):
        return float(bound)
    number = values.number(known.get(bound))
    if number is None:
        raise UserError(f"claims.yaml: expected the value {bound} as a bound, found none; correct the claim.")
    return number


def _side(holds: bool, refuted: bool) -> str:
    return HOLDS if holds else REFUTED if refuted else NOT_SHOWN
