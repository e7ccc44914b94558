"""The claims as a reader may argue with them: over which pixels, by which optimiser, which seeds, at which level.

A claim whose value is there for other pixels or another optimiser has a variant for each. The outcomes of every choice are
computed here; the page looks them up.
"""

import re

from lib import scores
from lib.scores import decode_errors
from workflow import claim_tables, claims, values
from workflow.claims import OPTIMISERS, REGIONS
from workflow.text.source import Source

LEVELS = (0.8, 0.9, 0.95, 0.99)  # of intervals; 0.95 is that of the values
PUBLISHED = 0.95
COUNTED = ("p.seeds", "p.full_seeds")  # how many seeds a run has, by which claims ask for a scale
OUTCOMES = (
    claims.HOLDS,
    claims.REFUTED,
    claims.NOT_SHOWN,
    claims.NOT_TESTED,
    claims.NOT_AT_SCALE,
    *claims.SLIP.values(),
)


def collect(source: Source) -> dict:
    """{"claims": [{kind, variants}], levels, seeds, regions, optimisers, outcomes}, in the order of the tables.

    A variant has region and optimiser ("" where its value has none), claim (its words), and rows: for each level and, within,
    each choice of seeds (all first) [measured, condition, outcome, outcome whatever the scale], outcomes as places in OUTCOMES.
    """
    known = source.values | claims.named(values.parameters(source.report))
    listed = [{"kind": claim["kind"], "variants": variants(claim, known)} for claim in claims.with_condition()]
    samples, seed = values.samples(source.report), int(values.number(known.get("p.seed")) or 0)
    every = [variant for claim in listed for variant in claim["variants"]]
    # What decides an outcome: the condition's value, its bounds, and the scale.
    wanted = {name for variant in every for name in bounds(variant) | {variant["holds_if"]["value"]}} | {*COUNTED}
    wanted &= known.keys()
    choices = seed_choices(max((known[name]["seeds"] for name in wanted & samples.keys()), default=1))
    rows: dict[int, list] = {id(variant): [] for variant in every}
    for level in LEVELS:
        for chosen in (None, *choices.values()):
            at = known_at({name: known[name] for name in wanted}, samples, seed, level, chosen)
            for variant in every:
                outcomes = [claims.judge(one, known | at) for one in (variant, variant | {"scale": {}})]
                leaf, rule = at[variant["holds_if"]["value"]], variant["holds_if"]
                row = [claim_tables.measured(leaf), claim_tables.condition(rule, known | at)]
                rows[id(variant)].append(row + [OUTCOMES.index(outcome) for outcome in outcomes])
    parts = ("region", "optimiser", "claim")
    shown = [
        {
            "kind": claim["kind"],
            "variants": [{part: one[part] for part in parts} | {"rows": rows[id(one)]} for one in claim["variants"]],
        }
        for claim in listed
    ]
    controls = {"levels": LEVELS, "seeds": list(choices), "regions": REGIONS, "optimisers": OPTIMISERS}
    return {"claims": shown, "outcomes": OUTCOMES, **controls}


def seed_choices(most: int) -> dict[str, list[int]]:
    """Which of `most` seeds a reader may choose, in words, in addition to all: the first few, and each alone."""
    if most < 2:
        return {}
    few = {f"the first {count}": list(range(count)) for count in range(2, most)}
    return few | {f"number {number + 1} alone": [number] for number in range(most)}


def known_at(known: dict, samples: dict[str, str], seed: int, level: float, chosen: list[int] | None) -> dict:
    """Values with their interval at a level, by chosen seeds (None: all). What has no errors behind it stays as it is.

    seed: of the bootstrap, as in the notebooks.
    """
    at = {}
    for name, leaf in known.items():
        at[name] = leaf
        if name in COUNTED and chosen:
            at[name] = min(values.number(leaf) or 0, len(chosen))
        elif name in samples and isinstance(leaf, dict) and leaf.get("low") is not None:
            errors = decode_errors(samples[name], leaf["seeds"])
            if chosen and leaf["seeds"] > max(1, max(chosen)):
                mean, low, high = scores.bootstrap_interval(errors[chosen], seed, level=level)
                at[name] = leaf | {"value": mean, "low": low, "high": high}
            elif level != PUBLISHED:
                _, low, high = scores.bootstrap_interval(errors, seed, level=level)
                at[name] = leaf | {"low": low, "high": high}
    return at


def variants(claim: dict, known: dict[str, values.Leaf]) -> list[dict]:
    """The claim for each region and optimiser for which its value is there; the first is the claim as it stands.

    Only what the claim's sentence has a placeholder for may vary.
    """
    name, template = claim["holds_if"]["value"], claim["template"]
    region = claims.part_of(name, REGIONS) if "{pixels}" in template else ""
    varies = "{optimiser}" in template or "{training}" in template
    optimiser = claims.part_of(name, OPTIMISERS) if varies else ""
    listed = []
    for other in [optimiser, *(key for key in OPTIMISERS if optimiser and key != optimiser)]:
        for pixels in [region, *(key for key in REGIONS if region and key != region)]:
            there = _swapped(_swapped(name, region, pixels), optimiser, other)
            if there in known:
                changed = {
                    "rests_on": [there if one == name else one for one in claim["rests_on"]],
                    "holds_if": {**claim["holds_if"], "value": there},
                    "scale": _scale(claim, optimiser, other, known),
                    "region": pixels,
                    "optimiser": other,
                }
                listed.append(claim | changed | {"claim": claims.sentence(template, claim | changed)})
    return listed


def bounds(claim: dict) -> set[str]:
    """Names of values that a claim's condition and scale use as bounds."""
    rule = claim["holds_if"]
    given = [rule.get(kind) for kind in ("below", "above", "equal")] + list(rule.get("between", []))
    given += [rule["alike"]["margin"]] if "alike" in rule else []
    given += [part["needs"] for part in claim["scale"].values()]
    return {bound for bound in given if isinstance(bound, str)}


def _swapped(name: str, part: str, other: str) -> str:
    return re.sub(rf"(?<=[._]){part}(?=[._]|$)", other, name) if part != other else name


def _scale(claim: dict, optimiser: str, other: str, known: dict[str, values.Leaf]) -> dict:
    """The scale of a claim, its steps those of the other optimiser where a run counts them."""
    scale = {}
    for what, part in claim.get("scale", {}).items():
        has = _swapped(part["has"], optimiser, other)
        scale[what] = {**part, "has": has if has.removesuffix(".n") in known else part["has"]}
    return scale
