"""The networks of data/weights: how they are trained, their scores, and their cards; run by `python -m lib weights`.

All are tested on held-out rendered people; those for single pictures also on the reader's photographs.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
import pandas as pd
import yaml
from torch import nn

from lib import methods
from lib.base import UserError, runs_dir, write_atomically
from lib.baselines import SOLVERS
from lib.compute import Compute
from lib.inference import Prediction
from lib.methods import LARGE, WEIGHTS
from lib.models.checkpoint import MANIFEST, export, load_network, network_code, write_scores
from lib.scores import MEASURE_LABELS, TRIMAP_CONTROL
from lib.training import photo
from lib.training.trainer import train


def _large_people(count: int) -> dict:
    return methods.people(count, LARGE)


def _handheld_people(count: int) -> dict:
    return {name: methods.handheld(sample) for name, sample in methods.people(count).items()}


@dataclass(frozen=True)
class Network:
    """inputs: in words. tests: set -> held-out samples, or clips, of a count. photographs: the name of a reader's set."""

    inputs: str
    task: type[photo.PhotoTask]
    config: photo.PhotoConfig
    tests: dict[str, Callable[[int], dict]]
    measures: Callable
    photographs: str = ""
    count: int = 30


_trimap_tests = {
    "tests": {"held-out": _large_people},
    "measures": methods.trimap_measures,
    "photographs": "alphamatting15",
}
_trimap = photo.PortraitConfig(trimap=True, epochs=20, images=2000, side=256, late_side=256)
_hybrid = photo.HybridConfig(
    trimap=True, epochs=9, images=2000, lr=4e-4, encoder_lr=1e-4, start=str(WEIGHTS / "trimap")
)
_portrait = photo.PortraitConfig(trimap=False, epochs=10, images=1000, side=256, late_side=320, ema=0.99)
# Both start with the portrait network's encoder. The included ones continued several times; these are as long in all.
_background = photo.BackgroundConfig(epochs=26, images=1000, side=256, late_side=320, encoder=str(WEIGHTS / "portrait"))
_video = photo.VideoConfig(epochs=15, images=240, side=192, late_side=256, encoder=str(WEIGHTS / "portrait"))
_alphagan = photo.AlphaGANConfig(epochs=11, images=800, side=160, late_side=192)
NETWORKS = {
    "trimap": Network("image and trimap", photo.PortraitTask, _trimap, **_trimap_tests),
    "hybrid": Network(
        "image and trimap, closed-form matting's alpha", photo.HybridTask, _hybrid, **_trimap_tests
    ),
    "portrait": Network(
        "image", photo.PortraitTask, _portrait, {"held-out": _large_people}, methods.mask_measures, "photographs"
    ),
    "background": Network(
        "image and plate", photo.BackgroundTask, _background,
        {"plate": methods.people, "plate again": _handheld_people}, methods.picture_measures,
    ),
    "video": Network(
        "frames of a clip", photo.VideoTask, _video, {"clips": methods.clips}, methods.clip_measures, count=6
    ),
    "alphagan": Network("image and trimap", photo.AlphaGANTask, _alphagan, **_trimap_tests),
}  # fmt: skip
SETS = {  # of the cards
    "held-out": "30 held-out rendered people at 600x800",
    "alphamatting15": "alphamatting.com's 15 training pictures, first trimaps",
    "plate": "30 held-out rendered people at 240x320, plate exact to the pixel",
    "plate again": "the same, plate moved by 2 px, a tenth brighter, the person's shadow in the picture",
    "clips": "6 held-out clips of 12 frames at 240x320",
    "photographs": "200 photographs with masks (EG1800's test portraits), 600x800",
}
MEASURES = {key: MEASURE_LABELS.get(key) for key in ("sad", "mse", "grad", "conn")} | {
    "mad": "mean absolute error",
    "iou": "IoU",
    "dtssd": "dtSSD (× 100)",
    "foreground": "MSE of the foreground's colours",
    "whole_mse": "MSE, whole frame",
}
SHORT = {"mse": "MSE", "grad": "Grad", "iou": "IoU", "mad": "mean absolute error", "dtssd": "dtSSD"}


