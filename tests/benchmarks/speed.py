"""Speed on this machine, each figure beside a plain reference of the same run: `python tests/benchmarks`.

The reference of training is the ancestor's way: files decoded at full size in every epoch, in fp32 and NCHW.
Each part runs in a process of its own, so that its peak memory is its own too.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from benchmarks import metrics, whole_image
from lib.base import UserError, reports_dir, write_atomically
from lib.compute import Compute
from lib.data.cache import prepare
from lib.data.portraits import Portraits
from lib.data.sources import open_source
from lib.losses import alpha_prediction_loss
from lib.models.vgg import VGG16Matting
from lib.provenance import environment
from lib.training.thumbnail import ThumbnailConfig, ThumbnailTask
from lib.training.trainer import train

TARGET = 4.0  # training, against the ancestor's way


def bench(
    images: int = 256,
    distinct: int = 8,
    size: int = 28,
    batch_size: int = 64,
    epochs: int = 4,
    side: tuple[int, int] = (800, 600),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure everything; returns (rates, memory).

    images: files to train on and prepare, copies of `distinct` rendered portraits of `side` (height, width) px.
    epochs: of our training; the first one warms up and is not counted, the median of the others is.
    rates: what, ours and reference in images/s, ratio, target. memory: part, peak_mb.
    """
    if images < 2 * batch_size or epochs < 2:
        raise UserError(
            f"bench: expected at least two batches of {batch_size} images and two epochs, found "
            f"{images} images and {epochs} epochs; raise them."
        )
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder) / "set", images, distinct, side)
        found, memory = {}, []
        parts = {
            "preparation, ours": _prepare_ours,
            "preparation, sequential full size": _prepare_plain,
            "training, ours": _train_ours,
            "training, decoding each epoch": _train_plain,
            "a whole picture, network": whole_image.network,
            "a whole picture, closed form": whole_image.closed_form,
            f"a picture of {whole_image.LARGER:g} times the side, in tiles": whole_image.large,
        }
        for name, part in parts.items():
            result, peak = _alone(part, Path(folder), size, batch_size, epochs)
            found |= result
            memory.append({"part": name, "peak_mb": peak})
            measured = ", ".join(f"{what} {rate:.1f} images/s" for what, rate in result.items())
            print(f"{name}: {measured}", flush=True)
    field = pd.DataFrame(metrics.rates(images=distinct, distinct=distinct, side=side))
    return pd.concat([_rates(found), field], ignore_index=True), pd.DataFrame(memory)


def _rates(found: dict[str, float]) -> pd.DataFrame:
    rows = []
    for what, ours, reference, target in [
        ("training steps / decoding each epoch, fp32 NCHW", "train_ours", "train_plain", TARGET),
        ("training with preparation and checkpoints / the same", "train_whole", "train_plain", None),
        ("training steps / the same without its decoding", "train_ours", "train_network", None),
        ("preparation / sequential full-size decode", "prepare_ours", "prepare_plain", None),
        ("a whole picture, two-stage network / pymatting's closed form", "whole_network", "whole_closed_form", None),
    ]:
        rows.append(
            {
                "what": what,
                "ours": found[ours],
                "reference": found[reference],
                "ratio": found[ours] / found[reference],
                "target": target,
            }
        )
    return pd.DataFrame(rows)


def lay_out(folder: Path, images: int, distinct: int, side: tuple[int, int]) -> None:
    """`images` JPEGs and RGBA mattes in AISegment's layout: rendered portraits, copied as often as needed."""
    source = Portraits(distinct, seed=0)
    (folder / "clip_img/0/clip_00000000").mkdir(parents=True)
    (folder / "matting/0/matting_00000000").mkdir(parents=True)
    drawn = Parallel(n_jobs=-1)(delayed(source.read)(index, side) for index in range(distinct))
    for index in range(images):
        image, matte = _names(folder, index)
        if index >= distinct:
            for path, original in zip((image, matte), _names(folder, index % distinct), strict=True):
                shutil.copyfile(original, path)
            continue
        sample = drawn[index]
        cv2.imwrite(str(image), sample.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])
        cut_out = np.where(sample.alpha[..., None] > 0, sample.image, 0)[..., ::-1]
        cv2.imwrite(str(matte), np.dstack([cut_out, sample.alpha]))


def _names(folder: Path, index: int) -> tuple[Path, Path]:
    return (
        folder / f"clip_img/0/clip_00000000/0-{index:08d}.jpg",
        folder / f"matting/0/matting_00000000/0-{index:08d}.png",
    )


def _alone(part: Callable, *arguments) -> tuple[dict[str, float], float]:
    """(what `part` measured, its peak memory in MB), in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_with_peak, part, arguments).result()


def _with_peak(part: Callable, arguments: tuple) -> tuple[dict[str, float], float]:
    result = part(*arguments)
    # A process that multiprocessing started joins its children before joblib lets go of its idle ones: minutes later.
    # Only what has ended counts among the children below, too.
    get_reusable_executor().shutdown()
    who = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN  # the largest of its own worker processes
    peak = max(resource.getrusage(which).ru_maxrss for which in who)
    return result, peak / (1024 if sys.platform != "darwin" else 1024**2)


# ------------------------------------------------------------------------------------------------ preparation


def _prepare_ours(folder: Path, size: int, batch_size: int, epochs: int) -> dict[str, float]:
    source = open_source("aisegment", str(folder / "set"))
    started = time.perf_counter()
    prepared = prepare(source, size, cache=folder / "cache")
    return {"prepare_ours": len(prepared) / (time.perf_counter() - started)}


def _prepare_plain(folder: Path, size: int, batch_size: int, epochs: int) -> dict[str, float]:
    pairs = _pairs(folder)
    started = time.perf_counter()
    for pair in pairs:
        _decode(*pair, size)
    return {"prepare_plain": len(pairs) / (time.perf_counter() - started)}


def _pairs(folder: Path) -> list[tuple[Path, Path]]:
    count = len(list((folder / "set").glob("clip_img/*/*/*.jpg")))
    return [_names(folder / "set", index) for index in range(count)]


def _decode(image: Path, matte: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Full-size decode and resize of one pair: image (size,size,3) BGR, alpha (size,size), uint8."""
    alpha = cv2.imread(str(matte), cv2.IMREAD_UNCHANGED)[..., 3]
    return (
        cv2.resize(cv2.imread(str(image)), (size, size), interpolation=cv2.INTER_AREA),
        cv2.resize(alpha, (size, size), interpolation=cv2.INTER_AREA),
    )


