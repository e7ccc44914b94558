"""Runs notebooks/experiments.toml: `python -m lib sweep [NAME ...]`.

A sweep has `vary`, lists of values of one or two names: the study's network is trained with every combination and seed, and
tested on its own images. An ablation has `arms` and trains another `task` (of TASKS), each arm for `minutes` or `steps`, judged
on `test_people` held-out people. Other settings are fields of the task's configuration; a sweep also has those of DATA
(resize: the filter that shrinks pictures from four times the side). Trainings lie in runs/ and are not repeated.
"""

import difflib
import functools
import hashlib
import itertools
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import ValidationError

from lib import baselines, methods, provenance, scores
from lib.base import ROOT, UserError, reports_dir, runs_dir, write_atomically
from lib.compute import Compute
from lib.data.cache import ImageSet, downsample, prepare
from lib.data.portraits import Portraits
from lib.data.splits import make_split
from lib.experiments.rehearse import seconds_per_step
from lib.metrics import errors_by_region
from lib.models.checkpoint import load_network
from lib.training import photo
from lib.training.config import TrainConfig
from lib.training.thumbnail import ThumbnailConfig, ThumbnailTask
from lib.training.trainer import train

FILE = ROOT / "notebooks" / "experiments.toml"
TASKS = {
    "thumbnail": (ThumbnailTask, ThumbnailConfig),
    "portrait": (photo.PortraitTask, photo.PortraitConfig),
    "hybrid": (photo.HybridTask, photo.HybridConfig),
    "alphagan": (photo.AlphaGANTask, photo.AlphaGANConfig),
    "background": (photo.BackgroundTask, photo.BackgroundConfig),
}
DATA = {"images": 4000, "size": 28, "split": "group", "trimap_rule": "tolerant", "resize": ""}
ENCODERS = ("random", "trained")  # trained: by encoder_weights, or torchvision's
PRESETS = {  # values that stand for several settings
    "plain sgd": {"optimizer": "sgd", "momentum": 0.0},
    "adamw, decay 0.01": {
        "optimizer": "adamw",
        "weight_decay": 0.01,
    },  # PyTorch's default decay; without it, it is Adam
}
PATHS = ("encoder_weights", "textures", "start")
ERRORS = ["train_all", "train_unknown", "test_all", "test_unknown", "test_pasted"]


@dataclass(frozen=True)
class Sweep:
    """fixed: settings of all trainings. vary: name -> values. arms: label -> settings. seeds: trainings of each setting."""

    name: str
    family: str
    title: str
    question: str
    vary: dict[str, list]
    fixed: dict[str, object]
    seeds: int = 1
    arms: dict[str, dict] = field(default_factory=dict)

    def settings(self) -> list[dict[str, object]]:
        """What each kind of training sets besides `fixed`."""
        if self.arms:
            return list(self.arms.values())
        return [dict(zip(self.vary, values, strict=True)) for values in itertools.product(*self.vary.values())]

    def task(self, setting: dict) -> str:
        return (self.fixed | setting).get("task", "thumbnail")

    def config(self, setting: dict, seed: int = 0, **length) -> TrainConfig:
        """How one training learns. UserError, with the sweep's name, for an unknown name or a value out of range."""
        values, kind = self.fixed | setting | length, TASKS[self.task(setting)][1]
        names = {item.name for item in fields(kind)}
        others = {*DATA, "encoder"} if kind is ThumbnailConfig else {"task", "minutes", "test_people"}
        for key in set(values) - names - others:
            close = difflib.get_close_matches(key, [*names, *others], 1)
            advice = f"; did you mean {close[0]}?" if close else "; leave it out."
            raise UserError(f"sweep {self.name}: expected names of the recipe or of the data, found {key}{advice}")
        values |= PRESETS.get(values.get("optimizer"), {})
        if kind is ThumbnailConfig:
            if (encoder := values.get("encoder", "random")) not in ENCODERS:
                raise UserError(f"sweep {self.name}: encoder: expected random or trained, found {encoder!r}.")
            values["encoder_weights"] = (values.get("encoder_weights") or "imagenet") if encoder == "trained" else ""
        else:
            values |= {"late_side": values["side"], "tests": 0} if "side" in values else {"tests": 0}
        if values.get("start"):
            values["start"] = str(ROOT / values["start"])
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
        try:
            return kind(
                **{key: value for key, value in values.items() if key in names} | {"seed": values.get("seed", 0) + seed}
            )
        except ValidationError as error:
            problem = error.errors()[0]
            name, sentence = problem["loc"][0], problem["msg"].replace("Input should be", "expected a value")
            raise UserError(
                f"sweep {self.name}: {name}: {sentence}, found {problem['input']!r}; correct it."
            ) from error


