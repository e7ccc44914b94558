"""Do the published claims still hold here? `python -m workflow.verify quick` makes the run quick and judges it.

It takes the options of `python -m workflow`; with `--claim ID` it makes only the notebooks that this claim rests on. The
published values of a run are kept in reports/reference/<run>.json (`--publish` writes them). For each claim it prints the
outcome now, whether it was the same, and how far the values under it have drifted beyond the claim's tolerance: exact (equal),
same hardware (equal but for rounding on the same machine, statistical elsewhere), or statistical (within MOVED spreads). Then it
lists the other values that have moved. `python -m workflow.verify reports/A reports/B` lists the values of two runs.
"""

import json
import math
import os
from pathlib import Path

import pandas as pd

from lib import provenance
from lib.base import ROOT, UserError, reports_dir, write_atomically
from lib.experiments import study
from lib.experiments.parameters import PATHS
from workflow import claims, plan, record, run as runner, values

REFERENCE = ROOT / "reports" / "reference"
MACHINE = ("processor", "cores", "gpu", "python")
MOVED = 3.0  # spreads: a difference beyond is pointed out
EQUAL = 1e-6  # relative: numbers that differ by less are the same but for rounding


def spread(leaf: values.Leaf) -> float | None:
    """Standard deviation of a value: over seeds, else a quarter of its 95 % interval; None without either."""
    if not isinstance(leaf, dict):
        return None
    if leaf.get("sd"):
        return leaf["sd"]
    if leaf.get("low") is not None and leaf["high"] > leaf["low"]:
        return (leaf["high"] - leaf["low"]) / 4
    return None


def moved(then: values.Leaf, now: values.Leaf) -> tuple[float | None, float | None, float | None, bool]:
    """(now - then, the spread of that difference, their ratio, whether the value has moved).

    The spread of a difference of two independent means: both spreads, added in squares. Without any spread every
    difference beyond rounding counts.
    """
    x, y = values.number(then), values.number(now)
    if x is None or y is None:
        same = x is y and (isinstance(then, dict) or then == now)
        return None, None, None, not same
    both = [part for part in (spread(then), spread(now)) if part]
    change, scale = y - x, math.hypot(*both) if both else None
    if math.isclose(x, y, rel_tol=EQUAL, abs_tol=1e-12):
        return change, scale, 0.0 if scale else None, False
    if scale is None:
        return change, None, None, True
    return change, scale, change / scale, abs(change) > MOVED * scale


def table(then: dict[str, values.Leaf], now: dict[str, values.Leaf]) -> pd.DataFrame:
    """One row a value of either run: value, then, now, change, spread, in spreads, note."""
    rows = []
    for name in sorted(then.keys() | now.keys()):
        row = {"value": name, "then": values.number(then.get(name)), "now": values.number(now.get(name))}
        if name not in then or name not in now:
            rows.append(row | {"note": f"only {'then' if name in then else 'now'}"})
            continue
        change, scale, ratio, has_moved = moved(then[name], now[name])
        rows.append(
            row | {"change": change, "spread": scale, "in spreads": ratio, "note": "moved" if has_moved else ""}
        )
    return pd.DataFrame(rows, columns=["value", "then", "now", "change", "spread", "in spreads", "note"])


