"""Two runs side by side, each difference in units of the spread between seeds:

python -m workflow.compare reports/quick reports/h200
"""

import argparse
import math
import sys
from pathlib import Path

import pandas as pd

from lib.base import UserError, write_atomically
from workflow import values

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


def moved(a: values.Leaf, b: values.Leaf) -> tuple[float | None, float | None, float | None, bool]:
    """(b - a, the spread of that difference, their ratio, whether b has moved away from a).

    The spread of a difference of two independent means: both spreads, added in squares. Without any spread every
    difference beyond rounding counts.
    """
    x, y = values.number(a), values.number(b)
    if x is None or y is None:
        same = x is y and (isinstance(a, dict) or a == b)
        return None, None, None, not same
    both = [part for part in (spread(a), spread(b)) if part]
    change, scale = y - x, math.hypot(*both) if both else None
    if math.isclose(x, y, rel_tol=EQUAL, abs_tol=1e-12):
        return change, scale, 0.0 if scale else None, False
    if scale is None:
        return change, None, None, True
    return change, scale, change / scale, abs(change) > MOVED * scale


def table(a: dict[str, values.Leaf], b: dict[str, values.Leaf]) -> pd.DataFrame:
    """One row a value of either run: value, A, B, B - A, spread, in spreads, note."""
    rows = []
    for name in sorted(a.keys() | b.keys()):
        row = {"value": name, "A": _shown(a.get(name)), "B": _shown(b.get(name))}
        if name not in a or name not in b:
            rows.append(row | {"note": f"only in {'A' if name in a else 'B'}"})
            continue
        change, scale, ratio, has_moved = moved(a[name], b[name])
        rows.append(row | {"B - A": change, "spread": scale, "in spreads": ratio, "note": "moved" if has_moved else ""})
    return pd.DataFrame(rows, columns=["value", "A", "B", "B - A", "spread", "in spreads", "note"])


def parameter_changes(a: Path, b: Path) -> list[str]:
    """Parameters that differ between two runs, as "images 256 -> 0", the run's name left out."""
    one, other = values.parameters(a), values.parameters(b)
    return [
        f"{name} {one.get(name)!r} -> {other.get(name)!r}"
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name) and name != "run"
    ]


def write(a: Path, b: Path) -> pd.DataFrame:
    """Write <b>/compare-<name of a>.csv and .md, and return the table."""
    frame = table(values.load(a), values.load(b))
    stem = b / f"compare-{a.name}"
    changes = parameter_changes(a, b)
    head = f"# {b.name} (B) beside {a.name} (A)\n\nParameters that differ: {', '.join(changes) or 'none'}.\n\n"
    notes = (
        "\n\nspread: standard deviation over seeds (else a quarter of the 95 % interval) of the difference "
        f"B - A. moved: by more than {MOVED:g} spreads, or at all where a value has none.\n"
    )
    shown = frame.to_markdown(index=False, floatfmt=".4g", missingval="")
    write_atomically(stem.with_suffix(".csv"), frame.to_csv(index=False, lineterminator="\n").encode())
    write_atomically(stem.with_suffix(".md"), (head + shown + notes).encode())
    return frame


def _shown(leaf: values.Leaf):
    number = values.number(leaf)
    if number is not None:
        return number
    return "" if leaf is None or isinstance(leaf, dict) else str(leaf)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", type=Path, help="folder of one run, like reports/quick")
    parser.add_argument("b", type=Path, help="folder of the other; the table is written there")
    arguments = parser.parse_args()
    try:
        frame = write(arguments.a, arguments.b)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print((arguments.b / f"compare-{arguments.a.name}.md").read_text())
    noted = frame.note.value_counts()
    print(f"{len(frame)} values; " + ", ".join(f"{count} {note or 'alike'}" for note, count in noted.items()) + ".")


if __name__ == "__main__":
    main()