def read(path: Path = FILE) -> dict[str, Sweep]:
    """Sweeps and ablations by name. UserError that names the sweep and what is wrong with it."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path.name}: expected a TOML file of sweeps, found {error}; correct it.") from error
    shared = tables.pop("shared", {})
    return {name: _read_one(name, table, {} if "arms" in table else shared) for name, table in tables.items()}


def _read_one(name: str, table: dict, shared: dict) -> Sweep:
    values = {"seeds": 1} | shared | table
    needed = ("title", "question", "task", "arms") if "arms" in table else ("family", "title", "question", "vary")
    if missing := [key for key in needed if not values.get(key)]:
        raise UserError(f"sweep {name}: expected {', '.join(missing)}, found none; add it.")
    vary, arms = values.pop("vary", {}), values.pop("arms", {})
    lists = isinstance(vary, dict) and all(isinstance(value, list) and value for value in vary.values())
    if not arms and not (lists and len(vary) <= 2):
        raise UserError(f"sweep {name}: expected vary to name one or two lists of values, found {vary!r}; correct it.")
    family, title, question, seeds = (values.pop(key, "") for key in ("family", "title", "question", "seeds"))
    if arms and not values.get("minutes") and not values.get("steps"):
        raise UserError(f"sweep {name}: expected minutes or steps, found none; add it.")
    fixed = {key: value for key, value in values.items() if key not in vary}
    sweep = Sweep(name, family, title, question, vary, fixed, seeds, arms)
    for setting in sweep.settings():
        if sweep.task(setting) not in TASKS:
            raise UserError(f"sweep {name}: task: expected one of {', '.join(TASKS)}, found {sweep.task(setting)!r}.")
        sweep.config(setting)  # a value out of range ends it before anything is trained
    return sweep


# --- Sweeps


def run(sweep: Sweep, folder: Path, compute: Compute = Compute(), known: pd.DataFrame | None = None) -> pd.DataFrame:
    """Train a sweep, or read finished trainings: one row a training and test.

    Columns: the varied names, seed, training_images, test_images, steps, ERRORS, and the errors of the trimap as alpha:
    control_all, control_unknown. known: rows of earlier trainings, which are not repeated.
    """
    rows = []
    for setting, seed in itertools.product(sweep.settings(), range(sweep.seeds)):
        if known is not None:
            same = (known[list(setting)] == pd.Series(setting)).all(axis=1) & (known.seed == seed)
            if same.any():
                rows.append(known[same])
                continue
        data = {name: (sweep.fixed | setting).get(name, default) for name, default in DATA.items()}
        images = _images(data["images"], data["size"], data["trimap_rule"], data["resize"])
        split, config = make_split(data["split"], images.groups, 0), sweep.config(setting, seed)
        history = train(ThumbnailTask, config, folder / _key([data, asdict(config)]), compute, images, split)
        alpha, trimap = (np.asarray(layer[split[1]]) for layer in (images.alpha, images.trimap))
        control = errors_by_region(baselines.trimap_as_alpha(trimap), alpha, trimap).mean()
        columns = setting | {"seed": seed, "training_images": len(split[0]), "test_images": len(split[1])}
        columns |= {f"control_{region}": float(control[region]) for region in ("all", "unknown")}
        rows.append(history[["step", *ERRORS]].rename(columns={"step": "steps"}).assign(**columns))
    order = [*sweep.vary, "seed", "training_images", "test_images", "steps", *ERRORS, "control_all", "control_unknown"]
    return pd.concat(rows, ignore_index=True)[order]


@functools.lru_cache(maxsize=1)
def _images(count: int, size: int, rule: str, resize: str) -> ImageSet:
    if not resize:
        return prepare(Portraits(count), size, rule)
    return downsample(prepare(Portraits(count), 4 * size, rule), size, resize)


def _key(content) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


# --- Ablations


def run_arms(sweep: Sweep, folder: Path, compute: Compute = Compute()) -> dict[str, pd.DataFrame]:
    """Train the arms of an ablation, or read finished trainings: tables of reports/experiments/ablation/ by name."""
    steps, configs = {}, {}
    for number, (arm, setting) in enumerate(sweep.arms.items()):  # all lengths at once: keep the machine quiet so long
        steps[arm] = sweep.fixed.get("steps") or _steps_for(sweep, setting, folder / f"arm{number}", compute)
    networks = {}
    for number, (arm, setting) in enumerate(sweep.arms.items()):
        configs[arm] = sweep.config(setting, steps=steps[arm], test_at=[steps[arm]])
        run_dir = folder / f"arm{number}" / "train"
        train(TASKS[sweep.task(setting)][0], configs[arm], run_dir, compute)
        networks[arm] = load_network(run_dir, compute.device)
    judged = _judge(sweep, networks)
    sizes = {arm: {"steps": steps[arm], "pictures": steps[arm] * configs[arm].batch_size} for arm in sweep.arms}
    if not sweep.fixed.get("minutes"):
        return {sweep.name: compare_with_first(judged, sizes)}
    for arm, network in networks.items():
        sizes[arm]["parameters"] = sum(weight.numel() for weight in network.parameters())
    sizes["closed-form"] = dict.fromkeys(("steps", "pictures", "parameters"))
    table = [{"method": method, **sizes[method], **errors} for method, errors in _by_method(judged).items()]
    arms = list(sweep.arms)
    differences = scores.compare(judged, list(zip(arms[1:], arms, strict=False)), 0).drop(columns="sample")
    return {sweep.name: pd.DataFrame(table), "differences": differences}


def _steps_for(sweep: Sweep, setting: dict, folder: Path, compute: Compute) -> int:
    """Steps that take `minutes`; measured once, then read from the folder, so that a killed training can resume."""
    file, minutes = folder / "steps.json", sweep.fixed["minutes"]
    if not file.is_file() or json.loads(file.read_text())["minutes"] != minutes:
        # Composing is uneven: more steps than a rehearsal's.
        seconds = seconds_per_step(TASKS[sweep.task(setting)][0], sweep.config(setting), compute, warm_up=4, steps=28)
        content = {"steps": max(1, round(60 * minutes / seconds)), "minutes": minutes}
        write_atomically(file, json.dumps(content).encode())
    return json.loads(file.read_text())["steps"]


def _judge(sweep: Sweep, networks: dict) -> pd.DataFrame:
    """Scores on held-out people: at 600x800 with a trimap, or with plates (mean absolute error by kind of plate)."""
    count = sweep.fixed.get("test_people", 30)
    if sweep.fixed["task"] == "background":
        side = sweep.fixed["side"]
        exact = methods.people(count, (side, side * 3 // 4))
        again = {name: methods.handheld(sample) for name, sample in exact.items()}
        by_plate = {arm: methods.network_method("background", network) for arm, network in networks.items()}
        parts = []
        for plate, samples in (("exact", exact), ("again", again)):
            judged = methods.evaluate(samples, by_plate, methods.picture_measures)
            parts.append(judged[judged.measure == "mad"].assign(measure=plate))
        return pd.concat(parts, ignore_index=True)
    rivals = {arm: methods.network_method("trimap", network) for arm, network in networks.items()}
    if sweep.fixed.get("minutes"):
        rivals = {"closed-form": methods.trimap_method(baselines.SOLVERS["closed-form"]), **rivals}
    judged = methods.evaluate(methods.people(count, methods.LARGE), rivals, methods.trimap_measures)
    return judged[judged.measure != "seconds"]


def _by_method(judged: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Method -> its measures with their 95 % intervals over people."""
    rows: dict[str, dict[str, float]] = {}
    for row in scores.summarise(judged, 0).to_dict("records"):
        rows.setdefault(row["method"], {}).update(_with_interval(row["measure"], row))
    return rows


