"""The claims of reports/claims.yaml, judged by the values of a run.

A claim is data: a sentence, the values it rests on, one condition on one of them, and the scale that a run must have to
test it. A difference with an interval holds or is refuted only when the whole 95 % interval lies on one side; in between,
or without one, nothing is shown. A run below the scale is told which way it points, and no more.
"""

import difflib
import json
import math
import re
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from lib.base import ROOT, UserError, quote_if_unprintable
from lib.experiments import study
from workflow import values
from workflow.steps import NOTEBOOKS, STEPS

CLAIMS = ROOT / "reports" / "claims.yaml"
HOLDS, REFUTED, NOT_SHOWN = "holds", "refuted", "not shown"
NOT_TESTED, NOT_AT_SCALE = "not tested", "not tested at this scale"
SLIP = {HOLDS: "adds up", REFUTED: "a slip"}  # the words for a slip's outcomes
POINTS = {HOLDS: "the same way", REFUTED: "the other way", NOT_SHOWN: "neither way", NOT_TESTED: "neither way"}
REGIONS = {
    "all": "over all pixels",
    "unknown": "over the unknown pixels",
    "pasted": "over all pixels, the known ones pasted",
}
OPTIMISERS = {"sgd": "SGD", "adam": "Adam", "recipe": "the recipe"}
TRAININGS = {"sgd": "the study's protocol (SGD)", "adam": "the study's protocol (Adam)", "recipe": "the recipe"}
Bound = float | str  # a number, or the name of a value
Words = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel, extra="forbid", strict=True, allow_inf_nan=False):
    pass


class _Alike(_Strict):
    margin: Bound
    reason: Words


class _Condition(_Strict):
    """One of the five conditions on a value."""

    value: Words
    below: Bound | None = None
    above: Bound | None = None
    equal: Bound | None = None
    between: tuple[Bound, Bound] | None = None
    alike: _Alike | None = None

    @model_validator(mode="after")
    def _is_one(self):
        if len(self.model_fields_set - {"value"}) != 1:
            raise ValueError("expected one of below, above, equal, between, alike")
        return self


class _Part(_Strict):
    has: Words
    needs: Bound


class _Reading(_Strict):
    """A slip of the study's pen that is seen by reading."""

    id: Words
    kind: Literal["slip"]
    claim: Words
    section: str
    quote: Words
    found: Words


class _Claim(_Strict):
    """A claim that a run is judged by."""

    id: Words
    kind: Literal["study", "slip", "ours"]
    claim: Words
    section: str | None = None
    quote: Words | None = None
    rests_on: list[Words]
    holds_if: _Condition
    scale: dict[Literal["steps", "images", "training_images", "test_images", "people", "seeds"], _Part] = {}
    tolerance: Literal["exact", "same hardware", "statistical"]

    @model_validator(mode="after")
    def _is_whole(self):
        if self.holds_if.value not in self.rests_on:
            raise ValueError("expected holds_if with a value of rests_on")
        if self.kind != "ours" and self.section is None:
            raise ValueError("expected the field section")
        return self


def read(path: Path = CLAIMS) -> list[dict]:
    """The claims, checked; UserError that names the claim and what is wrong with it."""
    try:
        listed = yaml.safe_load(path.read_bytes().decode())
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        cause = " ".join(str(error).split())
        raise UserError(f"{path.name}: expected a YAML list of claims, found: {cause}; correct it.") from error
    if not isinstance(listed, list) or not all(isinstance(claim, dict) for claim in listed):
        found = f"a list with {listed[0]!r}" if isinstance(listed, list) and listed else repr(listed)
        raise UserError(
            f"{path.name}: expected a YAML list of claims, each with its fields, found {found}; correct it."
        )
    for claim in listed:
        try:  # as JSON, whose lists may be tuples; what YAML has and JSON has not, like dates, is null there
            kind = _Reading if "found" in claim else _Claim
            kind.model_validate_json(json.dumps(claim, default=lambda _: None))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(quote_if_unprintable, first["loc"])) or "the whole"
            raise UserError(
                f"{path.name}, claim {quote_if_unprintable(claim.get('id', '?'))}: {field}: {first['msg']}, found {first['input']!r}; correct it."
            ) from error
    return [claim | {"claim": sentence(claim["claim"], claim), "template": claim["claim"]} for claim in listed]


def part_of(name: str, choices: dict[str, str]) -> str:
    """Which of the choices a value's name holds as a part, if it is exactly one; "" else."""
    parts = re.findall(rf"(?<=[._])({'|'.join(choices)})(?=[._]|$)", name)
    return parts[0] if len(parts) == 1 else ""


def sentence(template: str, claim: dict) -> str:
    """The words of a claim, for the pixels and the optimiser that its condition's value names."""
    name = claim["holds_if"]["value"] if "holds_if" in claim else ""
    region, optimiser = part_of(name, REGIONS), part_of(name, OPTIMISERS)
    words = {
        "pixels": REGIONS.get(region),
        "optimiser": OPTIMISERS.get(optimiser),
        "training": TRAININGS.get(optimiser),
    }
    for placeholder, said in words.items():
        if f"{{{placeholder}}}" in template and said is None:
            raise UserError(
                f"claims.yaml, claim {quote_if_unprintable(claim['id'])}: expected {{{placeholder}}} to be known from the value {quote_if_unprintable(name)}, "
                "found no part of its name that says it; write it out."
            )
        template = template.replace(f"{{{placeholder}}}", said or "")
    return template[:1].upper() + template[1:]