def drift(name: str, then: values.Leaf, now: values.Leaf, tolerance: str, same_machine: bool) -> str:
    """How far a value has drifted beyond its tolerance, in words; "" when it has not."""
    change, scale, ratio, has_moved = moved(then, now)
    if change is None:
        return f"{name} changed" if has_moved else ""
    strict = tolerance == "exact" or (tolerance == "same hardware" and same_machine)
    rounding = (0.0, 0.0) if tolerance == "exact" else (EQUAL, 1e-9)
    equal = math.isclose(values.number(then), values.number(now), rel_tol=rounding[0], abs_tol=rounding[1])
    if equal if strict else not has_moved:
        return ""
    spreads = f" ({ratio:+.1f} spreads)" if ratio is not None and scale else ""
    return f"{name} by {change:+.4g}{spreads}"


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
    """One row a claim: id, claim, outcome, published (its outcome then), drift (in words), ok.

    published: from `reference`; listed: claims that have a condition; of: the parameters that they depend on, None: all.
    ok: the outcome is the published one and no value has drifted beyond the claim's tolerance.
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
        row = {name: claim[name] for name in ("id", "claim")} | dict(
            zip(("outcome", "published"), outcomes, strict=True)
        )
        rows.append(row | {"drift": "; ".join(drifts), "ok": outcomes[0] == outcomes[1] and not drifts})
    return pd.DataFrame(rows)


def report(frame: pd.DataFrame) -> str:
    """The verdicts as lines: outcome, claim and id, and what drifted or changed; at the end what differs, by id."""
    lines = []
    for row in frame.to_dict("records"):
        notes = [f"was: {row['published']}"] if row["outcome"] != row["published"] else []
        notes += [f"drifted: {row['drift']}"] if row["drift"] else []
        lines.append(f"{row['outcome']}: {row['claim']} [{row['id']}]" + (f"\n    {'; '.join(notes)}" if notes else ""))
    differ = ", ".join(frame.id[~frame.ok])
    return "\n".join([*lines, f"Differs from what is published: {differ}." if differ else "All stands as published."])


def compared(then: dict[str, values.Leaf], now: dict[str, values.Leaf]) -> str:
    """The values that differ between two runs, as a Markdown table, and how many do not."""
    frame = table(then, now)
    differ = frame[frame.note != ""]
    listed = differ.to_markdown(index=False, floatfmt=".4g", missingval="") + "\n" if len(differ) else ""
    return f"{listed}{len(frame)} values; {len(differ)} moved by more than {MOVED:g} spreads, or are of one run only."


def _machine(found: dict) -> dict:
    return {name: found[name] for name in MACHINE} | {"torch": found["packages"]["torch"]}


def compare_folders(then: Path, now: Path) -> int:
    """Print the parameters and values that differ between two runs, by their folders. Returns the exit status, 0."""
    one, other = (values.parameters(folder) for folder in (then, now))
    changes = [
        f"{name} {one.get(name)!r} -> {other.get(name)!r}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name) and name != "run"
    ]
    print(f"Parameters that differ: {', '.join(changes) or 'none'}.\n{compared(values.load(then), values.load(now))}")
    return 0


def verify(arguments) -> int:
    """Make the run that the arguments name, and judge or publish it; or compare two folders. Returns the exit status.

    UserError, before anything runs, for an unknown claim, and when there are no published values to judge the run by, or
    those of other parameters.
    """
    if arguments.other:
        return compare_folders(Path(arguments.profile), Path(arguments.other))
    given = runner.settings(arguments)
    run = given["run"]
    if arguments.publish:
        if arguments.claim:
            raise UserError(
                "CLAIM: expected none with `make publish`, which takes a whole run, found one; leave it out."
            )
        if status := runner.bring_up_to_date(arguments):
            return status
        publish(run)
        print(f"reports/reference/{run}.json holds the values of run {run}.")
        return 0
    listed = claims.one(arguments.claim) if arguments.claim else claims.with_condition()
    arguments.notebooks = claims.notebooks(listed[0]) if arguments.claim else None
    published = reference(run, runner.usual_name(arguments.profile, given))
    planned = {}
    for name, step in plan.make_plan(arguments.profile, given).items():
        planned |= step["parameters"] if arguments.notebooks is None or name in arguments.notebooks else {}
    of = set(planned) if arguments.claim else None
    refuse_other_parameters(published, planned, run, of)
    if status := runner.bring_up_to_date(arguments):
        return status
    frame = verdicts(run, published, listed, of)
    print(f"Run {run} and the published run {published['run']}:\n{report(frame)}")
    if not arguments.claim:
        print(compared(published["values"], values.load(reports_dir(run))))
    return 0 if frame.ok.all() else 1


def main() -> None:
    parser = runner.parser(__doc__)
    parser.add_argument("other", nargs="?", default="", help="a second folder of a run, to compare reports/A with")
    parser.add_argument("--publish", action="store_true", help="make the run's values the published ones")
    parser.add_argument("--claim", default="", metavar="ID", help="judge this one of reports/claims.yaml alone")
    runner.leave_with(verify, parser.parse_args())


if __name__ == "__main__":
    main()
