"""What do the rendered portraits teach about photographs? `python -m lib.experiments.transfer --data folder --data-dir DIR`.

The study's network is trained with the recipe (AdamW, one cycle, augmentation) on rendered portraits alone, and on four
fifths of the photographs; both are tested on the other fifth, the first on all photographs, too.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from lib import baselines, provenance
from lib.base import UserError, cache_dir, reports_dir, runs_dir, write_atomically
from lib.data.open import open_source
from lib.data.prepare import Prepared, prepare, test_trimaps
from lib.data.splits import random_split
from lib.device import cpu_threads
from lib.evaluation import stats
from lib.evaluation.scores import alpha_errors
from lib.inference import predict
from lib.training.thumbnail import load, train

RULE = "tolerant"  # trimap rule


def compare(rendered: Prepared, photographs: Prepared, folder: Path, *, rendered_epochs: int, epochs: int, lr: float,
            batch_size: int, seed: int, device: str = "auto", precision: str = "auto", threads: int = 0) -> pd.DataFrame:
    """One row a network and way of use, beside the trimap as alpha: error over all and unknown pixels with 95 %
    intervals over images. rendered_epochs, epochs: on the rendered portraits and on the photographs."""
    recipe = {"batch_size": batch_size, "lr": lr, "optimizer": "adamw", "weight_decay": 1e-4, "schedule": "onecycle",
              "augment": True, "trimap_rule": RULE, "seed": seed, "device": device, "precision": precision,
              "threads": threads}
    everything = np.arange(len(photographs))
    trained, tested = random_split(len(photographs), seed)
    train(rendered, np.arange(len(rendered)), [], folder / "rendered", epochs=rendered_epochs, **recipe)
    train(photographs, trained, [], folder / "photographs", epochs=epochs, **recipe)
    rows = []
    for label, index in (("a fifth", tested), ("all", everything)):
        truth, trimap = photographs.alpha[index], test_trimaps(photographs, index, RULE)
        rows.append(_row("control: trimap as alpha", "", label, baselines.trimap_as_alpha(trimap), truth, trimap, seed))
        for name in ("rendered", "photographs") if label == "a fifth" else ("rendered",):
            images = f"{len(rendered)} rendered portraits" if name == "rendered" else f"{len(trained)} photographs"
            for used in (False, True):
                with cpu_threads(threads):
                    alpha = predict(load(folder / name, device), photographs, index, trimap_rule=RULE, device=device,
                                    precision=precision, mirror=used, keep_known=used)
                use = "as used" if used else "plain"
                rows.append(_row(f"trained on {images}", use, label, alpha, truth, trimap, seed))
    return pd.DataFrame(rows)


def _row(method: str, use: str, tested_on: str, alpha, truth, trimap, seed: int) -> dict:
    errors = alpha_errors(alpha, truth, trimap)
    row = {"method": method, "use": use, "photographs tested on": tested_on, "images": len(errors)}
    for region in ("all", "unknown"):
        mean, low, high = stats.bootstrap_interval(errors[[region]].to_numpy().T, seed)
        row |= {f"test {region}": mean, f"test {region} low": low, f"test {region} high": high}
    return row


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="folder", help="photographs: aisegment or folder")
    parser.add_argument("--data-dir", required=True, help="their directory")
    parser.add_argument("--images", type=int, default=1600, help="rendered portraits to train on")
    parser.add_argument("--rendered-epochs", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=60, help="on the photographs")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--threads", type=int, default=0)
    try:
        run(vars(parser.parse_args(arguments)))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def run(options: dict) -> None:
    """Compare with the command's options, and write reports/transfer/."""
    data, data_dir, images, size = (options[name] for name in ("data", "data_dir", "images", "size"))
    rendered = prepare(open_source("portraits", "", images, options["seed"]), size, cache=cache_dir())
    photographs = prepare(open_source(data, data_dir), size, cache=cache_dir())
    settings = {name: options[name] for name in ("rendered_epochs", "epochs", "lr", "batch_size", "seed", "threads")}
    table = compare(rendered, photographs, runs_dir("transfer"), **settings)
    folder = reports_dir("transfer")
    write_atomically(folder / "transfer.csv", table.to_csv(index=False, lineterminator="\n").encode())
    record = {"parameters": options | {"data_dir": ""}, "photographs": len(photographs), **provenance.environment()}
    write_atomically(folder / "transfer.json", (json.dumps(record, indent=1) + "\n").encode())
    print(table.round(4).to_string(index=False))


if __name__ == "__main__":
    main()
