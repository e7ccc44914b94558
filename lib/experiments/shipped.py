"""The networks that ship: their recipes (`python -m lib weights` trains them anew) and what they are worth.

The folders of data/weights: `trimap`, the network that is given a trimap, `hybrid`, which is handed closed-form matting's answer
as well (lib.models.hybrid), and `portrait`, the one that finds a person by itself (lib.models.portrait); then the study's related systems at sizes for two cores, `alphagan`, `background` and `video`.
All are judged on rendered people who were held out; the first two also on whatever photographs the reader has, with soft
alpha and trimaps, or with masks.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lib import inference, systems
from lib.base import ROOT, UserError, runs_dir
from lib.compute import Compute
from lib.cutout import trimaps
from lib.cutout.cutter import HEIGHT
from lib.data.folder import Folder
from lib.data.plates import retaken
from lib.data.trimap import make_trimap
from lib.evaluation import benchmark, scores
from lib.evaluation.benchmark import Method, Picture
from lib.evaluation.systems import Moving, Still, judge_clips, judge_stills
from lib.models import store
from lib.training.composed import people_held_out
from lib.training.export import MANIFEST, export, keep_scores, network_code
from lib.training.photo import (
    TEST_RADIUS,
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
from lib.training.video import clips_held_out

FOLDER = ROOT / "data" / "weights"
SMALL = (320, 240)  # height and width in px at which the networks with a plate and for video are judged
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


def pictures_of_people(people: int) -> list[Picture]:
    """So many held-out rendered people at 600x800, each once, with trimaps of TEST_RADIUS px."""
    return [
        (f"person {number + 1}", one.image / np.float32(255), make_trimap(one.alpha, TEST_RADIUS), one.alpha)
        for number, one in enumerate(people_held_out(people))
    ]


def pictures_with_masks(folder: str) -> list[Picture]:
    """All photographs of a folder (lib.data.folder) with their masks; trimaps of TEST_RADIUS px."""
    source = Folder(folder, parameter="masks_dir")
    samples = ((key, source.read(index)) for index, key in enumerate(source.keys))
    return [
        (key, sample.image / np.float32(255), make_trimap(sample.alpha, TEST_RADIUS), sample.alpha)
        for key, sample in samples
    ]


def with_trimap(model: torch.nn.Module, precision: str = "auto") -> Method:
    """The trimap network as benchmark.judge takes a method."""
    return lambda image, trimap: inference.matte(model, image, trimap, precision=precision)


def without_trimap(
    model: torch.nn.Module, height: int = HEIGHT, mirror: bool = False, precision: str = "auto"
) -> Method:
    """The portrait network as a method, which leaves the trimap alone."""

    def method(image: np.ndarray, _: np.ndarray) -> np.ndarray:
        pixels = np.round(image * 255).astype(np.uint8)
        alpha = inference.find(model, pixels, height, precision=precision)
        if not mirror:
            return alpha
        mirrored = inference.find(model, np.ascontiguousarray(pixels[:, ::-1]), height, precision=precision)
        return (alpha + mirrored[:, ::-1]) / 2

    return method


def judge_masks(pictures: Iterable[Picture], methods: Mapping[str, Method]) -> pd.DataFrame:
    """Scores of each method on each picture over all pixels: "iou", of alpha above one half with the truth above one
    half (1 where both are empty), and "mad", the mean absolute difference."""
    found = []
    for name, image, trimap, alpha in pictures:
        for method, solve in methods.items():
            solved = solve(image, trimap)
            measured = {"iou": [iou(solved, alpha)], "mad": [float(np.abs(solved - alpha / 255.0).mean())]}
            found.append(scores.frame(method, 0, [name], measured))
    return pd.concat(found, ignore_index=True)


def iou(predicted: np.ndarray, alpha: np.ndarray) -> float:
    """Intersection over union of predicted (H,W) in [0,1] above 0.5 with alpha (H,W) uint8 above 127; 1 if both are
    empty. Jaccard 1901; Everingham et al. 2010 for segmentation."""
    mine, true = predicted > 0.5, alpha > 127
    either = (mine | true).sum()
    return float((mine & true).sum() / either) if either else 1.0


def cut_out(portrait: torch.nn.Module, network: torch.nn.Module) -> Method:
    """Both networks, one behind the other, as lib.cutout uses them: a trimap from what the first guesses, then the
    second. The trimap that is given is left alone."""
    guess = without_trimap(portrait)

    def method(image: np.ndarray, _: np.ndarray) -> np.ndarray:
        trimap = trimaps.from_alpha(guess(image, _), image.shape[:2])
        return inference.matte(network, image, trimap)

    return method


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
    """What a network is worth, for its manifest: set -> method -> measure -> mean. Sets without a folder are left out."""
    model = store.load(folder / name)
    if name in WITH_TRIMAP:
        found = _measure_with_trimap(model, people, benchmark_dir)
    elif name == "background":
        samples = list(people_held_out(people, SMALL))
        again = [replace(each, image=image, background=plate) for each in samples for image, plate in [retaken(each)]]
        sets = {"plate": samples, "plate again": again}
        found = {each: _means(judge_stills(some, {"network": with_plate(model)})) for each, some in sets.items()}
    elif name == "video":
        methods = {"network": over_a_clip(model), "without memory": over_a_clip(model, remember=False)}
        found = {"clips": _means(judge_clips(_clips(6), methods))}
    else:
        sets = {"held-out": pictures_of_people(people)}
        sets |= {"photographs": pictures_with_masks(masks_dir)} if masks_dir else {}
        methods = {"network": without_trimap(model)}
        found = {each: _means(judge_masks(pictures, methods)) for each, pictures in sets.items()}
    return found | {"three_held_out": score_three(name, model)}


def score_three(name: str, model: torch.nn.Module, precision: str = "auto") -> dict[str, float]:
    """Mean scores on the first three held-out people, or clips: what a test of the weights can repeat in seconds."""
    if name in WITH_TRIMAP:
        found = benchmark.judge(pictures_of_people(3), {"network": with_trimap(model, precision)})
    elif name == "background":
        found = judge_stills(list(people_held_out(3, SMALL)), {"network": with_plate(model, precision)})
    elif name == "video":
        found = judge_clips(_clips(3), {"network": over_a_clip(model, precision=precision)})
    else:
        found = judge_masks(pictures_of_people(3), {"network": without_trimap(model, precision=precision)})
    return _means(found)["network"]


def _measure_with_trimap(model: torch.nn.Module, people: int, benchmark_dir: str) -> dict:
    from lib.baselines import SOLVERS

    methods = {
        "network": with_trimap(model),
        "closed-form": SOLVERS["closed-form"],
        "trimap": benchmark.controls_and_clusters(0)[benchmark.CONTROL],
    }
    sets = {"held-out": pictures_of_people(people)}
    if benchmark_dir:
        sets["alphamatting15"] = benchmark.folder_pictures(benchmark_dir, "tolerant")
    return {each: _means(benchmark.judge(pictures, methods)) for each, pictures in sets.items()}


def with_plate(model: torch.nn.Module, precision: str = "auto") -> Still:
    """Background Matting V2 as judge_stills takes a method: a sample's background is its plate."""
    return lambda sample, _: systems.matte_before_plate(model, sample.image, sample.background, precision=precision)


def over_a_clip(model: torch.nn.Module, remember: bool = True, precision: str = "auto") -> Moving:
    """Robust Video Matting as judge_clips takes a method."""

    def method(frames):
        images = np.stack([frame.image for frame in frames])
        return systems.matte_clip(model, images, remember=remember, precision=precision)

    return method


def _clips(count: int) -> dict:
    return {str(number): frames for number, frames in enumerate(clips_held_out(count, SMALL))}


def _means(found: pd.DataFrame) -> dict[str, dict[str, float]]:
    table = found[found.measure != "seconds"].dropna().groupby(["method", "measure"]).value.mean()
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
