"""Placeholders for values of a run, by name: numbers, intervals, and words that depend on them."""

from lib import scores
from lib.base import UserError
from workflow import values
from workflow.text.source import Source

MISSING = "not measured"


def leaf(source: Source, name: str) -> values.Leaf:
    """The value of a name; UserError with the line of the text that asks for it."""
    if name not in source.values:
        notebook = name.split(".", maxsplit=1)[0]
        raise UserError(
            f"{source.line(name)}: expected the value {name}, found none in "
            f"reports/{source.run}/values/{notebook}.json; let notebook {notebook} record it, "
            "or correct the name."
        )
    return source.values[name]


def number(source: Source, name: str, spec: str = ".3f") -> str:
    """`n`: a number, formatted; the words "not measured" where it is null."""
    return _marked(source, name, plain_number(source, name, spec))


def plain_number(source: Source, name: str, spec: str) -> str:
    """What `number` says, without the mark."""
    value = values.number(leaf(source, name))
    return MISSING if value is None else _signed(value, spec)


def per_cent(source: Source, name: str, digits: int = 0) -> str:
    """`pct`: a share in per cent."""
    said = plain_number(source, name, f".{digits}%").replace("%", "\N{NO-BREAK SPACE}%")
    return _marked(source, name, said)


def fact(source: Source, name: str) -> float:
    """`fact`: the bare number, for conditions and arithmetic in the text; NaN where it is null."""
    value = values.number(leaf(source, name))
    return float("nan") if value is None else value


def fact_sd(source: Source, name: str) -> float:
    """`fact_sd`: the bare standard deviation over seeds of a value; NaN where it has none."""
    found = leaf(source, name)
    return (found.get("sd") if isinstance(found, dict) else None) or float("nan")


def word(source: Source, name: str) -> str:
    """`text`: a value that is text."""
    return str(leaf(source, name))


def interval(source: Source, name: str, digits: int = 3, sign: bool = False) -> str:
    """`ci`: a number with its 95 % interval: "0.172 (0.157 to 0.185)"; sign: with a plus, too."""
    return _marked(source, name, plain_interval(source, name, digits, sign))


def plain_interval(source: Source, name: str, digits: int = 3, sign: bool = False) -> str:
    """What `interval` says, without the mark."""
    found = leaf(source, name)
    low, high = (found.get(part) if isinstance(found, dict) else None for part in ("low", "high"))
    spec = f"{'+' if sign else ''}.{digits}f"
    if low is None or high is None:
        return plain_number(source, name, spec)
    return "{} ({} to {})".format(*(_signed(x, spec) for x in (found["value"], low, high)))


def says(source: Source, name: str, below: str, above: str, neither: str = "no difference is shown") -> str:
    """`says`: words for a difference with its interval: `below` zero, `above` zero, or that neither is shown."""
    found = leaf(source, name)
    if not isinstance(found, dict) or found.get("low") is None:
        return neither
    said = scores.direction(found["low"], found["high"])
    return {"below": below, "above": above}.get(said, neither)


def _marked(source: Source, name: str, said: str) -> str:
    """On a page a number carries the name of its value (Pandoc's span), by which the page finds what it rests on."""
    return f"[{said}]{{.number data-value={name}}}" if source.kind == "page" and said != MISSING else said


def _signed(value: float, spec: str) -> str:
    return format(value, spec).replace("-", "\N{MINUS SIGN}")
