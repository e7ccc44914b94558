"""The study's future work as sweeps: `python -m lib sweeps [NAME ...]` trains what notebooks/sweeps.toml lists.

A sweep is a table there: a question, the settings that all of its trainings share, and `vary`, a list of values for one or
two names, of which every combination is trained with every seed. Names are those of ThumbnailConfig (lib.training.thumbnail) or of PRESETS, and
`images`, `size`, `split`, `trimap_rule` and `resize` of the data (a filter of lib.data.shrunk: the pictures are composed at four
times the side, then shrunk by it; "" = composed at that size). Trainings lie in runs/sweeps/, each in a folder of its own, and are
found done when they are asked for again; results are written to reports/sweeps/.
"""

import argparse
import dataclasses
import difflib
import functools
import hashlib
import itertools
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from lib import baselines
from lib.base import ROOT, UserError, reports_dir, runs_dir
from lib.compute import Compute
from lib.data.portraits import Portraits
from lib.data.prepare import Prepared, prepare
from lib.data.shrunk import shrunk
from lib.data.splits import group_split, random_split
from lib.evaluation.errors import alpha_errors
from lib.experiments import committed, published
from lib.training.thumbnail import ThumbnailConfig, ThumbnailTask
from lib.training.trainer import train

FILE = ROOT / "notebooks" / "sweeps.toml"
SHARED = "shared"  # the table of settings that all sweeps begin with
DATA = {"images": 4000, "size": 28, "split": "group", "trimap_rule": "tolerant", "resize": ""}
FINER = 4  # times as fine are the pictures that a filter shrinks
# Values that stand for several fields of the config, or for those of another name.
PRESETS = {
    "optimizer": {
        "plain sgd": {"optimizer": "sgd", "momentum": 0.0},
        "adamw, decay 0.01": {"optimizer": "adamw", "weight_decay": 0.01},  # PyTorch's default; without it, it is Adam
    },
    "encoder": {"random": {"encoder_weights": ""}, "trained": {}},  # trained: from encoder_weights, or torchvision's
}
FIELDS = {*PRESETS, *(field.name for field in dataclasses.fields(ThumbnailConfig))}
CONTROL = ("control_all", "control_unknown")
TOLD = ("train_all", "train_unknown", "test_all", "test_unknown", "test_pasted")


@dataclass(frozen=True)
class Sweep:
    """name, family, title, question: of the notebook. vary: name -> values, one or two of them. fixed: name -> value, for all
    trainings; seeds: how many of each."""

    name: str
    family: str
    title: str
    question: str
    vary: dict[str, list]
    fixed: dict[str, object]
    seeds: int

    def settings(self) -> list[dict[str, object]]:
        """The varied names' values of each kind of training."""
        return [dict(zip(self.vary, values, strict=True)) for values in itertools.product(*self.vary.values())]


def read(path: Path = FILE) -> dict[str, Sweep]:
    """The sweeps by name. UserError that names the sweep and what is wrong with it."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path.name}: expected a TOML file of sweeps, found {error}; correct it.") from error
    shared = tables.pop(SHARED, {})
    return {name: _sweep(name, shared, table) for name, table in tables.items()}


def _sweep(name: str, shared: dict, table: dict) -> Sweep:
    given = {"seeds": 1} | shared | table
    missing = [key for key in ("family", "title", "question", "vary") if not given.get(key)]
    if missing:
        raise UserError(f"sweep {name}: expected {', '.join(missing)}, found none; add it.")
    vary = given.pop("vary")
    if (
        not isinstance(vary, dict)
        or not 1 <= len(vary) <= 2
        or not all(isinstance(v, list) and v for v in vary.values())
    ):
        raise UserError(f"sweep {name}: expected vary to name one or two lists of values, found {vary!r}; correct it.")
    family, title, question, seeds = (given.pop(key) for key in ("family", "title", "question", "seeds"))
    for key in (*given, *vary):
        if key not in FIELDS and key not in DATA:
            close = difflib.get_close_matches(key, [*FIELDS, *DATA], 1)
            raise UserError(
                f"sweep {name}: expected names of the recipe or of the data, found {key}"
                + (f"; did you mean {close[0]}?" if close else "; leave it out.")
            )
    made = Sweep(name, family, title, question, vary, {key: given[key] for key in given if key not in vary}, seeds)
    for setting in made.settings():
        recipe(made, setting, 0)  # a value out of range is told before anything is trained
    return made


def recipe(sweep: Sweep, setting: dict, seed: int) -> ThumbnailConfig:
    """How one training learns; tested at its end alone. UserError, with the sweep's name, for a value out of range."""
    values = {"width": 16, "encoder": "random", **sweep.fixed, **setting}
    own = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items() if key in FIELDS}
    if own["encoder"] == "trained":
        own["encoder_weights"] = own.get("encoder_weights") or "imagenet"
    for name, presets in PRESETS.items():
        own |= presets.get(own.get(name), {})
    if own.pop("encoder") not in PRESETS["encoder"]:
        raise UserError(f"sweep {sweep.name}: encoder: expected random or trained, found {values['encoder']!r}.")
    try:
        return ThumbnailConfig(**own | {"seed": seed})
    except ValidationError as error:
        problem = error.errors()[0]
        name, sentence = problem["loc"][0], problem["msg"].replace("Input should be", "expected a value")
        raise UserError(f"sweep {sweep.name}: {name}: {sentence}, found {problem['input']!r}; correct it.") from error


