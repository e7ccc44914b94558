"""Every picture of a source decoded once, resized, and kept as memory-mapped uint8 arrays in <cache>/<key>/; batches of them.

The key is a hash of source and size: another set or size never meets these arrays. A folder gets its name when it is whole.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import joblib
import numpy as np
from PIL import Image
from tqdm import tqdm

from lib.base import UserError, cache_dir
from lib.data.sample import Source
from lib.data.trimap import check_rule, default_radius, make_trimap, signed_distance

VERSION = 2  # raise it when the arrays of the same source and size would come out differently
CHANNELS = {"image": 3, "alpha": 1, "trimap": 1, "foreground": 3, "background": 3}
ROWS_PER_TASK = 32  # few for an even load and a moving bar, many to hide the hand-over
FILTERS = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "nearest": cv2.INTER_NEAREST, "lanczos": None}


@dataclass(frozen=True)
class ImageSet:
    """A source at one size: arrays (N,C,H,W) uint8, memory-mapped and read-only.

    trimap: to test with, 0/128/255; the source's own, or made from alpha by `rule` with the radius of the size, so that all
    methods are judged on the same unknown pixels. rule: of the thresholds, for the trimaps of a training as well. foreground,
    background: None where the source has none. The other fields are those of `lib.data.sample.Source`.
    """

    image: np.ndarray
    alpha: np.ndarray
    trimap: np.ndarray
    foreground: np.ndarray | None
    background: np.ndarray | None
    keys: list[str]
    groups: list[str]
    counts: dict[str, int]
    left_out: list[tuple[str, str]]
    fingerprint: str
    rule: str = "tolerant"

    def __len__(self) -> int:
        return len(self.keys)


def prepare(
    source: Source, size: int | tuple[int, int], rule: str = "tolerant", cache: Path | str = "", bad_limit: float = 0.01
) -> ImageSet:
    """All pictures of `source` at `size` (a side, or (height, width)): area averages, a given trimap by nearest pixel.

    rule: of the trimaps, "strict" or "tolerant". A file that cannot be used is left out, counted and listed; UserError where
    more than the share `bad_limit` is lost that way, and for a cache that cannot be written. Prints one line with the counts.
    """
    size = size if isinstance(size, tuple) else (size, size)
    if min(size) < 1:
        raise UserError(f"size: expected at least 1x1 pixels, found {size[0]}x{size[1]}; change it.")
    check_rule(rule)
    contents = [VERSION, source.name, source.fingerprint, source.keys, size]
    fingerprint = hashlib.sha256(json.dumps(contents).encode()).hexdigest()
    folder = Path(cache or cache_dir()) / fingerprint[:32]
    if not folder.is_dir():
        with _writing(folder):
            if not folder.is_dir():
                _write(source, size, folder, bad_limit)
    try:
        lost = json.loads((folder / "lost.json").read_text())
        paths = {layer: folder / f"{layer}.npy" for layer in CHANNELS}
        arrays = {layer: np.load(path, mmap_mode="r") if path.is_file() else None for layer, path in paths.items()}
        if arrays["trimap"] is None:
            arrays["trimap"] = _test_trimaps(folder, arrays["alpha"], rule)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder}: expected the arrays as they were written, found {error}; delete the folder."
        ) from error
    _check_lost(lost, len(source.keys), bad_limit)
    usable = np.setdiff1d(np.arange(len(source.keys)), [row for row, *_ in lost]).tolist()
    images = ImageSet(
        **arrays,
        keys=[source.keys[row] for row in usable],
        groups=[source.groups[row] for row in usable],
        counts=source.counts | Counter(reason for _, _, reason, _ in lost) | {"used": len(usable)},
        left_out=sorted([*source.left_out, *((path, reason) for _, path, reason, _ in lost)]),
        fingerprint=f"{fingerprint}-{rule}",
        rule=rule,
    )
    reasons = sorted(Counter(reason for _, reason in images.left_out).items())
    left_out = ", ".join(f"{count} x {reason}" for reason, count in reasons) or "nothing"
    print(f"{source.name} at {size[0]}x{size[1]} px: {len(images)} images used; left out: {left_out}", flush=True)
    return images


def downsample(images: ImageSet, size: int, interpolation: str) -> ImageSet:
    """The set at size x size px, its images shrunk by a filter of FILTERS, in memory; alpha by area averaging whatever the
    filter, and trimaps of the set's rule made from it, so that all are judged by the same truth. No foreground, no background.

    UserError for another filter, or a size larger than the set's.
    """
    if interpolation not in FILTERS:
        raise UserError(f"resize: expected one of {', '.join(FILTERS)}, found {interpolation!r}; choose one.")
    if size > min(images.alpha.shape[-2:]):
        raise UserError(f"size: expected at most {min(images.alpha.shape[-2:])} px, found {size}; lower it.")

    def shrink(pixels: np.ndarray) -> np.ndarray:
        if interpolation == "lanczos":  # of Pillow, whose window grows with the factor, as OpenCV's does not
            return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.LANCZOS))
        return cv2.resize(pixels, (size, size), interpolation=FILTERS[interpolation])

    image = np.stack([shrink(pixels.transpose(1, 2, 0)).transpose(2, 0, 1) for pixels in images.image])
    alpha = np.stack(
        [cv2.resize(pixels[0], (size, size), interpolation=cv2.INTER_AREA)[None] for pixels in images.alpha]
    )
    layers = {"image": image, "alpha": alpha, "trimap": make_trimap(alpha, default_radius(size), images.rule)}
    fingerprint = f"{images.fingerprint}-{size}-{interpolation}"
    return replace(images, **layers, foreground=None, background=None, fingerprint=fingerprint)


def chunks(index: Sequence[int], size: int) -> list[np.ndarray]:
    """`index` in consecutive parts of `size`, the last one shorter."""
    index = np.asarray(index)
    return [index[start : start + size] for start in range(0, len(index), size)]


def batches_of(order: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """`order` in batches; a rest of one joins the batch before it, since batch norm has no variance over one 1x1 map."""
    starts = list(range(0, len(order), batch_size))
    if len(starts) > 1 and len(order) - starts[-1] < 2:
        starts.pop()
    return np.split(order, starts[1:])


def stream_batches(
    images: ImageSet, index: np.ndarray, parts: Sequence[np.ndarray], rule: str, device
) -> Iterator[tuple]:
    """(rows, (image, alpha, distance)) of each part, on `device` and read one batch ahead.

    index: the images to train on; parts: rows of it, a batch each. image (n,3,H,W) and alpha (n,1,H,W) float32 in [0,1];
    distance (n,1,H,W) float16, signed by `rule` (lib.data.trimap).
    """
    import torch  # here, since workers that draw portraits import this module, too

    def read(rows: np.ndarray) -> list[torch.Tensor]:
        alpha = np.asarray(images.alpha[index[rows]])
        arrays = np.asarray(images.image[index[rows]]), alpha, signed_distance(alpha, rule)
        return [torch.from_numpy(array) for array in arrays]

    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(read, parts[0])
        for rows, after in zip(parts, [*parts[1:], None], strict=True):
            image, alpha, distance = (tensor.to(device) for tensor in coming.result())
            coming = pool.submit(read, after) if after is not None else None
            yield torch.from_numpy(rows).to(device), (image.float() / 255, alpha.float() / 255, distance)


def _write(source: Source, size: tuple[int, int], folder: Path, bad_limit: float) -> None:
    """Decode everything into <folder>.partial, then give it its name."""
    partial, total = folder.with_suffix(".partial"), len(source.keys)
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed: we hold the lock
    try:
        partial.mkdir()
        layers = _layers(source, size)
        for layer in layers:
            _allocate(partial / f"{layer}.npy", (total, CHANNELS[layer], *size))
        starts = range(0, total, ROWS_PER_TASK)
        # Decoders release the interpreter's lock, so files are read in threads; drawing holds it, and goes to processes.
        prefer = "threads" if hasattr(source, "root") else "processes"
        pool = joblib.Parallel(min(joblib.cpu_count(), len(starts)), prefer=prefer, return_as="generator_unordered")
        tasks = pool(joblib.delayed(_decode)(source, size, partial, layers, start) for start in starts)
        bar = tqdm(tasks, f"preparing {source.name}", len(starts), leave=False, disable=None)
        lost = sorted(entry for entries in bar for entry in entries)
        _check_lost(lost, total, bad_limit)
        if lost:
            usable = np.setdiff1d(np.arange(total), [row for row, *_ in lost])
            for path in (partial / f"{layer}.npy" for layer in layers):
                array = np.load(path, mmap_mode="r")
                _write_array(path, (len(usable), *array.shape[1:]), lambda rows, array=array: array[usable[rows]])
        (partial / "lost.json").write_text(json.dumps(lost))
        for path in partial.iterdir():
            with open(path, "rb") as file:
                os.fsync(file.fileno())  # else a power cut may leave the folder with nothing in its arrays
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _layers(source: Source, size: tuple[int, int]) -> list[str]:
    """The layers that the first readable image of the source has."""
    for row in range(len(source.keys)):
        try:
            sample = source.read(row, size)
        except UserError:
            continue
        return [layer for layer in CHANNELS if getattr(sample, layer) is not None]
    return ["image", "alpha"]


def _decode(source: Source, size: tuple[int, int], folder: Path, layers: list[str], start: int) -> list[tuple]:
    """Read, resize and store one task's rows; of those that could not be: (row, path, reason, sentence)."""
    arrays = {layer: np.load(folder / f"{layer}.npy", mmap_mode="r+") for layer in layers}
    lost = []
    for row in range(start, min(start + ROWS_PER_TASK, len(source.keys))):
        try:
            sample = source.read(row, size)
            for layer in layers:
                pixels = getattr(sample, layer)
                if pixels.shape[:2] != size:
                    interpolation = cv2.INTER_NEAREST if layer == "trimap" else cv2.INTER_AREA
                    pixels = cv2.resize(pixels, size[::-1], interpolation=interpolation)
                arrays[layer][row] = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels
        except UserError as error:
            path = os.path.relpath(error.path, source.root) if hasattr(error, "path") else source.keys[row]
            lost.append((row, path, getattr(error, "reason", "unreadable file"), str(error)))
    return lost