# --- Scores


def method_of(name: str, network: nn.Module, precision: str = "auto") -> Callable[..., Prediction]:
    """The method that a network is tested as: Robust Video Matting on whole clips, the others on pictures."""
    if name == "video":
        return methods.clip_method(network, precision=precision)
    return methods.network_method(name, network, precision)


def measure(name: str, folder: Path = WEIGHTS, benchmark_dir: str = "", masks_dir: str = "") -> dict:
    """A network's scores for its manifest: set -> method -> measure -> mean. Sets without a folder are left out."""
    network, spec = load_network(folder / name), NETWORKS[name]
    rivals = {"network": method_of(name, network)}
    sets = {label: samples(spec.count) for label, samples in spec.tests.items()}
    if spec.measures is methods.trimap_measures:
        rivals |= {"closed-form": methods.trimap_method(SOLVERS["closed-form"])}
        rivals |= {"trimap": methods.trimap_baselines(0)[TRIMAP_CONTROL]}
        sets |= {spec.photographs: methods.folder_pictures(benchmark_dir)} if benchmark_dir else {}
    elif spec.photographs and masks_dir:
        sets |= {spec.photographs: methods.folder_pictures(masks_dir, parameter="masks_dir")}
    elif name == "video":
        rivals |= {"without memory": methods.clip_method(network, recurrent=False)}
    means = {label: _means(methods.evaluate(samples, rivals, spec.measures)) for label, samples in sets.items()}
    return means | {"three_held_out": score_three(name, network)}


def score_three(name: str, network: nn.Module, precision: str = "auto") -> dict[str, float]:
    """Mean scores on the first three held-out people, or clips: a test of the weights repeats them in seconds."""
    samples, *_ = NETWORKS[name].tests.values()
    method = {"network": method_of(name, network, precision)}
    return _means(methods.evaluate(samples(3), method, NETWORKS[name].measures))["network"]


def _means(scored: pd.DataFrame) -> dict[str, dict[str, float]]:
    """method -> measure -> mean, without the seconds, rounded to five digits."""
    table = scored[scored.measure != "seconds"].dropna().groupby(["method", "measure"]).value.mean()
    return {name: {k: round(v, 5) for k, v in rows.droplevel(0).items()} for name, rows in table.groupby(level=0)}


def ship(
    names: Sequence[str] = (), textures: str = "", go_on: int = 0, benchmark_dir: str = "", masks_dir: str = "",
    only_measure: bool = False, compute: Compute = Compute(),
) -> None:  # fmt: skip
    """Train the named networks, or all, into data/weights, measure them, and write the cards.

    go_on: epochs to continue the included network for. only_measure: train nothing.
    """
    from lib.models.onnx import GRAPHS, export_onnx  # needs onnx, which is not installed everywhere

    if unknown := set(names) - set(NETWORKS):
        raise UserError(f"names: expected some of {', '.join(NETWORKS)}, found {min(unknown)!r}; correct it.")
    for name in names or NETWORKS:
        run_dir, folder = runs_dir("weights") / name, WEIGHTS / name
        if not only_measure:
            config = replace(NETWORKS[name].config, textures=textures)
            if go_on:
                config = replace(config, epochs=go_on, start=str(folder))
            train(NETWORKS[name].task, config, run_dir, compute)
            export(run_dir, folder)
        if type(load_network(folder, "cpu")) in GRAPHS:
            export_onnx(folder)
        write_scores(folder, measure(name, WEIGHTS, benchmark_dir, masks_dir))
    for file, text in cards():
        write_atomically(file, text.encode())


# --- Cards