def _with_interval(name: str, row: dict) -> dict[str, float]:
    return {name: row["value"], f"{name} low": row["low"], f"{name} high": row["high"]}


def compare_with_first(judged: pd.DataFrame, sizes: dict[str, dict]) -> pd.DataFrame:
    """One row an arm: its sizes, each measure with its interval, and its paired difference from the first arm."""
    first, *others = sizes
    rows = {arm: {"arm": arm, **sizes[arm], **errors} for arm, errors in _by_method(judged).items()}
    for row in scores.compare(judged, [(arm, first) for arm in others], 0).to_dict("records"):
        rows[row["a"]] |= _with_interval(f"{row['measure']} minus {first}", row)
    return pd.DataFrame(rows.values())


# --- Results


def results(name: str) -> pd.DataFrame | None:
    """What reports/experiments/sweeps/ has of a sweep, or None."""
    file = reports_dir("experiments/sweeps") / f"{name}.csv"
    return pd.read_csv(file, float_precision="round_trip") if file.is_file() else None


def last(table: pd.DataFrame, vary: Iterable[str]) -> pd.DataFrame:
    """The last test of every training: a row each."""
    return table.loc[table.groupby([*vary, "seed"], sort=False).steps.idxmax()].reset_index(drop=True)


def summary(table: pd.DataFrame, vary: Sequence[str]) -> pd.DataFrame:
    """One row a setting after its last step: steps, seeds, and of test_all and test_unknown mean, least and largest."""
    groups = last(table, vary).groupby(list(vary), sort=False)
    columns = {"steps": groups.steps.first(), "seeds": groups.size()}
    for name in ("test_all", "test_unknown"):
        columns |= {
            name: groups[name].mean(),
            f"{name} least": groups[name].min(),
            f"{name} largest": groups[name].max(),
        }
    return pd.DataFrame(columns).reset_index()


