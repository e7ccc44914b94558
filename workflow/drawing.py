"""The workflow of a run as a figure: what needs what, and how long each step took."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from lib.output.style import COLOURS, WIDTH

BOX = (1.6, 0.62)  # width and height of a step's box, in the units of the axes
LAST = "article"  # what collects all steps


def levels(steps: dict[str, dict]) -> dict[str, int]:
    """Name of each step -> its column: one more than the deepest step that it needs; LAST comes after all."""
    found: dict[str, int] = {}
    while len(found) < len(steps):
        ready = [name for name in steps if name not in found and set(steps[name]["needs"]) <= found.keys()]
        if not ready:
            raise ValueError(f"steps that wait for each other: {', '.join(sorted(set(steps) - found.keys()))}")
        for name in ready:
            found[name] = 1 + max((found[need] for need in steps[name]["needs"]), default=-1)
    return found | {LAST: 1 + max(found.values(), default=-1)}


def direct_needs(steps: dict[str, dict]) -> dict[str, list[str]]:
    """Name -> what it needs and does not get through another need; LAST needs whatever nothing else does."""

    def above(name: str) -> set[str]:
        return {deep for need in steps[name]["needs"] for deep in (need, *above(need))}

    needed = {need for step in steps.values() for need in step["needs"]}
    found = {
        name: [need for need in step["needs"] if not any(need in above(other) for other in step["needs"])]
        for name, step in steps.items()
    }
    return found | {LAST: [name for name in steps if name not in needed]}


def places(steps: dict[str, dict]) -> dict[str, tuple[float, float]]:
    """Middle of each box: columns by `levels`; in a column, what is needed soonest stands on top."""
    column, needs = levels(steps), direct_needs(steps)
    user = {name: min((column[other] for other in needs if name in needs[other]), default=0) for name in column}
    found: dict[str, tuple[float, float]] = {}
    for name in sorted(column, key=lambda name: (column[name], user[name], name)):
        row = sum(1 for other in found if column[other] == column[name])
        found[name] = (2.2 * column[name], -0.95 * row)
    return found


def workflow(steps: dict[str, dict]) -> Figure:
    """Boxes from left to right. steps: name -> {"needs": names, "wall_seconds": s}, as run.json has them."""
    place = places(steps)
    lowest = min(y for _, y in place.values())
    figure, axes = plt.subplots(figsize=(WIDTH, 0.75 - 0.75 * lowest))
    for name, needs in direct_needs(steps).items():
        for need in needs:
            _arrow(axes, place[need], place[name])
    for name, middle in place.items():
        took = f"{steps[name]['wall_seconds']:.0f} s" if name in steps else "HTML and PDF"
        _box(axes, middle, f"{name}\n{took}", COLOURS[0] if name in steps else COLOURS[1])
    axes.set(xlim=(-BOX[0] / 2 - 0.1, max(x for x, _ in place.values()) + BOX[0] / 2 + 0.1), ylim=(lowest - 0.4, 0.4))
    axes.axis("off")
    return figure


def _box(axes, place: tuple[float, float], text: str, colour: str) -> None:
    x, y = place
    axes.add_patch(
        FancyBboxPatch(
            (x - BOX[0] / 2, y - BOX[1] / 2),
            *BOX,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor="white",
            edgecolor=colour,
            linewidth=1.2,
            zorder=2,
        )
    )
    axes.text(x, y, text, ha="center", va="center", zorder=3)


def _arrow(axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From the right side of one box along its row, then to the left side of the other: never behind a third."""
    x, y = end[0] - BOX[0] / 2, end[1]
    bend = (x - 0.45, start[1])
    axes.plot([start[0] + BOX[0] / 2, bend[0]], [start[1], bend[1]], color="0.45", linewidth=0.9, zorder=1)
    axes.add_patch(
        FancyArrowPatch(
            bend,
            (x, y),
            color="0.45",
            arrowstyle="-|>",
            mutation_scale=9,
            linewidth=0.9,
            shrinkA=0,
            shrinkB=1,
            zorder=1,
        )
    )
