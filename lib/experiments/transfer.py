"""What do the rendered portraits teach about photographs? `python -m lib transfer --data folder --data-dir DIR`.

The study's network is trained with the recipe (AdamW, one cycle, augmentation) on rendered portraits alone, and on four
fifths of the photographs; both are tested on the other fifth, the first on all photographs, too.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib import baselines, provenance
from lib.base import UserError, cache_dir, reports_dir, runs_dir, write_atomically
from lib.data.open import open_source
from lib.data.prepare import Prepared, prepare
from lib.data.splits import random_split
from lib.device import Machine, cpu_threads
from lib.evaluation import scores
from lib.experiments.thumbnail import PHOTOGRAPHS
from lib.inference import predict
from lib.models import store
from lib.training.thumbnail import ThumbnailRecipe, train

CONTROL = "control: trimap as alpha"


def compare(
    rendered: Prepared,
    photographs: Prepared,
    folder: Path,
    recipe: ThumbnailRecipe,
    rendered_epochs: int,
    machine: Machine = Machine(),
) -> pd.DataFrame:
    """One row a network and way of use, beside the trimap as alpha: error over all and unknown pixels with 95 %
    intervals over images. recipe: with the epochs on the photographs; rendered_epochs: on the rendered portraits."""
    everything = np.arange(len(photographs))
    trained, tested = random_split(len(photographs), recipe.seed)
    train(
        rendered, (np.arange(len(rendered)), []), folder / "rendered", replace(recipe, epochs=rendered_epochs), machine
    )
    train(photographs, (trained, []), folder / "photographs", recipe, machine)
    names = {
        "rendered": f"trained on {len(rendered)} rendered portraits",
        "photographs": f"trained on {len(trained)} photographs",
    }
    parts = []
    for tested_on, index in (("a fifth", tested), ("all", everything)):
        truth, trimap = photographs.alpha[index], np.asarray(photographs.trimap[index])
        alphas = {(CONTROL, ""): baselines.trimap_as_alpha(trimap)}
        for name in names if tested_on == "a fifth" else ("rendered",):
            model = store.load(folder / name, machine.device)
            for use, used in (("plain", False), ("as used", True)):
                with cpu_threads(machine.threads):
                    alphas[names[name], use] = predict(model, photographs, index, machine, mirror=used, keep_known=used)
        parts += [
            _row(method, use, tested_on, scores.by_region(method, 0, index, alpha, truth, trimap), recipe.seed)
            for (method, use), alpha in alphas.items()
        ]
    return pd.DataFrame(parts)


def _row(method: str, use: str, tested_on: str, scored: pd.DataFrame, seed: int) -> dict:
    row = {"method": method, "use": use, "photographs tested on": tested_on, "images": scored.image.nunique()}
    for found in scores.summarise(scored, seed).to_dict("records"):
        name = f"test {found['measure']}"
        row |= {name: found["value"], f"{name} low": found["low"], f"{name} high": found["high"]}
    return row


def main(arguments: list[str] | None = None) -> None:
    """Compare, and write reports/transfer/."""
    parser = argparse.ArgumentParser(prog="python -m lib transfer", description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="folder", help="photographs: aisegment or folder")
    parser.add_argument("--data-dir", required=True, help="their directory")
    parser.add_argument("--images", type=int, default=1600, help="rendered portraits to train on")
    parser.add_argument("--rendered-epochs", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=PHOTOGRAPHS.epochs, help="on the photographs")
    parser.add_argument("--batch-size", type=int, default=PHOTOGRAPHS.batch_size)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--threads", type=int, default=0)
    try:
        run(parser.parse_args(arguments))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def run(options: argparse.Namespace) -> None:
    """Compare with the command's options, and write reports/transfer/."""
    recipe = replace(PHOTOGRAPHS, epochs=options.epochs, batch_size=options.batch_size, seed=options.seed)
    rendered = prepare(open_source("portraits", "", options.images, options.seed), options.size, cache=cache_dir())
    photographs = prepare(open_source(options.data, options.data_dir), options.size, cache=cache_dir())
    table = compare(
        rendered, photographs, runs_dir("transfer"), recipe, options.rendered_epochs, Machine(threads=options.threads)
    )
    folder = reports_dir("transfer")
    write_atomically(folder / "transfer.csv", table.to_csv(index=False, lineterminator="\n").encode())
    record = {
        "parameters": vars(options) | {"data_dir": ""},
        "photographs": len(photographs),
        **provenance.environment(),
    }
    write_atomically(folder / "transfer.json", (json.dumps(record, indent=1) + "\n").encode())
    print(table.round(4).to_string(index=False))