def _check_lost(lost: list, total: int, bad_limit: float) -> None:
    if lost and (len(lost) > bad_limit * total or len(lost) == total):
        raise UserError(
            f"bad_limit: expected at most the share {bad_limit:g} of defective images, found "
            f"{len(lost)} of {total}; mend them or raise bad_limit. The first is {lost[0][3]}"
        )


def _allocate(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """An .npy file whose blocks are really there: a mapped file with holes on a full disk would kill the process."""
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, array.offset + array.nbytes)
    return array


def _write_array(path: Path, shape: tuple[int, ...], rows_of: Callable[[np.ndarray], np.ndarray]) -> None:
    """An array whole or not at all, part by part: rows_of(rows) gives the values of some rows."""
    part = path.with_suffix(".part")
    try:
        array = _allocate(part, shape)
        for rows in chunks(np.arange(shape[0]), 1024):
            array[rows] = rows_of(rows)
        array.flush()
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _test_trimaps(folder: Path, alpha: np.ndarray, rule: str) -> np.ndarray:
    """The trimaps (N,1,H,W) of all alphas by `rule`, kept in a file beside them."""
    path, radius = folder / f"trimap-{rule}.npy", default_radius(alpha.shape[-2:])
    if not path.is_file():
        with _writing(folder):
            _write_array(path, alpha.shape, lambda rows: make_trimap(np.asarray(alpha[rows]), radius, rule))
    return np.load(path, mmap_mode="r")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """One process at a time prepares the same arrays; others wait, then find them done. The lock ends with the process."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with open(folder.with_suffix(".lock"), "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:  # ENOSYS, ENOLCK: some network file systems
                print(
                    f"{folder.parent}: no locks here ({error.strerror}); prepare the same set once at a time",
                    flush=True,
                )
            yield
    except OSError as error:
        raise UserError(
            f"{folder.parent}: cannot write the prepared images ({error.strerror or error}); "
            "free space there, or set MATTING_CACHE to another directory."
        ) from error
