"""The claims on a run as tables: those of the study, its slips of the pen, and ours."""

import json
import math
from pathlib import Path

import pandas as pd

from lib.base import ROOT, reports_dir, write_atomically
from workflow import claims, values

# The run at the study's own scale, whose values are published: what it found stands beside what a smaller run points to.
REFERENCE = "paper"
CAPTIONS = {
    "study": "Claims of the study that an experiment tests, in its own words and as we test them. A run below the scale that "
    "a claim needs does not test it; the last column then says which way its value points, which is no outcome, and what the run "
    f"`{REFERENCE}`, at the study's scale, found.",
    "slip": "Slips of the study's pen, seen by arithmetic or by reading; no experiment has a part in them.",
    "ours": "Claims of this paper. Scale and last column as for those of the study.",
}
SHOWN = {  # columns for readers
    "study": ["claim", "measured", "holds if", "outcome", "points"],
    "slip": ["the study writes", "which says", "found"],
    "ours": ["claim", "measured", "holds if", "outcome", "points"],
}


def judged(folder: Path) -> pd.DataFrame:
    """All claims on a run, by its folder (reports/<run>), one row each, in words.

    id, kind, section, quote, claim, found (what is the case: the value of the condition, or what a reader sees), holds if,
    outcome, needs (what the run has too little of), points (below that scale: which way), reference (the outcome in the run
    REFERENCE; "" for itself, and where it has none), tolerance, rests on.
    """
    known, listed = claims.of_run(folder), claims.read()
    at_scale = {} if folder.name == REFERENCE else of_reference()
    return pd.DataFrame([_row(claim, known) | {"reference": _outcome(claim, at_scale)} for claim in listed])


def of_reference() -> dict[str, values.Leaf]:
    """What claims may name, as the run REFERENCE has published it; {} where nothing is published."""
    path = ROOT / "reports" / "reference" / f"{REFERENCE}.json"
    if not path.is_file():
        return {}
    return claims.of_published(json.loads(path.read_bytes()))


def _outcome(claim: dict, known: dict[str, values.Leaf]) -> str:
    return claims.judge(claim, known) if "holds_if" in claim and claims.names(claim) <= known.keys() else ""


def of_kind(frame: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows of one kind with the columns that a reader sees."""
    rows = frame[frame.kind == kind]
    if kind == "slip":
        wanted = [f", expected {text.removeprefix('is ')}" if text else "" for text in rows["holds if"]]
        shown = pd.DataFrame(
            {
                "the study writes": [_quoted(row) for row in rows.to_dict("records")],
                "which says": rows.claim,
                "found": [found + more for found, more in zip(rows.found, wanted, strict=True)],
            }
        )
    else:
        shown = rows.assign(
            claim=[": ".join(filter(None, (_quoted(row), row["claim"]))) for row in rows.to_dict("records")],
            measured=rows.found,
            outcome=[
                f"**{outcome}**" + (f": {needs}" if needs else "")
                for outcome, needs in zip(rows.outcome, rows.needs, strict=True)
            ],
            points=[
                f"{points}; `{REFERENCE}`: {found}" if points and found else points
                for points, found in zip(rows.points, rows.reference, strict=True)
            ],
        )
    return shown[SHOWN[kind]]


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
    """The condition of a claim in words: "below 0", "is 34,427", "between -0.006 and 0.006"."""
    if "equal" in holds_if:
        return f"is {_number(claims.bound(holds_if['equal'], known))}"
    floor, ceiling = claims.limits(holds_if, known)
    if math.isinf(floor):
        return f"below {_number(ceiling)}"
    return f"above {_number(floor)}" if math.isinf(ceiling) else f"between {_number(floor)} and {_number(ceiling)}"


def write(run: str) -> list[Path]:
    """Write reports/<run>/tables/tab_claims.csv, with everything, and .md, with what a reader sees; returns both."""
    frame = judged(reports_dir(run))
    folder = reports_dir(run) / "tables"
    files = [folder / "tab_claims.csv", folder / "tab_claims.md"]
    write_atomically(files[0], frame.to_csv(index=False, lineterminator="\n").encode())
    parts = [
        f"{of_kind(frame, kind).to_markdown(index=False, disable_numparse=True)}\n\n*{caption} Run {run}, judged by "
        "reports/claims.yaml.*"
        for kind, caption in CAPTIONS.items()
        if (frame.kind == kind).any()
    ]
    write_atomically(files[1], ("\n\n".join(parts) + "\n").encode())
    return files


def _row(claim: dict, known: dict[str, values.Leaf]) -> dict:
    row = {name: str(claim.get(name, "")) for name in ("id", "kind", "section", "quote", "claim")}
    if "found" in claim:
        return (
            row
            | {"found": claim["found"], "outcome": "a slip"}
            | dict.fromkeys(("holds if", "needs", "points", "tolerance", "rests on"), "")
        )
    rule, outcome = claim["holds_if"], claims.judge(claim, known)
    below = outcome == claims.NOT_AT_SCALE
    short = claims.shortfalls(claim, known)
    spelled = condition(rule, known) + (f" ({rule['alike']['reason'].rstrip('.')})" if "alike" in rule else "")
    return row | {
        "found": measured(known[rule["value"]]),
        "holds if": spelled,
        "outcome": outcome,
        "needs": ", ".join(
            f"{_number(has)} of {_number(needs)} {what.replace('_', ' ')}" for what, (has, needs) in short.items()
        ),
        "points": claims.POINTS[claims.meets(rule, known)] if below else "",
        "tolerance": claim["tolerance"],
        "rests on": ", ".join(claim["rests_on"]),
    }


def _quoted(row: dict) -> str:
    """The study's words in quotation marks, and where they stand; nothing where only their sense is known."""
    where = {"": "", "abstract": "(abstract)", "References": "(references)"}.get(
        row["section"], f"(section {row['section']})"
    )
    return f"“{row['quote']}” {where}" if row["quote"] else where


def _number(number: float) -> str:
    """A bound: an integer whole, anything else with three digits at most."""
    text = f"{number:,.0f}" if float(number).is_integer() else f"{number:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")