def with_condition() -> list[dict]:
    """The claims that a run is judged by; the others are slips that reading shows."""
    return [claim for claim in read() if "holds_if" in claim]


def one(name: str) -> list[dict]:
    """The claim of an id, alone in a list; UserError with the closest id for one that is unknown."""
    listed = {claim["id"]: claim for claim in with_condition()}
    if name not in listed:
        close = difflib.get_close_matches(name, listed, n=1, cutoff=0.0)
        raise UserError(f"CLAIM: expected an id of reports/claims.yaml, found {name!r}; did you mean {close[0]}?")
    return [listed[name]]


def of_run(folder: Path) -> dict[str, values.Leaf]:
    """What the claims may name: the study's values, those of a run by its folder, and its parameters as `p.<name>`."""
    return study.values() | values.load(folder) | named(values.parameters(folder))


def of_published(kept: dict) -> dict[str, values.Leaf]:
    """The same, of values that are published: the content of a file of reports/reference."""
    return study.values() | kept["values"] | named(kept["parameters"])


def named(parameters: dict) -> dict[str, values.Leaf]:
    """Parameters under the names that claims call them by."""
    return {f"p.{name}": value for name, value in parameters.items()}


def judge(claim: dict, known: dict[str, values.Leaf]) -> str:
    """The outcome of a claim that has a condition, by what `of_run` gives. UserError when a value of it is missing."""
    if missing := sorted(names(claim) - known.keys()):
        raise UserError(
            f"claims.yaml, claim {quote_if_unprintable(claim['id'])}: expected the value {quote_if_unprintable(missing[0])}, found none in the run; let "
            f"notebook {quote_if_unprintable(missing[0].split('.')[0])} record it, or correct the claim."
        )
    if shortfalls(claim, known):
        return NOT_AT_SCALE
    outcome = meets(claim["holds_if"], known)
    return SLIP.get(outcome, outcome) if claim["kind"] == "slip" else outcome


def shortfalls(claim: dict, known: dict[str, values.Leaf]) -> dict[str, tuple[float, float]]:
    """What a run has too few of for a claim: "steps" -> (60, 4440); empty when its scale will do."""
    short = {}
    for what, part in claim.get("scale", {}).items():
        has, needs = _has(part["has"], known), bound(part["needs"], known)
        if has < needs:
            short[what] = (has, needs)
    return short


def meets(condition: dict, known: dict[str, values.Leaf]) -> str:
    """Whether a value meets a condition, whatever the scale of the run: holds, refuted, not shown, or not tested."""
    leaf = known[condition["value"]]
    number = values.number(leaf)
    if number is None:
        return NOT_TESTED
    if isinstance(leaf, dict) and leaf.get("low") is None:
        return NOT_SHOWN  # an estimate without an interval
    low, high = (leaf["low"], leaf["high"]) if isinstance(leaf, dict) else (number, number)
    if "equal" in condition:
        return HOLDS if math.isclose(number, bound(condition["equal"], known), rel_tol=1e-9) else REFUTED
    floor, ceiling = limits(condition, known)
    return HOLDS if floor < low and high < ceiling else REFUTED if high < floor or low > ceiling else NOT_SHOWN


def limits(condition: dict, known: dict[str, values.Leaf]) -> tuple[float, float]:
    """Between which two numbers a condition wants the whole interval; infinity where it has no limit."""
    if "alike" in condition:
        margin = abs(bound(condition["alike"]["margin"], known))
        return -margin, margin
    if "between" in condition:
        return tuple(bound(limit, known) for limit in condition["between"])
    return bound(condition.get("above", -math.inf), known), bound(condition.get("below", math.inf), known)


def bound(given: float | str, known: dict[str, values.Leaf]) -> float:
    """A bound is a number, or the name of a value."""
    if not isinstance(given, str):
        return float(given)
    number = values.number(known.get(given))
    if number is None:
        raise UserError(
            f"claims.yaml: expected the value {quote_if_unprintable(given)} as a bound, found none; correct the claim."
        )
    return number


def names(claim: dict) -> set[str]:
    """The values that a claim with a condition rests on, its scale among them."""
    return {*claim["rests_on"], *(part["has"].removesuffix(".n") for part in claim.get("scale", {}).values())}


def of_a_run(claim: dict) -> bool:
    """Whether a claim rests on a run at all: a slip may rest on what the study printed alone."""
    return any(not name.startswith(("study.", "p.")) for name in names(claim))


def notebooks(claim: dict) -> list[str]:
    """The notebooks that make the values which a claim names, and those that they need, in the order of the paper."""
    wanted = {name.split(".")[0] for name in names(claim)}
    for notebook in reversed(NOTEBOOKS):
        wanted |= set(STEPS[notebook].needs) if notebook in wanted else set()
    return [notebook for notebook in NOTEBOOKS if notebook in wanted]


def _has(name: str, known: dict[str, values.Leaf]) -> float:
    """How many a run has by a value, or by the number of images behind one (`.n`); none where nobody counted."""
    found = known[name.removesuffix(".n")]
    if name.endswith(".n"):
        found = found.get("n") if isinstance(found, dict) else None
    return values.number(found) or 0.0