# ------------------------------------------------------------------------------------------------ training


def _train_ours(folder: Path, size: int, batch_size: int, epochs: int) -> dict[str, float]:
    started = time.perf_counter()
    source = open_source("aisegment", str(folder / "set"))
    prepared = prepare(source, size, cache=folder / "second-cache")
    everything = np.arange(len(prepared))
    config = ThumbnailConfig(epochs=epochs, batch_size=batch_size)
    history = train(ThumbnailTask, config, folder / "run", Compute(), prepared, (everything, []))
    whole = epochs * len(prepared) / (time.perf_counter() - started)
    return {"train_ours": history["images_per_second"].iloc[1:].median(), "train_whole": whole}


def _train_plain(folder: Path, size: int, batch_size: int, epochs: int) -> dict[str, float]:
    """One process, fp32, NCHW, every file decoded again: two warm-up steps, then the median of up to six."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = VGG16Matting().to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    decoding, computing = [], []
    for batch in _batches(_pairs(folder), batch_size, steps=8):
        started = time.perf_counter()
        image, alpha, trimap = (torch.from_numpy(array).to(device) for array in _plain_batch(batch, size))
        decoded = time.perf_counter()
        loss = alpha_prediction_loss(model(image, trimap), alpha)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()  # the ancestor prints it; on a GPU it also ends the step
        decoding.append(decoded - started)
        computing.append(time.perf_counter() - decoded)
    whole = statistics.median(np.add(decoding, computing)[2:])
    return {"train_plain": batch_size / whole, "train_network": batch_size / statistics.median(computing[2:])}


def _batches(pairs: list, batch_size: int, steps: int) -> Iterator[list]:
    for step in range(steps):
        start = step * batch_size % (len(pairs) - batch_size + 1)
        yield pairs[start : start + batch_size]


def _plain_batch(pairs: list[tuple[Path, Path]], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """image, alpha and trimap of one batch, float32 in [0,1], NCHW; trimap by erosion and dilation."""
    images, alphas, trimaps = [], [], []
    for pair in pairs:
        image, alpha = _decode(*pair, size)
        window = np.ones((3, 3), np.uint8)
        inner, outer = cv2.erode(alpha, window) == 255, cv2.dilate(alpha, window) > 0
        images.append(image[..., ::-1].transpose(2, 0, 1) / np.float32(255))
        alphas.append(alpha[None] / np.float32(255))
        trimaps.append((inner * np.float32(0.5) + outer * np.float32(0.5))[None])
    return np.stack(images), np.stack(alphas), np.stack(trimaps)


# ------------------------------------------------------------------------------------------------ report


def write(rates: pd.DataFrame, memory: pd.DataFrame, settings: dict, folder: Path) -> None:
    """bench.json and bench.md in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = environment()
    rates = rates.astype(object).where(rates.notna(), None)  # no target: null and an empty cell
    record = {
        "settings": settings,
        "machine": machine,
        "memory": memory.to_dict("records"),
        "rates": rates.to_dict("records"),
    }
    write_atomically(folder / "bench.json", (json.dumps(record, indent=1) + "\n").encode())
    shown = rates.rename(
        columns={"what": "ours / reference", "ours": "ours, images/s", "reference": "reference, images/s"}
    )
    images, size, batch_size = settings["images"], settings["size"], settings["batch_size"]
    text = [
        f"# Speed\n\n{os.cpu_count()} CPU cores; {images} rendered portraits, 600x800 JPEG and RGBA PNG, "
        f"used at {size}x{size} px, in batches of {batch_size}.\n",
        shown.to_markdown(index=False, floatfmt=".2f", missingval=""),
        "\n## Peak memory, each part in a process of its own\n",
        memory.to_markdown(index=False, floatfmt=".0f"),
        "\n## Machine\n",
        *(f"- {name}: {value}" for name, value in machine.items()),
    ]
    write_atomically(folder / "bench.md", ("\n".join(text) + "\n").encode())


def main(arguments: list[str] | None = None) -> None:
    """Measure and write reports/experiments/bench/bench.json and bench.md."""
    parser = argparse.ArgumentParser(
        prog="python tests/benchmarks", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--images", type=int, default=256, help="files to train on and prepare")
    parser.add_argument("--distinct", type=int, default=8, help="different portraits among them")
    parser.add_argument("--size", type=int, default=28, help="side of the prepared images in pixels")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=4, help="epochs of our training, the first not counted")
    parser.add_argument("--out", type=Path, default=reports_dir("experiments/bench"), help="folder of the report")
    settings = vars(parser.parse_args(arguments))
    out = settings.pop("out")
    try:
        rates, memory = bench(**settings)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    write(rates, memory, settings, out)
    print((out / "bench.md").read_text())
