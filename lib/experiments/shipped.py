"""The networks that ship: their recipes (`python -m lib weights` trains them anew) and what they are worth.

The folders of data/weights: `trimap`, the network that is given a trimap, `hybrid`, which is handed closed-form matting's answer
as well (lib.models.hybrid), and `portrait`, the one that finds a person by itself (lib.models.portrait); then the study's related systems at sizes for two cores, `alphagan`, `background` and `video`.
All are judged on rendered people who were held out; the first two also on whatever photographs the reader has, with soft
alpha and trimaps, or with masks.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from lib import methods
from lib.base import ROOT, UserError, runs_dir
from lib.baselines import SOLVERS
from lib.compute import Compute
from lib.inference import Prediction
from lib.methods import LARGE
from lib.models import store
from lib.scores import TRIMAP_CONTROL
from lib.training.export import MANIFEST, export, keep_scores, network_code
from lib.training.photo import (
    AlphaGANConfig,
    AlphaGANTask,
    BackgroundConfig,
    BackgroundTask,
    HybridConfig,
    HybridTask,
    PortraitConfig,
    PortraitTask,
    VideoConfig,
    VideoTask,
)
from lib.training.trainer import train

FOLDER = ROOT / "data" / "weights"
RECIPES = {
    "trimap": PortraitConfig(trimap=True, epochs=20, images=2000, side=256, late_side=256),
    # Begun as the network above; its further channel has nothing to say at first.
    "hybrid": HybridConfig(trimap=True, epochs=9, images=2000, lr=4e-4, encoder_lr=1e-4, start=str(FOLDER / "trimap")),
    "portrait": PortraitConfig(trimap=False, epochs=10, images=1000, side=256, late_side=320, ema=0.99),
    # The first two begin with the encoder that the portrait network has already taught to see people. All three shipped after
    # trainings that went on one from the other; these are as long as all of them together.
    "background": BackgroundConfig(epochs=26, images=1000, side=256, late_side=320, encoder=str(FOLDER / "portrait")),
    "video": VideoConfig(epochs=15, images=240, side=192, late_side=256, encoder=str(FOLDER / "portrait")),
    "alphagan": AlphaGANConfig(epochs=11, images=800, side=160, late_side=192),
}
TASKS = {
    "trimap": PortraitTask,
    "hybrid": HybridTask,
    "portrait": PortraitTask,
    "background": BackgroundTask,
    "video": VideoTask,
    "alphagan": AlphaGANTask,
}
WITH_TRIMAP = ("trimap", "hybrid", "alphagan")
GIVEN = {
    "trimap": "image and trimap",
    "hybrid": "image and trimap, closed-form matting's alpha",
    "portrait": "image",
    "background": "image and plate",
    "video": "frames of a clip",
    "alphagan": "image and trimap",
}


def cards(folder: Path = FOLDER) -> pd.DataFrame:
    """One row a shipped network: what it is given, parameters, MB, what it was trained on, whether its code is the same."""
    rows = []
    for file in sorted(folder.glob(f"*/{MANIFEST}")):
        name, said = file.parent.name, json.loads(file.read_text())
        config = json.loads((file.parent / "config.json").read_text())
        same = said["network_code"] == network_code(config)
        rows.append(
            {
                "network": name,
                "it is given": GIVEN[name],
                "parameters": sum(weight.numel() for weight in store.load(file.parent, "cpu").parameters()),
                "MB": round(said["bytes"] / 1e6, 1),
                "trained on": _seen(config),
                "code": "as measured" if same else "changed since: python -m lib weights --measure",
                "SHA-256": said["sha256"][:12],
            }
        )
    return pd.DataFrame(rows)


def _seen(config: dict) -> str:
    """What a network was trained on, in words."""
    what = {"video": f"clips of {config.get('frames')} frames"}.get(config["system"], "composites")
    late = f", then {config['late_side']} px" if config["late_side"] != config["side"] else ""
    earlier = ", going on from an earlier training" if config.get("start_sha256") else ""
    count = config["epochs"] * config["images"]
    if "stopped_after" in config:  # steps: shipped as it stood then
        count, earlier = config["stopped_after"] * config["batch_size"], f"{earlier}, stopped before its end"
    return f"{count} {what} of {config['side']} px{late}{earlier}"


def measure(name: str, folder: Path = FOLDER, people: int = 30, benchmark_dir: str = "", masks_dir: str = "") -> dict:
    """A network's scores for its manifest: set -> method -> measure -> mean. Sets without a folder are left out."""
    network = store.load(folder / name)
    rivals = {"network": method_of(name, network)}
    if name in WITH_TRIMAP:
        rivals |= {"closed-form": methods.trimap_method(SOLVERS["closed-form"])}
        rivals |= {"trimap": methods.trimap_baselines(0)[TRIMAP_CONTROL]}
    elif name == "video":
        rivals |= {"without memory": methods.clip_method(network, recurrent=False)}
    sets, measures = tests(name, people if name != "video" else 6, benchmark_dir, masks_dir)
    scores = {label: mean_scores(methods.evaluate(samples, rivals, measures)) for label, samples in sets.items()}
    return scores | {"three_held_out": score_three(name, network)}


