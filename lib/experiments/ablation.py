"""What makes a network for photographs good, at equal time: `python -m lib ablation --textures DIR --minutes 20`.

Deep Image Matting's structure first; then, one after the other, skip connections instead of unpooling, an encoder that has learnt
from ImageNet, crops of other things than people, and closed-form matting's answer as a further channel. Each arm trains as many
minutes on this machine, whatever its speed: what a reader with one evening would ask.
"""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import pandas as pd
import torch

from lib.base import reports_dir, runs_dir, write_atomically
from lib.baselines import SOLVERS
from lib.compute import Compute, reproducible
from lib.evaluation import benchmark, scores
from lib.experiments import committed
from lib.experiments.shipped import pictures_of_people, with_trimap
from lib.models import store
from lib.training.photo import HybridConfig, HybridTask, PortraitConfig, PortraitTask
from lib.training.trainer import train

BASE = PortraitConfig(trimap=True, images=2000, ema=0.99, tests=0, shapes=0.0)
ARMS = {
    "unpooling (DIM's stage 1)": {"structure": "unpooling", "width": 0.25, "encoder": "random"},
    "+ skip connections": {"encoder": "random"},
    "+ ImageNet encoder": {},
    "+ crops of other things": {"shapes": 0.5},
    "+ closed-form alpha as a channel": {"shapes": 0.5, "hybrid": True},
}
WARM, TIMED = 4, 24  # steps before the clock runs, and under it: composing pictures comes in lumps


def recipes(textures: str, side: int, seed: int) -> Iterator[tuple[str, PortraitConfig]]:
    """Arm -> its recipe, but for its length."""
    for arm, changes in ARMS.items():
        given = asdict(BASE) | {"textures": textures, "side": side, "late_side": side, "seed": seed} | changes
        kind = HybridConfig if given.pop("hybrid", False) else PortraitConfig
        yield arm, kind(**given)


def seconds_a_step(recipe: PortraitConfig, machine: Compute) -> float:
    """Of a training of this recipe on this machine, its pictures composed beside it."""
    with reproducible(machine) as runtime:
        task = task_of(recipe)(recipe, runtime)
        task.model.to(runtime.device).train()
        optimizers, batches = task.make_optimizers(), task.batches(1, 0)
        for batch in islice(batches, WARM):
            task.training_step([batch], optimizers, 0)
        started = time.perf_counter()
        for batch in islice(batches, TIMED):
            task.training_step([batch], optimizers, 0)
        return (time.perf_counter() - started) / TIMED


def task_of(config: PortraitConfig) -> type[PortraitTask]:
    """The task of an arm."""
    return HybridTask if isinstance(config, HybridConfig) else PortraitTask


def length(folder: Path, recipe: PortraitConfig, minutes: float, machine: Compute) -> int:
    """Steps that take so many minutes; measured once, then read from the folder, so that a training can go on."""
    file = folder / "steps.json"
    if not file.is_file():
        steps = max(1, round(60 * minutes / seconds_a_step(recipe, machine)))
        write_atomically(file, json.dumps({"steps": steps, "minutes": minutes}).encode())
    return json.loads(file.read_text())["steps"]


def finished(folder: Path, recipe: PortraitConfig, machine: Compute) -> torch.nn.Module:
    """The network of an arm, trained or found done, on the machine's device."""
    train(task_of(recipe), recipe, folder, machine)
    return store.load(folder, machine.device)


def run(folder: Path, recipe_of: dict[str, PortraitConfig], minutes: float, people: int, machine: Compute):
    """(one row an arm, and closed-form matting: steps, pictures, parameters, the measures with 95 % intervals over people;
    the paired differences of each arm to the one before)."""
    methods, sizes = {"closed-form": SOLVERS["closed-form"]}, {}
    places = [folder / f"arm{number}" for number in range(len(recipe_of))]
    for place_of, recipe in zip(places, recipe_of.values(), strict=True):  # all at once: keep the machine quiet so long
        place_of.mkdir(parents=True, exist_ok=True)
        length(place_of, recipe, minutes, machine)
    for place_of, (arm, recipe) in zip(places, recipe_of.items(), strict=True):
        steps = length(place_of, recipe, minutes, machine)
        model = finished(place_of / "train", replace(recipe, steps=steps, test_at=(steps,)), machine)
        methods[arm] = with_trimap(model)
        count = sum(weight.numel() for weight in model.parameters())
        sizes[arm] = {"steps": steps, "pictures": steps * recipe.batch_size, "parameters": count}
    judged = benchmark.judge(pictures_of_people(people), methods)
    found = judged[judged.measure != "seconds"]
    table = []
    for method, rows in scores.summarise(found, 0).groupby("method", sort=False):
        row = {"method": method, **sizes.get(method, {"steps": None, "pictures": None, "parameters": None})}
        for each in rows.to_dict("records"):
            row |= {each["measure"]: each["value"], f"{each['measure']} low": each["low"]}
            row |= {f"{each['measure']} high": each["high"]}
        table.append(row)
    arms = list(recipe_of)
    compared = scores.compare(found, list(zip(arms[1:], arms, strict=False)), 0)
    return pd.DataFrame(table), compared.drop(columns="sample")


def results() -> tuple[pd.DataFrame, dict]:
    """What reports/ablation/ holds: the table with its methods as `arm`, and the parameters that it was made with."""
    folder = reports_dir("ablation")
    parameters = json.loads((folder / "ablation.json").read_text())["parameters"]
    return pd.read_csv(folder / "ablation.csv").rename(columns={"method": "arm"}), parameters


def main(arguments: list[str] | None = None) -> None:
    """Train every arm for as long, and write reports/ablation/."""
    parser = argparse.ArgumentParser(prog="python -m lib ablation", description=main.__doc__)
    parser.add_argument("--textures", default="", help="folder of photographs without people")
    parser.add_argument("--minutes", type=float, default=20.0, help="of each arm")
    parser.add_argument("--side", type=int, default=256, help="px of the crops")
    parser.add_argument("--people", type=int, default=30, help="held-out people to judge on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args(arguments)
    machine = Compute(threads=given.threads)
    arms = dict(recipes(given.textures, given.side, given.seed))
    table, steps = run(runs_dir("ablation"), arms, given.minutes, given.people, machine)
    said = {"parameters": vars(given) | {"textures": Path(given.textures).name}}
    committed.write("ablation", "ablation", {"ablation": table, "differences": steps}, said)
    print(table.round(4).to_string(index=False))