def run(sweep: Sweep, folder: Path, machine: Compute = Compute(), known: pd.DataFrame | None = None) -> pd.DataFrame:
    """Train all of it, or find it done: one row a training and test. known: rows of earlier trainings that are kept as they are.

    Columns: the varied names, seed, training_images, test_images, steps, TOLD; then what the trimap, returned as alpha,
    scores on the same test images: control_all, control_unknown.
    """
    rows = []
    for setting, seed in itertools.product(sweep.settings(), range(sweep.seeds)):
        if known is not None and len(held := _held(known, setting, seed)):
            rows.append(held)
            continue
        data = {name: (sweep.fixed | setting).get(name, default) for name, default in DATA.items()}
        prepared = _prepared(**data)
        split = (
            group_split(prepared.groups, 0, 0.2) if data["split"] == "group" else random_split(len(prepared), 0, 0.2)
        )
        chosen = recipe(sweep, setting, seed)
        key = hashlib.sha256(json.dumps([data, dataclasses.asdict(chosen)], sort_keys=True).encode()).hexdigest()[:12]
        history = train(ThumbnailTask, chosen, folder / key, machine, prepared, split)
        told = history[["step", *TOLD]].rename(columns={"step": "steps"})
        sizes = {"training_images": len(split[0]), "test_images": len(split[1])}
        rows.append(told.assign(**setting, seed=seed, **sizes, **_control(prepared, split[1])))
    found = pd.concat(rows, ignore_index=True)
    return found[[*sweep.vary, "seed", "training_images", "test_images", "steps", *TOLD, *CONTROL]]


@functools.lru_cache(maxsize=1)
def _prepared(images: int, size: int, split: str, trimap_rule: str, resize: str) -> Prepared:
    """The data of a training; split is told apart later."""
    if not resize:
        return prepare(Portraits(images), size, trimap_rule)
    return shrunk(prepare(Portraits(images), FINER * size, trimap_rule), size, resize)


def _held(known: pd.DataFrame, setting: dict, seed: int) -> pd.DataFrame:
    """The rows of a training among those of a sweep."""
    same = known.seed == seed
    for name, value in setting.items():
        same &= known[name] == value
    return known[same]


def published_rows(sweep: Sweep) -> pd.DataFrame | None:
    """What reports/sweeps holds of a sweep whose other settings are the same, or None."""
    file, found = reports_dir("sweeps") / f"{sweep.name}.json", results(sweep.name)
    if found is None or not file.is_file():
        return None
    before = json.loads(file.read_text())["sweep"]
    same = before["fixed"] == json.loads(json.dumps(sweep.fixed)) and set(before["vary"]) == set(sweep.vary)
    return found if same else None


def _control(prepared: Prepared, index: np.ndarray) -> dict[str, float]:
    alpha, trimap = np.asarray(prepared.alpha[index]), np.asarray(prepared.trimap[index])
    errors = alpha_errors(baselines.trimap_as_alpha(trimap), alpha, trimap).mean()
    return {name: float(errors[name.removeprefix("control_")]) for name in CONTROL}


def results(name: str) -> pd.DataFrame | None:
    """What reports/sweeps/ holds of a sweep, or None."""
    file = reports_dir("sweeps") / f"{name}.csv"
    return pd.read_csv(file, float_precision="round_trip") if file.is_file() else None


def last(found: pd.DataFrame, vary: Iterable[str]) -> pd.DataFrame:
    """The last test of every training: a row each."""
    return found.loc[found.groupby([*vary, "seed"], sort=False).steps.idxmax()].reset_index(drop=True)


def summary(found: pd.DataFrame, vary: Sequence[str]) -> pd.DataFrame:
    """One row a setting, after its last step: its varied names, steps, and of test_all and test_unknown the mean over seeds
    with the least and the largest ("test_all", "test_all least", ...)."""
    ends = last(found, vary)
    rows = []
    for values, part in ends.groupby(list(vary), sort=False):
        row = dict(zip(vary, values, strict=True)) | {"steps": part.steps.iloc[0], "seeds": len(part)}
        for name in ("test_all", "test_unknown"):
            row |= {name: part[name].mean(), f"{name} least": part[name].min(), f"{name} largest": part[name].max()}
        rows.append(row)
    return pd.DataFrame(rows)


def as_chosen(table: pd.DataFrame, vary: Sequence[str]) -> pd.DataFrame:
    """A table with its varied names' values as one writes them, which a table's rounding would spoil: "0.0001", "yes"."""
    return table.assign(**{name: table[name].map(word) for name in vary})