def score_three(name: str, network: torch.nn.Module, precision: str = "auto") -> dict[str, float]:
    """Mean scores on the first three held-out people, or clips: a test of the weights repeats them in seconds."""
    sets, measures = tests(name, 3)
    samples = next(iter(sets.values()))
    return mean_scores(methods.evaluate(samples, {"network": method_of(name, network, precision)}, measures))["network"]


def method_of(name: str, network: torch.nn.Module, precision: str = "auto") -> Callable[..., Prediction]:
    """The method that a network is tested as: Robust Video Matting on whole clips, the others on pictures."""
    if name == "video":
        return methods.clip_method(network, precision=precision)
    return methods.network_method(name, network, precision)


def tests(name: str, count: int, benchmark_dir: str = "", masks_dir: str = "") -> tuple[dict[str, dict], Callable]:
    """What a network is tested on, set -> samples or clips, of so many people or clips; and its measures."""
    if name in WITH_TRIMAP:
        folder = {"alphamatting15": methods.folder_pictures(benchmark_dir)} if benchmark_dir else {}
        return {"held-out": methods.people(count, LARGE), **folder}, methods.trimap_measures
    if name == "background":
        people = methods.people(count)
        again = {person: methods.handheld(sample) for person, sample in people.items()}
        return {"plate": people, "plate again": again}, methods.picture_measures
    if name == "video":
        return {"clips": methods.clips(count)}, methods.clip_measures
    folder = {"photographs": methods.folder_pictures(masks_dir, parameter="masks_dir")} if masks_dir else {}
    return {"held-out": methods.people(count, LARGE), **folder}, methods.mask_measures


def mean_scores(scored: pd.DataFrame) -> dict[str, dict[str, float]]:
    """method -> measure -> mean, without the seconds, rounded to five digits."""
    table = scored[scored.measure != "seconds"].dropna().groupby(["method", "measure"]).value.mean()
    return {name: {k: round(v, 5) for k, v in rows.droplevel(0).items()} for name, rows in table.groupby(level=0)}


def main(arguments: list[str] | None = None) -> None:
    """Train the networks that ship, and put them into data/weights with what they are worth."""
    parser = argparse.ArgumentParser(prog="python -m lib weights", description=main.__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(RECIPES)}; all by default")
    parser.add_argument("--textures", default="", help="folder of photographs without people")
    parser.add_argument("--benchmark-dir", default="", help="pictures with soft alpha to measure on")
    parser.add_argument("--masks-dir", default="", help="photographs with masks to measure on")
    parser.add_argument("--go-on", type=int, default=0, metavar="EPOCHS", help="train so many more from what ships")
    parser.add_argument("--measure", action="store_true", help="train nothing: measure what lies in data/weights again")
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args(arguments)
    from lib.models.onnx import GRAPHS, export_onnx  # needs onnx, which measuring doesn't

    for name in given.names or RECIPES:
        if name not in RECIPES:
            raise UserError(f"names: expected some of {', '.join(RECIPES)}, found {name!r}; correct it.")
        run, shipped = runs_dir("weights") / name, FOLDER / name
        if not given.measure:
            recipe = replace(RECIPES[name], textures=given.textures)
            if given.go_on:
                recipe = replace(recipe, epochs=given.go_on, start=str(shipped))
            train(TASKS[name], recipe, run, Compute(threads=given.threads))
            export(run, shipped)
        if type(store.load(shipped, "cpu")) in GRAPHS:
            export_onnx(shipped)
        keep_scores(shipped, measure(name, FOLDER, 30, given.benchmark_dir, given.masks_dir))


# SHIM, for ablation and arms
SMALL = methods.SMALL


def with_trimap(model, precision="auto"):
    from lib.evaluation.benchmark import as_old

    return as_old(methods.network_method("trimap", model, precision))


def pictures_of_people(people):
    from lib.evaluation.benchmark import as_picture

    return [as_picture(*item) for item in methods.people(people, LARGE).items()]