def word(value: object) -> str:
    """A setting's value in a table or a figure: "0.0001", "64", "yes", "plain sgd"."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, int | float | np.number) else str(value)


def kept_rows(sweep: Sweep) -> pd.DataFrame | None:
    """What reports/experiments/sweeps/ has of a sweep whose other settings are the same, or None."""
    file, table = reports_dir("experiments/sweeps") / f"{sweep.name}.json", results(sweep.name)
    if table is None or not file.is_file():
        return None
    before = json.loads(file.read_text())["sweep"]
    old, new = ({k: v for k, v in fixed.items() if k not in PATHS} for fixed in (before["fixed"], sweep.fixed))
    same = old == json.loads(json.dumps(new)) and set(before["vary"]) == set(sweep.vary)
    return table if same else None


def save(folder: Path, record: str, tables: dict[str, pd.DataFrame], content: dict) -> None:
    """Write tables as <name>.csv; content, machine, packages and commit as <record>.json."""
    for name, table in tables.items():
        text = table.to_csv(index=False, lineterminator="\n")
        write_atomically(folder / f"{name}.csv", text.encode())
    text = json.dumps(content | provenance.environment(), indent=1)
    write_atomically(folder / f"{record}.json", (text + "\n").encode())


def run_all(
    names: Sequence[str], add: bool = False, settings: dict | None = None, compute: Compute = Compute()
) -> None:
    """Run the named experiments, or all, and write their results to reports/experiments/sweeps/ and reports/experiments/ablation/.

    add: keep what reports/ has, train the rest. settings: replace those of the file.
    """
    sweeps = read()
    if unknown := set(names) - set(sweeps):
        raise UserError(f"names: expected some of {', '.join(sweeps)}, found {min(unknown)!r}; correct it.")
    for name in names or sweeps:
        sweep = replace(sweeps[name], fixed=sweeps[name].fixed | (settings or {}))
        for setting in sweep.settings():
            sweep.config(setting)
        # Folders of this machine do not go into the record.
        record = asdict(sweep) | {"fixed": {k: Path(v).name if k in PATHS else v for k, v in sweep.fixed.items()}}
        if sweep.arms:
            if add and (reports_dir("experiments/ablation") / f"{name}.csv").is_file():
                continue
            tables = run_arms(sweep, runs_dir("ablation") / name, compute)
            save(
                reports_dir("experiments/ablation"),
                name,
                tables,
                {"parameters": record["fixed"] | {"people": sweep.fixed.get("test_people", 30)}},
            )
        else:
            known = kept_rows(sweep) if add else None
            tables = {name: run(sweep, runs_dir("sweeps"), compute, known)}
            save(
                reports_dir("experiments/sweeps"),
                name,
                tables,
                {"sweep": record, "kept": 0 if known is None else len(known)},
            )
        print(tables[name].round(4).to_string(index=False), flush=True)
