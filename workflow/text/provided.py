"""The placeholder for a sentence that is true only of some data.

    {% call provided('05_results.minus_all.x', 'x minus the trimap, over all pixels', below=0) %}
    With x the error falls.
    {% endcall %}

A text names in its front matter the profile whose run it was written for. On that run, with the profile's parameters, the
sentence stands as written, and the build ends when its condition does not hold. On any other a plain statement of the
value takes its place.
"""

import re
import tomllib
from collections.abc import Callable

from lib.base import UserError
from lib.experiments import parameters
from workflow import values
from workflow.text import quoted
from workflow.text.source import Source

CONDITIONS = ("below", "above", "covers")


def provided(source: Source, name: str, what: str, caller: Callable[[], str], **condition: float | str) -> str:
    """`provided`: the sentence of the block, if the 95 % interval of a value (or the number) lies below or above a bound,
    or covers it; a bound may name a value. what: the value in words, for the plain statement on other runs."""
    found, where = quoted.leaf(source, name), source.line(f"provided('{name}'")
    if len(condition) != 1 or not set(condition) <= set(CONDITIONS):
        raise UserError(
            f"{where}: expected provided with one of {', '.join(CONDITIONS)}, "
            f"found {', '.join(condition) or 'none'}; correct the text."
        )
    ((kind, given),) = condition.items()
    limit = quoted.fact(source, given) if isinstance(given, str) else given
    side = _side(found, limit)
    if not is_own_run(source):
        return _plain(source, name, what, side, limit) + "\n"
    if side != kind:
        raise UserError(
            f"{where}: expected {name} {kind} {limit:g}, found {quoted.plain_interval(source, name, sign=True)}, so "
            f"this sentence is not true: “{' '.join(caller().split())}” Write it anew for this run."
        )
    return caller()


def is_own_run(source: Source) -> bool:
    """Whether the text was written for this run: for its name, and for the parameters of the profile of that name."""
    written = re.search(r"^written-for: (\S+)$", source.text, re.M)
    if not written:
        raise UserError(f"{source.file}: expected `written-for: <profile>` in the front matter, found none; add it.")
    if source.run != written[1]:
        return False
    path = source.root / "notebooks" / "profiles" / f"{written[1]}.toml"
    if not path.is_file():
        raise UserError(f"{source.file}: expected written-for to name a profile, found {written[1]!r}; correct it.")
    profile = tomllib.loads(path.read_text())
    common = parameters.defaults() | profile.get("parameters", {}) | {"run": source.run}
    return all(
        value == (common | profile.get(notebook, {})).get(name, value)
        for notebook, given in values.parameters_by_notebook(source.report).items()
        for name, value in given.items()
    )


def _side(leaf: values.Leaf, limit: float) -> str:
    """Where a value lies: "below" or "above" the limit, with its whole interval; else its interval "covers" it."""
    number = values.number(leaf)
    if number is None or (isinstance(leaf, dict) and leaf.get("low") is None):
        return "unknown"
    low, high = (leaf["low"], leaf["high"]) if isinstance(leaf, dict) else (number, number)
    return "below" if high < limit else "above" if low > limit else "covers"


def _plain(source: Source, name: str, what: str, side: str, limit: float) -> str:
    """ "On this run x minus y is -0.1 (-0.2 to -0.05), below zero." """
    bound = "zero" if limit == 0 else f"{limit:,.3g}".replace("-", "\N{MINUS SIGN}")
    place = {
        "below": f", below {bound}",
        "above": f", above {bound}",
        "covers": f", an interval that covers {bound}",
        "unknown": ", without an interval",
    }[side]
    if values.number(quoted.leaf(source, name)) is None:
        return f"On this run {what} was not measured."
    return f"On this run {what} is {quoted.interval(source, name, sign=limit == 0)}{place}."