def word(value: object) -> str:
    """A value that someone chose, as one writes it: "0.0001", "64", "yes", "plain sgd"."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)


def beside_study(found: pd.DataFrame) -> pd.DataFrame:
    """What trainings of the study's protocol end with, beside what the study printed: a row each, the trimap as alpha last.

    found: results with a column `kind`, the network in words. Columns: network, training images, steps, seeds, then means over
    seeds of train all, test all, test unknown, test pasted; missing where the study says nothing.
    """
    rows = [
        {
            "network": f"study: {name}",
            "training images": published.TRAIN_IMAGES,
            "steps": published.STEPS,
            "seeds": 1,
            "train all": loss["train"],
            "test all": loss["test"],
        }
        for name, loss in published.LOSS.items()
    ]
    for kind, part in last(found, ["kind"]).groupby("kind", sort=False):
        means = {
            name.replace("_", " "): part[name].mean()
            for name in ("train_all", "test_all", "test_unknown", "test_pasted")
        }
        counts = {
            "training images": int(part.training_images.iloc[0]),
            "steps": int(part.steps.max()),
            "seeds": len(part),
        }
        rows.append({"network": kind} | counts | means)
    whole, unknown = (float(found[name].iloc[0]) for name in CONTROL)
    rows.append(
        {"network": "control: trimap as alpha", "test all": whole, "test unknown": unknown, "test pasted": whole}
    )
    return pd.DataFrame(rows).astype({"training images": "Int64", "steps": "Int64", "seeds": "Int64"})


def ending(found: pd.DataFrame, epochs: int) -> dict[str, float]:
    """What trainings of one setting end with, means over seeds: steps, the errors by their columns' names, gap (test minus
    training error over all pixels), and last_epoch: what the last of the epochs changed in the test error over unknown ones.
    """
    means = found.groupby("steps")[list(TOLD)].mean()
    end, before = means.iloc[-1], means.loc[means.index[-1] * (epochs - 1) // epochs]
    return {
        "steps": int(means.index[-1]),
        **end.to_dict(),
        "gap": end.test_all - end.train_all,
        "last_epoch": end.test_unknown - before.test_unknown,
    }


def in_words(setting: dict[str, object]) -> str:
    """The varied names' values as a reader says them: "lr 0.01, with skips"."""
    return ", ".join(_in_words(name.replace("_", " "), value) for name, value in setting.items())


def _in_words(name: str, value: object) -> str:
    if isinstance(value, bool | np.bool_):
        return f"with {name}" if value else f"without {name}"
    return f"{name} {word(value)}"


def nearest(done: dict[str, pd.DataFrame], vary: dict[str, Sequence[str]], train: float, test: float) -> pd.DataFrame:
    """Where any training comes nearest to a pair of losses, for every region that each of the two may have been taken over.

    done: sweep -> results; vary: sweep -> its varied names. One row a pair of regions: training over, test over, the sweep,
    its setting in words, steps, the two losses there, and their distance from (train, test), Euclidean.
    """
    rows = []
    for over, tested in itertools.product(("all", "unknown"), ("all", "unknown")):
        closest = None
        for name, found in done.items():
            distance = np.hypot(found[f"train_{over}"] - train, found[f"test_{tested}"] - test)
            row = found.loc[distance.idxmin()]
            if closest is None or distance.min() < closest["distance"]:
                words = in_words({key: row[key] for key in vary[name]})
                closest = {
                    "training loss over": over,
                    "test loss over": tested,
                    "sweep": name,
                    "setting": words,
                    "steps": int(row.steps),
                    "training": row[f"train_{over}"],
                    "test": row[f"test_{tested}"],
                    "distance": distance.min(),
                }
        rows.append(closest)
    return pd.DataFrame(rows)


def main(arguments: list[str] | None = None) -> None:
    """Train the sweeps of notebooks/sweeps.toml, and write reports/sweeps/."""
    parser = argparse.ArgumentParser(prog="python -m lib sweeps", description=main.__doc__)
    parser.add_argument("names", nargs="*", help="of notebooks/sweeps.toml; all by default")
    parser.add_argument("--add", action="store_true", help="keep what reports/sweeps/ holds, train what it lacks")
    parser.add_argument("--encoder-weights", default="", help='safetensors file of VGG-16 for a "trained" encoder')
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args(arguments)
    listed = read()
    for name in given.names or listed:
        if name not in listed:
            raise UserError(f"names: expected some of {', '.join(listed)}, found {name!r}; correct it.")
        one = listed[name]
        known = published_rows(one) if given.add else None
        begun = replace(one, fixed=one.fixed | {"encoder_weights": given.encoder_weights})
        found = run(begun, runs_dir("sweeps"), Compute(given.device, threads=given.threads), known)
        said = {"sweep": dataclasses.asdict(one), "kept": 0 if known is None else len(known)}
        committed.write("sweeps", name, {name: found}, said)
        print(found.round(4).to_string(index=False), flush=True)
