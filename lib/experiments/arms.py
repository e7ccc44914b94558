"""Two ablations at equal steps: `python -m lib arms adversary` and `python -m lib arms disturbances`.

What does AlphaGAN's adversary buy? From one generator, the shipped one or with `--first` one trained anew without an
adversary, arms go on with the adversary at several weights. What does each of the four disturbances of Background Matting
V2's plates buy? The shipped network, which was trained with all four, is trained on with none, with one, and with all, and
judged with a plate that is exact and with one photographed again. One seed: the intervals are over people.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd

from lib import systems
from lib.base import UserError, runs_dir
from lib.compute import Compute
from lib.data.plates import DISTURBANCES
from lib.evaluation import benchmark, scores
from lib.evaluation.systems import judge_stills
from lib.experiments import committed
from lib.experiments.shipped import FOLDER, RECIPES, pictures_of_people, with_trimap
from lib.experiments.systems import people as samples_of, photographed_again
from lib.models import store
from lib.training.photo import AlphaGANTask, BackgroundTask
from lib.training.trainer import train

ADVERSARY = {"no adversary": 0.0, "weight 0.001": 1e-3, "weight 0.01": 1e-2}
DISTURBED = {"none": (), **{f"{name} only": (name,) for name in DISTURBANCES}, "all four": DISTURBANCES}
KINDS = ("adversary", "disturbances")


def adversary(folder: Path, given: argparse.Namespace, machine: Compute) -> pd.DataFrame:
    """Scores of every arm on held-out people at 600x800 (lib.evaluation.benchmark.judge)."""
    own = {"steps": given.steps, "test_at": (given.steps,), "textures": given.textures, "tests": 0, "seed": given.seed}
    recipe = replace(RECIPES["alphagan"], **own, side=given.side, late_side=given.side)
    start = FOLDER / "alphagan"
    if given.first:
        start = folder / "first"
        begun = replace(recipe, adversary=0.0, steps=given.first, test_at=(given.first,))
        train(AlphaGANTask, begun, start, machine)
    models = {}
    for number, (arm, weight) in enumerate(ADVERSARY.items()):
        place = folder / f"arm{number}"
        arm_recipe = replace(recipe, adversary=weight, adversary_from=0.2, start=str(start))
        train(AlphaGANTask, arm_recipe, place, machine)
        models[arm] = with_trimap(store.load(place, machine.device))
    return benchmark.judge(pictures_of_people(given.people), models)


def disturbances(folder: Path, given: argparse.Namespace, machine: Compute) -> pd.DataFrame:
    """Scores of every arm on held-out people at the size of its training: "exact" and "again", MAD by kind of plate."""
    own = {"steps": given.steps, "test_at": (given.steps,), "textures": given.textures, "tests": 0, "seed": given.seed}
    recipe = replace(
        RECIPES["background"], **own, side=given.side, late_side=given.side, start=str(FOLDER / "background")
    )
    exact = samples_of(given.people, (given.side, given.side * 3 // 4))
    found = []
    for number, (arm, drawn) in enumerate(DISTURBED.items()):
        place = folder / f"arm{number}"
        train(BackgroundTask, replace(recipe, disturbances=drawn), place, machine)
        model = store.load(place, machine.device)

        def method(sample, _, model=model):
            return systems.matte_before_plate(model, sample.image, sample.background)

        for plate, samples in (("exact", exact), ("again", photographed_again(exact))):
            judged = judge_stills(samples, {arm: method})
            found.append(judged[judged.measure == "mad"].assign(measure=plate))
    return pd.concat(found, ignore_index=True)


def table(judged: pd.DataFrame, base: str, steps: int, pictures: int) -> pd.DataFrame:
    """One row an arm: each measure with its 95 % interval, and its paired difference to the arm `base`."""
    judged = judged[judged.measure != "seconds"]
    pairs = [(arm, base) for arm in judged.method.unique() if arm != base]
    minus = scores.compare(judged, pairs, 0).set_index(["a", "measure"])
    rows: dict[str, dict] = {}
    for row in scores.summarise(judged, 0).to_dict("records"):
        own = rows.setdefault(row["method"], {"arm": row["method"], "steps": steps, "pictures": pictures})
        measure = row["measure"]
        own |= {measure: row["value"], f"{measure} low": row["low"], f"{measure} high": row["high"]}
        if row["method"] != base:
            own |= {
                f"{measure} minus {base}{end}": minus.loc[(row["method"], measure), key]
                for end, key in (("", "value"), (" low", "low"), (" high", "high"))
            }
    return pd.DataFrame(rows.values())


def main(arguments: list[str] | None = None) -> None:
    """Train the arms of an ablation for as many steps each, and write reports/ablation/."""
    parser = argparse.ArgumentParser(prog="python -m lib arms", description=main.__doc__)
    parser.add_argument("kind", help=" or ".join(KINDS))
    parser.add_argument("--steps", type=int, default=300, help="of each arm")
    parser.add_argument(
        "--first",
        type=int,
        default=0,
        help="adversary: steps of a generator from which all arms start; 0: the shipped one",
    )
    parser.add_argument("--side", type=int, default=160, help="px of the crops, or the height of the pictures")
    parser.add_argument("--people", type=int, default=30, help="held-out people to judge on")
    parser.add_argument("--textures", default="", help="folder of photographs without people")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args(arguments)
    if given.kind not in KINDS:
        raise UserError(f"kind: expected {' or '.join(KINDS)}, found {given.kind!r}; choose one.")
    run, base = {"adversary": (adversary, "no adversary"), "disturbances": (disturbances, "none")}[given.kind]
    judged = run(runs_dir("arms") / given.kind, given, Compute(threads=given.threads))
    batch = RECIPES["alphagan" if given.kind == "adversary" else "background"].batch_size
    found = table(judged, base, given.steps, given.steps * batch)
    said = {"parameters": vars(given) | {"textures": Path(given.textures).name}}
    committed.write("ablation", given.kind, {given.kind: found}, said)
    print(found.round(4).to_string(index=False))
