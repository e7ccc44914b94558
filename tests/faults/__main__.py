"""`python tests/faults`: what becomes of every bad input, counted into reports/bench/reliability.md and .json."""

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from faults import inputs


def judge() -> list[dict]:
    """Each bad input with its kind, name, outcome and words."""
    rows = []
    for kind, name, attempt in inputs.cases():
        with tempfile.TemporaryDirectory() as folder:
            what, words = inputs.outcome(attempt, Path(folder))
            rows.append({"kind": kind, "name": name, "outcome": what, "words": words.replace(folder, "...")})
    return rows


def table(rows: list[dict]) -> str:
    """Counts by kind and outcome as Markdown."""
    columns = (inputs.CLEAR, inputs.TRACEBACK, inputs.WRONG)
    counts = Counter((row["kind"], row["outcome"]) for row in rows)
    kinds = [*dict.fromkeys(row["kind"] for row in rows)]
    lines = [[kind, *(counts[kind, column] for column in columns)] for kind in kinds]
    lines.append(["all", *(sum(counts[kind, column] for kind in kinds) for column in columns)])
    written = [["bad input", *columns], ["---", *["---:"] * 3], *lines]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in written)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).resolve().parents[2] / "reports/bench/reliability.md"
    )
    out, rows = parser.parse_args().out, judge()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text("Made by `python tests/faults`.\n\n" + table(rows))
    out.with_suffix(".json").write_text(json.dumps(rows, indent=1) + "\n")
    print(table(rows))
    for row in rows:
        if row["outcome"] != inputs.CLEAR:
            print(f"{row['kind']}, {row['name']}: {row['outcome']}: {row['words']}")


if __name__ == "__main__":
    main()
