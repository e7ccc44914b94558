"""The claims as a reader may argue with them: over which pixels, by which optimiser, which seeds, at which level.

A claim whose value is there for other pixels or another optimiser has a variant for each; sentence and condition follow.
"""

import re

from lib.evaluation import stats
from lib.evaluation.samples import unpacked
from workflow import claims, values
from workflow.text.source import Source

REGIONS = {
    "all": "over all pixels",
    "unknown": "over the unknown pixels",
    "pasted": "over all pixels, the known ones pasted",
}
OPTIMISERS = {"sgd": "SGD", "adam": "Adam", "recipe": "the recipe"}
LEVELS = (0.8, 0.9, 0.95, 0.99)  # of intervals; 0.95 is that of the values
PUBLISHED = 0.95
COUNTED = ("p.seeds", "p.full_seeds")  # how many seeds a run has, by which claims ask for a scale
SAYS_REGION = re.compile(r",? over (?:all pixels|the unknown pixels|the pixels that the trimap leaves unknown)")
SAYS_OPTIMISER = {
    "sgd": [("the study's protocol (SGD)", "{0}"), ("(SGD", "({1}")],
    "recipe": [("the recipe", "{0}")],
    "adam": [],
}
IN_WORDS = {"sgd": "the study's protocol (SGD)", "adam": "the study's protocol (Adam)", "recipe": "the recipe"}


def collect(source: Source) -> dict:
    """{"claims": each with its variants, "known": the values that they name, "levels", "regions", "optimisers", "seeds"}.

    A leaf in known has `at` where the errors behind it are there: level -> [low, high] of all seeds, and "level|choice" ->
    [value, low, high] of chosen ones. The claims stand in the order of the tables.
    """
    known = source.values | claims.named(values.parameters(source.report))
    listed = [{**_shown(claim), "variants": variants(claim, known)} for claim in claims.read() if "holds_if" in claim]
    samples, seed = values.samples(source.report), int(values.number(known.get("p.seed")) or 0)
    wanted = {name for claim in listed for variant in claim["variants"] for name in claims.names(variant)}
    wanted |= {
        bound for claim in listed for variant in claim["variants"] for bound in _bounds(variant) if bound in known
    }
    most = max((known[name]["seeds"] for name in wanted if name in samples), default=1)
    choices = seed_choices(most)
    leaves = {name: at_levels(known[name], samples.get(name), seed, choices) for name in sorted(wanted)}
    controls = {"levels": LEVELS, "regions": REGIONS, "optimisers": OPTIMISERS}
    return {"claims": listed, "known": leaves, **controls, "seeds": choices, "counted": COUNTED}


def seed_choices(most: int) -> dict[str, list[int]]:
    """Which of `most` seeds a reader may choose, in words, beside all: the first few, and each alone."""
    if most < 2:
        return {}
    few = {f"the first {count}": list(range(count)) for count in range(2, most)}
    return few | {f"number {number + 1} alone": [number] for number in range(most)}


def variants(claim: dict, known: dict[str, values.Leaf]) -> list[dict]:
    """The claim for each region and optimiser for which its value is there; the first is the claim as it stands.

    Each has region and optimiser ("" where the value's name has none), claim, rests_on, holds_if, scale, kind and id.
    """
    name = claim["holds_if"]["value"]
    region, optimiser = _only(name, REGIONS), _only(name, OPTIMISERS)
    if claim["kind"] == "slip":
        region = optimiser = ""
    found = []
    for other in [optimiser, *(key for key in OPTIMISERS if optimiser and key != optimiser)]:
        for pixels in [region, *(key for key in REGIONS if region and key != region)]:
            there = _swapped(_swapped(name, region, pixels), optimiser, other)
            if there in known:
                said = _over(claim["claim"], region, pixels)
                found.append(
                    {
                        **{field: claim[field] for field in ("id", "kind")},
                        "region": pixels,
                        "optimiser": other,
                        "claim": _by(said, optimiser, other),
                        "rests_on": [there if one == name else one for one in claim["rests_on"]],
                        "holds_if": {**claim["holds_if"], "value": there},
                        "scale": _scale(claim, optimiser, other, known),
                    }
                )
    return found


def at_levels(leaf: values.Leaf, sample: str | None, seed: int, choices: dict[str, list[int]]) -> values.Leaf:
    """A leaf with `at`, its interval at each level and for each choice of seeds that it has, where its errors are there.

    seed: of the bootstrap, as in the notebooks. A leaf with one seed, or none of the chosen ones, stays as it is.
    """
    if sample is None or not isinstance(leaf, dict) or leaf.get("low") is None:
        return leaf
    errors = unpacked(sample, leaf["seeds"])
    found = {str(level): list(stats.bootstrap_interval(errors, seed, level=level)[1:]) for level in LEVELS}
    found[str(PUBLISHED)] = [leaf["low"], leaf["high"]]
    for choice, chosen in choices.items():
        if leaf["seeds"] > 1 and max(chosen) < leaf["seeds"]:
            for level in LEVELS:
                found[f"{level}|{choice}"] = list(stats.bootstrap_interval(errors[chosen], seed, level=level))
    return leaf | {"at": found}


def _shown(claim: dict) -> dict:
    return {"id": claim["id"], "kind": claim["kind"]}


def _only(name: str, choices: dict[str, str]) -> str:
    """Which of the choices a name holds as a part, if it is exactly one; "" else."""
    found = re.findall(rf"(?<=[._])({'|'.join(choices)})(?=[._]|$)", name)
    return found[0] if len(found) == 1 else ""


def _swapped(name: str, part: str, other: str) -> str:
    return re.sub(rf"(?<=[._]){part}(?=[._]|$)", other, name) if part != other else name


def _over(sentence: str, region: str, other: str) -> str:
    """The sentence for other pixels; what names none gets them at its end."""
    if region == other:
        return sentence
    said, count = SAYS_REGION.subn(f" {REGIONS[other]}", sentence, count=1)
    return said if count else f"{sentence.rstrip('.')}, {REGIONS[other]}."


def _by(sentence: str, optimiser: str, other: str) -> str:
    """The sentence for another optimiser; what names none gets it at its end."""
    if optimiser == other:
        return sentence
    for text, put in SAYS_OPTIMISER[optimiser]:
        for old, new in ((text, put), (text[0].upper() + text[1:], put)):
            if old in sentence:
                words = new.format(IN_WORDS[other], OPTIMISERS[other])
                return sentence.replace(old, words[0].upper() + words[1:] if old[0].isupper() else words)
    return f"{sentence.rstrip('.')}, with {OPTIMISERS[other]}."


def _scale(claim: dict, optimiser: str, other: str, known: dict[str, values.Leaf]) -> dict:
    """The scale of a claim, its steps those of the other optimiser where a run counts them."""
    scale = {}
    for what, part in claim.get("scale", {}).items():
        has = _swapped(part["has"], optimiser, other)
        scale[what] = {**part, "has": has if has.removesuffix(".n") in known else part["has"]}
    return scale


def _bounds(claim: dict) -> set[str]:
    """Names of values that a claim's condition and scale call as bounds."""
    rule = claim["holds_if"]
    given = [rule.get(kind) for kind in ("below", "above", "equal")] + list(rule.get("between", []))
    given += [rule["alike"]["margin"]] if "alike" in rule else []
    given += [part["needs"] for part in claim["scale"].values()]
    return {bound for bound in given if isinstance(bound, str)}
