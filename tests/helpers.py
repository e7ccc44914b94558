"""What tests write notebooks with, what they train on, and weights as they ship."""

import hashlib
import json
from pathlib import Path

import numpy as np

# Of the small copies in which the workflow is tried: notebook -> what it needs.
SMALL_STEPS = {
    "02_unsupervised": (),
    "04_augmentation": ("02_unsupervised",),
    "05_results": ("02_unsupervised", "04_augmentation"),
}
PARAMETERS = {"run": "smoke", "data": "portraits", "data_dir": "", "images": 8, "seed": 0, "epochs": 1}


def notebook(cells: list[tuple[str, list[str], str]]) -> str:
    """The JSON of a notebook of (kind, tags, source) cells."""
    made = []
    for number, (kind, tags, source) in enumerate(cells):
        cell = {"cell_type": kind, "id": f"cell-{number}", "metadata": {"tags": tags}, "source": source}
        made.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def small_notebook(name: str, body: str) -> str:
    """A notebook with the parameters, `body`, and the values that every notebook must leave."""
    parameters = "\n".join(f"{key} = {value!r}" for key, value in PARAMETERS.items())
    given = ", ".join(f"{key!r}: {key}" for key in PARAMETERS)
    end = f"from lib.report import save\nsave.write_values({{{given}}}, '{name}', f'{{epochs}} epochs', {{'epochs': epochs}})"
    return notebook(
        [
            ("markdown", [], "# Title\n\n<!-- answer -->\n*Written by the run.*"),
            ("code", ["parameters"], parameters),
            ("code", [], "import json\nfrom pathlib import Path\n" + body),
            ("code", [], end),
        ]
    )


def touching_notebook(name: str) -> str:
    """A small notebook that writes a figure and a table of the number of epochs."""
    return small_notebook(
        name,
        "import matplotlib.pyplot as plt\nimport pandas as pd\nfrom lib.experiments import parameters\nfrom lib.report import save\n"
        "parameters.check(globals())\nfigure, axes = plt.subplots(figsize=(1, 1))\n"
        f"save.save_figure(figure, run, 'fig_{name}')\n"
        f"save.write_table(pd.DataFrame({{'epochs': [epochs]}}), run, 'tab_{name}', 'Epochs.')",
    )


def prepared_from(image: np.ndarray, alpha: np.ndarray, groups: list[str] | None = None, rule: str = "tolerant"):
    """A prepared set of image (N,3,H,W) and alpha (N,1,H,W) uint8 in memory, as lib.data.cache would give it: with test
    trimaps from alpha by `rule`, and neither foregrounds nor backgrounds. groups: one name an image, by default its own.
    """
    from lib.data.cache import ImageSet
    from lib.data.trimap import default_radius, make_trimap

    trimap = make_trimap(alpha, default_radius(alpha.shape[-2:]), rule)
    keys = [str(number) for number in range(len(alpha))]
    fingerprint = hashlib.sha256(image.tobytes() + alpha.tobytes()).hexdigest()
    return ImageSet(
        image,
        alpha,
        trimap,
        None,
        None,
        keys,
        keys if groups is None else list(groups),
        {},
        [],
        f"{fingerprint}-{rule}",
        rule,
    )


def soft_edge() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A soft edge between two colours, 64x64: image in [0,1], trimap 0, 0.5 or 1, alpha; all float32."""
    alpha = np.clip((np.arange(64) - 20) / 24, 0, 1).astype(np.float32)[None].repeat(64, 0)
    image = alpha[..., None] * np.float32([0.9, 0.2, 0.1]) + (1 - alpha[..., None]) * np.float32([0.1, 0.3, 0.8])
    trimap = np.full_like(alpha, 0.5)
    trimap[:, :16], trimap[:, 48:] = 0, 1
    return image, trimap, alpha


def shipped(folder: Path, config: dict) -> Path:
    """Weights as lib.models.checkpoint ships them, of the network that lib.models.checkpoint builds of `config`: fresh ones,
    with norms as a training leaves them, neither 0 nor 1, and an answer that differs from pixel to pixel."""
    import torch
    from safetensors.torch import save_file

    from lib.base import file_sha256, write_atomically
    from lib.models.checkpoint import NETWORKS, export

    network, generator = NETWORKS[config["system"]](config), torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for value, low, high in ((layer.weight, 0.5, 1.5), (layer.bias, -0.3, 0.3)):
                torch.nn.init.uniform_(value, low, high, generator=generator)
            layer.running_mean.uniform_(-0.3, 0.3, generator=generator)
            layer.running_var.uniform_(0.5, 2, generator=generator)
    for value in network.parameters():
        if not value.any():  # biases, and the last layers of what starts as nothing
            torch.nn.init.normal_(value, std=0.1, generator=generator)
    run = folder / "run"
    run.mkdir()
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, run / "model.safetensors")
    write_atomically(run / "model.sha256", file_sha256(run / "model.safetensors").encode())
    (run / "config.json").write_text(json.dumps(config))
    export(run, folder / "shipped")
    return folder / "shipped"
