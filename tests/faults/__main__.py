"""`python tests/faults`: what becomes of every bad input, and, as far as they were run, of kills, fuzzing and the soak:
reports/bench/reliability.md and .json. `--only-table` makes the table anew of what is there.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from faults import inputs, kills

from lib.base import ROOT

BENCH = ROOT / "reports/bench"
ASKED = 30  # minutes of fuzzing for each target
OUTCOMES = (inputs.CLEAR, inputs.TRACEBACK, inputs.WRONG)
FLIPS = (  # what one flipped byte of a file comes to; tests/faults/test_flips.py
    ("prepared images (cache)", "detected by SHA-256, prepared again, said"),
    ("plan of a run", "refused by name; every `make` writes it anew"),
    ("values, tables, figures, notebooks of a run", "named by `make status`, the notebook runs again"),
    ("record of a step", "named as broken, the notebook runs again"),
    ("weights that ship, PyTorch's and ONNX", "refused by name, with both sums"),
    ("weights of a finished training", "trained again; refused by name where they are used"),
    ("checkpoint of a training at work", "left out, said; the training goes on from the one before, or from the start"),
    ("list of the prepared images (done.json)", "detected by SHA-256, prepared again, said"),
    ("run.json, article, checklist, crate", "named by `make status`, made again"),
)
NOT_TRIED = (
    "power cuts and disks that lie (only empty and cut-off files, as they leave them)",
    "network folders that fail, and file systems without locks",
    "a GPU: kills while CUDA is at work, memory that runs out there (gpu_box.sh ran whole, on a CPU, at toy size)",
    "a Kubernetes cluster (its job's mounts and an eviction were tried in Linux namespaces), a Slurm of several nodes",
    "conda's channels (environment.yml is held against the lock), a Docker build (hadolint passes), PyTorch's index for CPUs",
    "full disks below Snakemake's and Jupyter's own folders in HOME",
)


def judge() -> list[dict]:
    """Each bad input with its kind, name, outcome and words."""
    rows = []
    for kind, name, attempt in inputs.cases():
        with tempfile.TemporaryDirectory() as folder:
            what, words = inputs.outcome(attempt, Path(folder))
            rows.append(
                {
                    "kind": kind,
                    "name": name,
                    "outcome": what,
                    "words": words.replace(folder, "...").replace(f"{ROOT}/", ""),
                }
            )
    return rows


def table(rows: list[dict]) -> str:
    """Counts by kind and outcome as Markdown."""
    counts = Counter((row["kind"], row["outcome"]) for row in rows)
    kinds = [*dict.fromkeys(row["kind"] for row in rows)]
    lines = [[kind, *(counts[kind, column] for column in OUTCOMES)] for kind in kinds]
    lines.append(["all", *(sum(counts[kind, column] for kind in kinds) for column in OUTCOMES)])
    return markdown(["bad input", *OUTCOMES], lines)


def markdown(header: list[str], lines: list[list]) -> str:
    """A table: the first column to the left, all others to the right."""
    written = [header, ["---", *["---:"] * (len(header) - 1)], *lines]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in written)


def counted(rows: list[dict], rounds: list[dict], fuzzed: dict, soaked: dict) -> str:
    """The first table: what was tried, how often, and how it ended. What has not run has no line but is named below."""
    by_outcome = Counter(row["outcome"] for row in rows)
    lines = [["bad inputs", len(rows)], *([f"bad inputs: {what}", by_outcome[what]] for what in OUTCOMES)]
    if rounds:
        found = kills.summary(rounds)
        lines += [
            ["kills at random moments (of 40 asked for)", found["kills"]],
            ["kills after which the run ended with the same tables, values, figures (but the drawing of times) and weights, byte by byte",
             found["resumed_with_the_same_results"]],
            ["orphans", found["orphans"]],
        ]  # fmt: skip
    if fuzzed:
        turns = [turn for turns in fuzzed.values() for turn in turns.values()]
        spent = [sum(turn["minutes"] for turn in turns.values()) for turns in fuzzed.values()]
        lines += [
            ["fuzzed targets", len(fuzzed)],
            [f"fuzzed targets with the {ASKED} minutes of one core that were asked for", sum(one >= ASKED for one in spent)],
            ["fuzzing: minutes of one core, all targets together", round(sum(spent), 1)],
            ["fuzzing: examples", sum(turn["examples"] for turn in turns)],
            ["fuzzing: findings that are open", sum(len(turn["findings"]) for turn in turns)],
        ]  # fmt: skip
    if soaked:
        lines += [
            ["soak: pictures (of 20,000 asked for)", soaked["pictures"]],
            ["soak: minutes (of 120 asked for)", soaked["minutes"]],
            ["soak: pictures lost", soaked["lost"]],
            ["soak: pictures done twice", soaked["twice"]],
            ["soak: memory after warming up and at the end (MB)",
             f"{soaked['rss_mb_after_warm_up']}, {soaked['rss_mb_at_end']}"],
            ["soak: memory for each thousand pictures that lie in the folder, their names and states (MB)",
             soaked["mb_per_1000_pictures"]],
        ]  # fmt: skip
    return markdown(["what", "count"], lines)


def page(rows: list[dict], rounds: list[dict], fuzzed: dict, soaked: dict) -> str:
    """reports/bench/reliability.md."""
    by_target = Counter((each["target"], each["signal"]) for done in rounds for each in done["kills"])
    signals = [[target, *(by_target[target, name] for name in kills.SIGNALS)] for target in kills.TARGETS]
    spent = [
        [name, tool, turn["minutes"], turn["examples"], len(turn["findings"])]
        for name, turns in fuzzed.items()
        for tool, turn in turns.items()
    ]
    have = {"kills": rounds, "fuzzing": fuzzed, "the soak": soaked}
    absent = [f"{what} (not run yet)" for what, found in have.items() if not found]
    parts = [
        "Made by `python tests/faults` from reliability.json, kills.json, fuzz.json and soak.json beside it.\n",
        counted(rows, rounds, fuzzed, soaked),
        "## Bad inputs\n\n" + table(rows),
        "## Kills\n\n" + markdown(["kill of", *kills.SIGNALS], signals) if rounds else "",
        "## Fuzzing\n\n" + markdown(["target", "by", "minutes", "examples", "open findings"], spent) if fuzzed else "",
        "## One flipped byte\n\n| in | what becomes of it |\n| --- | --- |\n"
        + "".join(f"| {what} | {end} |\n" for what, end in FLIPS),
        "## Not tried\n\n" + "".join(f"- {what}\n" for what in (*NOT_TRIED, *absent)),
    ]
    return "\n".join(part for part in parts if part)


def left(folder: Path, name: str, empty: list | dict) -> list | dict:
    """What an earlier script left there, or `empty`."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.is_file() else empty


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only-table", action="store_true", help="of what is there; tries no bad input")
    parser.add_argument("--out", type=Path, default=BENCH / "reliability.md")
    given = parser.parse_args()
    out = given.out
    rows = left(out.parent, "reliability", []) if given.only_table else judge()
    out.parent.mkdir(parents=True, exist_ok=True)
    found = (left(out.parent, name, empty) for name, empty in (("kills", []), ("fuzz", {}), ("soak", {})))
    out.write_text(page(rows, *found))
    out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
    print(out.read_text())
    for row in rows:
        if row["outcome"] != inputs.CLEAR:
            print(f"{row['kind']}, {row['name']}: {row['outcome']}: {row['words']}")


if __name__ == "__main__":
    main()
