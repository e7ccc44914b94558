"""The placeholder for a sentence that is true only of some data.

    {% call provided('05_results.minus_all.x', below=0) %}
    With x the error falls.
    {% endcall %}

The build ends when the condition does not hold. The text of the article is written for one run, so its sentences either
stand or have to be rewritten.
"""

import re
from collections.abc import Callable

from lib.base import ROOT, UserError
from lib.experiments import parameters
from workflow import profiles, values
from workflow.text import quoted
from workflow.text.source import Source

CONDITIONS = ("below", "above", "covers")


def provided(source: Source, name: str, caller: Callable[[], str], **condition: float | str) -> str:
    """`provided`: the sentence of the block, if the 95 % interval of a value (or the number) lies below or above a bound,
    or covers it; a bound may name a value."""
    leaf, where = quoted.leaf(source, name), source.line(f"provided('{name}'")
    if len(condition) != 1 or not set(condition) <= set(CONDITIONS):
        raise UserError(
            f"{where}: expected provided with one of {', '.join(CONDITIONS)}, "
            f"found {', '.join(condition) or 'none'}; correct the text."
        )
    ((kind, bound),) = condition.items()
    limit = quoted.fact(source, bound) if isinstance(bound, str) else bound
    if _side(leaf, limit) != kind:
        raise UserError(
            f"{where}: expected {name} {kind} {limit:g}, found {quoted.plain_interval(source, name, sign=True)}, so "
            f"this sentence is not true: “{' '.join(caller().split())}” Write it anew for this run."
        )
    return caller()


def is_written_for(text: str, file: str, run: str) -> bool:
    """Whether a text was written for a run: for its name, and for the parameters of the profile of that name."""
    written = re.search(r"^written-for: (\S+)$", text, re.M)
    if not written:
        raise UserError(f"{file}: expected `written-for: <profile>` in the front matter, found none; add it.")
    if run != written[1]:
        return False
    profile = profiles.read(run)
    common = parameters.defaults() | profile.get("parameters", {}) | {"run": run}
    return all(
        value == (common | profile.get(notebook, {})).get(name, value)
        for notebook, given in values.parameters_by_notebook(ROOT / "reports" / run).items()
        for name, value in given.items()
    )


def _side(leaf: values.Leaf, limit: float) -> str:
    """Where a value lies: "below" or "above" the limit, with its whole interval; else its interval "covers" it."""
    number = values.number(leaf)
    if number is None or (isinstance(leaf, dict) and leaf.get("low") is None):
        return "unknown"
    low, high = (leaf["low"], leaf["high"]) if isinstance(leaf, dict) else (number, number)
    return "below" if high < limit else "above" if low > limit else "covers"