def network_table(folder: Path = WEIGHTS) -> pd.DataFrame:
    """One row a network: its inputs, parameters, MB, training data, and whether its code is as it was measured."""
    rows = []
    for file in sorted(folder.glob(f"*/{MANIFEST}")):
        manifest, config = (json.loads((file.parent / name).read_text()) for name in (MANIFEST, "config.json"))
        same = manifest["network_code"] == network_code(config)
        rows.append(
            {
                "network": file.parent.name,
                "it is given": NETWORKS[file.parent.name].inputs,
                "parameters": sum(weight.numel() for weight in load_network(file.parent, "cpu").parameters()),
                "MB": round(manifest["bytes"] / 1e6, 1),
                "trained on": _training_data(config),
                "code": "as measured" if same else "changed since: python -m lib weights --measure",
                "SHA-256": manifest["sha256"][:12],
            }
        )
    return pd.DataFrame(rows)


def _training_data(config: dict) -> str:
    """A network's training pictures in words."""
    kind = {"video": f"clips of {config.get('frames')} frames"}.get(config["system"], "composites")
    late = f", then {config['late_side']} px" if config["late_side"] != config["side"] else ""
    earlier = ", going on from an earlier training" if config.get("start_sha256") else ""
    count = config["epochs"] * config["images"]
    if "stopped_after" in config:  # steps: shipped as it was then
        count, earlier = config["stopped_after"] * config["batch_size"], f"{earlier}, stopped before its end"
    return f"{count} {kind} of {config['side']} px{late}{earlier}"


def cards(folder: Path = WEIGHTS) -> Iterator[tuple[Path, str]]:
    """(file, text) of each network's model card, and of the card of all.

    The header of a model card is for Hugging Face (https://huggingface.co/docs/hub/model-cards); questions: Mitchell et al. 2019.
    """
    options = {"undefined": jinja2.StrictUndefined, "keep_trailing_newline": True}
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(WEIGHTS), **options)
    networks = []
    for row in network_table(folder).to_dict("records"):
        name = row["network"]
        manifest, config = (json.loads((folder / name / file).read_text()) for file in (MANIFEST, "config.json"))
        sets = {label: methods for label, methods in manifest["scores"].items() if label in SETS}
        text = templates.get_template("card.md.jinja").render(
            name=name, row=row, config=config, manifest={"onnx_sha256": "", **manifest},
            header=_header(name, sets, "onnx_sha256" in manifest), table=_score_table(sets),
        )  # fmt: skip
        networks.append((row, sets))
        yield folder / name / "README.md", text
    text = templates.get_template("README.md.jinja").render(networks=networks, sets=SETS, measures=SHORT)
    yield folder / "README.md", text


def _header(name: str, sets: dict, onnx: bool) -> str:
    """The card's metadata as YAML."""
    results = []
    for label, methods_ in sets.items():
        metrics = [{"type": key, "value": value, "name": MEASURES[key]} for key, value in methods_["network"].items()]
        task = {"type": "image-segmentation", "name": "Matting"}
        dataset = {"name": SETS[label], "type": label.replace(" ", "-")}
        results.append({"task": task, "dataset": dataset, "metrics": metrics})
    header = {
        "library_name": "pytorch",
        "license": ["mit", "apache-2.0"],
        "metrics": sorted({metric["type"] for result in results for metric in result["metrics"]}),
        "pipeline_tag": "image-segmentation",
        "tags": ["image-matting", "portrait-matting", "safetensors", *(["onnx"] if onnx else [])],
        "model-index": [{"name": name, "results": results}],
    }
    # Without aliases, which the Hub's reader need not know.
    return yaml.safe_dump(json.loads(json.dumps(header)), sort_keys=False, allow_unicode=True).strip()


def _score_table(sets: dict) -> str:
    """One row a set and method, one column a measure, in Markdown."""
    rows = [
        {"set": SETS[label], "method": TRIMAP_CONTROL if method == "trimap" else method}
        | {MEASURES[key]: f"{value:.4g}" for key, value in values.items()}
        for label, methods_ in sets.items()
        for method, values in methods_.items()
    ]
    return pd.DataFrame(rows).fillna("").to_markdown(index=False, disable_numparse=True)
