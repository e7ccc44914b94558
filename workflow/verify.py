"""Do the published claims still hold here? `python -m workflow.verify quick` after `make paper PROFILE=quick`.

The published values of a run are kept in reports/reference/<run>.json (`--publish` writes them). For each claim:
its outcome now, whether it was the same, and how far the values under it have drifted, by the claim's tolerance:
exact (equal), same hardware (equal but for rounding on the same machine, statistical elsewhere), or statistical
(within workflow.compare.MOVED spreads).
"""

import argparse
import json
import math
import sys

import pandas as pd

from lib import provenance
from lib.base import ROOT, UserError, reports_dir, write_atomically
from lib.output import values
from workflow import claims, compare

REFERENCE = ROOT / "reports" / "reference"
MACHINE = ("processor", "cores", "gpu", "python")


def publish(run: str) -> None:
    """Write reports/reference/<run>.json: the values of the run as it stands, its machine and its parameters."""
    record = json.loads((reports_dir(run) / "run.json").read_text())
    content = {"run": run, "machine": _machine(record), "parameters": values.parameters(reports_dir(run)),
               "values": values.load(reports_dir(run))}
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomically(REFERENCE / f"{run}.json", (text + "\n").encode())


def reference(run: str) -> dict:
    """The published values; UserError when the run has none."""
    path = REFERENCE / f"{run}.json"
    if not path.is_file():
        known = ", ".join(sorted(path.stem for path in REFERENCE.glob("*.json"))) or "none"
        raise UserError(f"reports/reference/{run}.json: expected published values, found none (there are: {known}); "
                        f"`python -m workflow.verify {run} --publish` makes this run the reference.")
    return json.loads(path.read_text())


def verdicts(run: str) -> pd.DataFrame:
    """One row a claim: id, claim, outcome, published outcome, drift (in words), ok.

    ok: the outcome is the published one and no value has drifted beyond the claim's tolerance.
    """
    published = reference(run)
    before, after = published["parameters"], values.parameters(reports_dir(run))
    changes = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    if changes:
        raise UserError(f"run {run}: expected the published parameters, found other values of {', '.join(changes)}; "
                        "run it without SET, or compare with `make compare`.")
    then, now = (published.values() | known for known in (published["values"], values.load(reports_dir(run))))
    same = published["machine"] == _machine(provenance.environment())
    rows = []
    for claim in claims.read():
        outcomes = [claims.judge(claim, known) for known in (now, then)]
        drifts = [drift(name, then[name], now[name], claim["tolerance"], same) for name in claim["rests_on"]]
        drifts = [one for one in drifts if one]
        rows.append({"id": claim["id"], "claim": claim["claim"], "outcome": outcomes[0], "published": outcomes[1],
                     "drift": "; ".join(drifts), "ok": outcomes[0] == outcomes[1] and not drifts})
    return pd.DataFrame(rows)


def drift(name: str, then: values.Leaf, now: values.Leaf, tolerance: str, same_machine: bool) -> str:
    """How far a value has drifted beyond its tolerance, in words; "" when it has not."""
    change, scale, ratio, has_moved = compare.moved(then, now)
    if change is None:
        return f"{name} changed" if has_moved else ""
    strict = tolerance == "exact" or (tolerance == "same hardware" and same_machine)
    equal = math.isclose(values.number(then), values.number(now), rel_tol=0 if tolerance == "exact" else compare.EQUAL,
                         abs_tol=0.0 if tolerance == "exact" else 1e-9)
    if equal if strict else not has_moved:
        return ""
    spreads = f" ({ratio:+.1f} spreads)" if ratio is not None and scale else ""
    return f"{name} by {change:+.4g}{spreads}"


def told(frame: pd.DataFrame) -> str:
    """The verdicts as lines: outcome, claim, and what drifted or changed."""
    lines = []
    for row in frame.to_dict("records"):
        notes = [f"was: {row['published']}"] if row["outcome"] != row["published"] else []
        notes += [f"drifted: {row['drift']}"] if row["drift"] else []
        lines.append(f"{row['outcome']:<10} {row['claim']}" + (f"\n{'':<11}{'; '.join(notes)}" if notes else ""))
    bad = int((~frame.ok).sum())
    summary = (f"{bad} of {len(frame)} claims differ from what is published" if bad
               else "every claim stands as published")
    return "\n".join([*lines, f"{len(frame)} claims: {summary}."])


def _machine(record: dict) -> dict:
    return {name: record[name] for name in MACHINE} | {"torch": record["packages"]["torch"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="name of the run, like quick")
    parser.add_argument("--publish", action="store_true", help="make the run's values the published ones")
    arguments = parser.parse_args()
    try:
        if arguments.publish:
            publish(arguments.run)
            print(f"reports/reference/{arguments.run}.json holds the values of run {arguments.run}.")
            return
        frame = verdicts(arguments.run)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(told(frame))
    sys.exit(0 if frame.ok.all() else 1)


if __name__ == "__main__":
    main()
