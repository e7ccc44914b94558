"""Do the published claims still hold here? `python -m workflow.verify quick` makes the run quick and judges it.

It takes the options of `python -m workflow`; with `--claim ID` it makes only the notebooks that this claim rests on. The published values of a run are kept in reports/reference/<run>.json
(`--publish` writes them). For each claim: its outcome now, whether it was the same, and how far the values under it
have drifted, by the claim's tolerance: exact (equal), same hardware (equal but for rounding on the same machine,
statistical elsewhere), or statistical (within workflow.compare.MOVED spreads).
"""

import argparse
import json
import math
import os

import pandas as pd

from lib import provenance
from lib.base import ROOT, UserError, reports_dir, write_atomically
from lib.experiments import published as study
from lib.experiments.parameters import PATHS
from workflow import claims, compare, make, options, plan, record, values

REFERENCE = ROOT / "reports" / "reference"
MACHINE = ("processor", "cores", "gpu", "python")


def publish(run: str) -> None:
    """Write reports/reference/<run>.json: the values of the run as it stands, its machine and its parameters."""
    folder = reports_dir(run)
    content = {
        "run": run,
        "machine": _machine(record.read(folder)),
        "parameters": values.parameters(folder),
        "values": values.load(folder),
    }
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomically(REFERENCE / f"{run}.json", (text + "\n").encode())


def reference(*runs: str) -> dict:
    """The published values of the first of these runs that has some; UserError when none has."""
    for run in runs:
        path = REFERENCE / f"{run}.json"
        if path.is_file():
            try:
                return json.loads(path.read_bytes())
            except ValueError as error:
                raise UserError(
                    f"reports/reference/{run}.json: expected published values, found a broken file; take "
                    "it from git again, or `make publish`."
                ) from error
    known = ", ".join(sorted(path.stem for path in REFERENCE.glob("*.json"))) or "none"
    raise UserError(
        f"reports/reference/{runs[0]}.json: expected published values, found none (there are: {known}); "
        "`make publish` with the same options makes this run the reference."
    )


def refuse_other_parameters(published: dict, found: dict, run: str, of: set[str] | None = None) -> None:
    """UserError when a run has other parameters than the published values; its name and its data's place are its own.

    of: the parameters to compare; None: all.
    """
    before, after = (
        {
            name: os.path.basename(value) if name in PATHS else value
            for name, value in one.items()
            if name not in ("run", "data_dir") and (of is None or name in of)
        }
        for one in (published["parameters"], found)
    )
    if changes := [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]:
        raise UserError(
            f"run {run}: expected the published parameters, found other values of {', '.join(changes)}; "
            "run it without SET, or compare with `make compare`."
        )


def verdicts(run: str, published: dict, listed: list[dict], of: set[str] | None = None) -> pd.DataFrame:
    """One row a claim: id, claim, outcome, published outcome, drift (in words), ok.

    published: from `reference`; listed: claims that have a condition; of: the parameters that they depend on, None: all. ok: the outcome is the published one and no value
    has drifted beyond the claim's tolerance.
    """
    parameters = values.parameters(reports_dir(run))
    refuse_other_parameters(published, parameters, run, of)
    then = claims.of_published(published)
    made = values.load(reports_dir(run)) if any(claims.of_a_run(claim) for claim in listed) else {}
    now = study.values() | made | claims.named(parameters)
    same = published["machine"] == _machine(provenance.environment())
    rows = []
    for claim in listed:
        if missing := sorted(claims.names(claim) - then.keys()):
            raise UserError(
                f"reports/reference/{published['run']}.json: expected the value {missing[0]} of claim {claim['id']}, "
                "found none; `make publish` of the run as the notebooks are now."
            )
        outcomes = [claims.judge(claim, known) for known in (now, then)]
        drifts = [drift(name, then[name], now[name], claim["tolerance"], same) for name in claim["rests_on"]]
        drifts = [one for one in drifts if one]
        rows.append(
            {
                "id": claim["id"],
                "claim": claim["claim"],
                "outcome": outcomes[0],
                "published": outcomes[1],
                "drift": "; ".join(drifts),
                "ok": outcomes[0] == outcomes[1] and not drifts,
            }
        )
    return pd.DataFrame(rows)


def drift(name: str, then: values.Leaf, now: values.Leaf, tolerance: str, same_machine: bool) -> str:
    """How far a value has drifted beyond its tolerance, in words; "" when it has not."""
    change, scale, ratio, has_moved = compare.moved(then, now)
    if change is None:
        return f"{name} changed" if has_moved else ""
    strict = tolerance == "exact" or (tolerance == "same hardware" and same_machine)
    equal = math.isclose(
        values.number(then),
        values.number(now),
        rel_tol=0 if tolerance == "exact" else compare.EQUAL,
        abs_tol=0.0 if tolerance == "exact" else 1e-9,
    )
    if equal if strict else not has_moved:
        return ""
    spreads = f" ({ratio:+.1f} spreads)" if ratio is not None and scale else ""
    return f"{name} by {change:+.4g}{spreads}"


def told(frame: pd.DataFrame) -> str:
    """The verdicts as lines: outcome, id and claim, and what drifted or changed; at the end what differs, by id."""
    lines = []
    for row in frame.to_dict("records"):
        notes = [f"was: {row['published']}"] if row["outcome"] != row["published"] else []
        notes += [f"drifted: {row['drift']}"] if row["drift"] else []
        lines.append(f"{row['outcome']}: {row['claim']} [{row['id']}]" + (f"\n    {'; '.join(notes)}" if notes else ""))
    differ = ", ".join(frame.id[~frame.ok])
    return "\n".join([*lines, f"Differs from what is published: {differ}." if differ else "All stands as published."])


def _machine(record: dict) -> dict:
    return {name: record[name] for name in MACHINE} | {"torch": record["packages"]["torch"]}


def verify(arguments: argparse.Namespace) -> int:
    """Make the run that the arguments name, and judge or publish it. Returns the exit status.

    UserError, before anything runs, for an unknown claim, and when there are no published values to judge the run by, or
    those of other parameters.
    """
    given = options.settings(arguments)
    run = given["run"]
    if arguments.publish:
        if arguments.claim:
            raise UserError(
                "CLAIM: expected none with `make publish`, which takes a whole run, found one; leave it out."
            )
        if status := make.bring_up_to_date(arguments):
            return status
        publish(run)
        print(f"reports/reference/{run}.json holds the values of run {run}.")
        return 0
    listed = claims.one(arguments.claim) if arguments.claim else claims.with_condition()
    arguments.notebooks = claims.notebooks(listed[0]) if arguments.claim else None
    published = reference(run, options.usual_name(arguments.profile, given))
    planned = {}
    for name, step in plan.make_plan(arguments.profile, given).items():
        planned |= step["parameters"] if arguments.notebooks is None or name in arguments.notebooks else {}
    of = set(planned) if arguments.claim else None
    refuse_other_parameters(published, planned, run, of)
    if status := make.bring_up_to_date(arguments):
        return status
    frame = verdicts(run, published, listed, of)
    print(f"Run {run} beside the published run {published['run']}:\n{told(frame)}")
    return 0 if frame.ok.all() else 1


def main() -> None:
    parser = options.parser(__doc__)
    parser.add_argument("--publish", action="store_true", help="make the run's values the published ones")
    parser.add_argument("--claim", default="", metavar="ID", help="judge this one of reports/claims.yaml alone")
    make.leave_with(verify, parser.parse_args())


if __name__ == "__main__":
    main()
