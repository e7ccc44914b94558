"""Preparation: every image of a source decoded once, resized and kept as memory-mapped uint8 arrays.

The arrays lie in cache/<key>/, where the key is a hash of the source's fingerprint, its keys and the size: a
second call with the same set opens them at once, another set or size never meets them. Each array counts only with
the SHA-256 that was written beside it; a damaged one is made again. Memory stays constant, since every worker writes its rows straight into the mapped files.
"""

import fcntl
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import joblib
import numpy as np
from tqdm import tqdm

from lib import base
from lib.base import UserError, file_digest
from lib.data.source import Sample, Source
from lib.data.trimap import check_rule, default_radius, make_trimap
from lib.seals import is_sealed, seal

VERSION = 1  # raise it when the arrays of the same source and size would come out differently
CHANNELS = {"image": 3, "alpha": 1, "trimap": 1, "foreground": 3, "background": 3}
CHUNK = 32  # images a task: small for an even load and a moving bar, large to hide the hand-over


@dataclass(frozen=True)
class Prepared:
    """A source at one size: N images that all fit one array. Arrays are memory-mapped and read-only.

    image (N, 3, H, W) uint8 RGB; alpha (N, 1, H, W) uint8; foreground and background (N, 3, H, W) uint8 RGB, or
    None where the source has none. trimap (N, 1, H, W) uint8 0/128/255, for testing: the source's own where it has
    them, else made from alpha by `rule` with the radius that goes with the size, so that two runs, and two methods,
    are tested on the same unknown pixels. rule: of the thresholds (lib.data.trimap), for the trimaps of a training,
    too. keys and groups: one an image. counts: what was found, used and left out, by reason. left_out: (path, reason)
    of every file that is not used. fingerprint: SHA-256 in hex over everything that decides the arrays' content, then
    the rule.
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
    source: Source,
    size: int | tuple[int, int],
    rule: str = "tolerant",
    cache: str | Path | None = None,
    workers: int = 0,
    bad_limit: float = 0.01,
) -> Prepared:
    """All images of `source` at `size`: a side in pixels (square, as the study squashes 600x800 to 28x28) or
    (height, width).

    Image, alpha, foreground and background are resized by area averaging, a given trimap to the nearest
    pixel. rule: of the trimaps, "strict" or "tolerant". cache: directory of the arrays (default
    lib.base.cache_dir()). workers: parallel readers, 0 = one a core. A file that cannot be used is left out,
    counted and listed; when more than the share `bad_limit` of the images is lost that way, or no image remains,
    UserError. UserError also for a cache that cannot be written or has no room. Prints one line with the counts;
    shows a progress bar in a terminal.
    """
    height, width = size if isinstance(size, tuple) else (size, size)
    if min(height, width) < 1:
        raise UserError(f"size: expected at least 1x1 pixels, found {height}x{width}; change it.")
    check_rule(rule)
    fingerprint = _content_key(source, (height, width))
    cache = Path(cache or base.cache_dir())
    folder = cache / fingerprint[:32]
    if not _is_whole(folder):
        with _locked(cache, folder.name):
            if not _is_whole(folder):
                if folder.exists():
                    print(
                        f"{folder}: the prepared images are not as they were written; preparing them again", flush=True
                    )
                _write(source, (height, width), folder, workers, bad_limit)
    prepared, lost = _open(source, folder, fingerprint, rule)
    _check_lost(lost, len(prepared) + len(lost), bad_limit)
    print(_summary(source.name, (height, width), prepared), flush=True)
    return prepared


def _content_key(source: Source, size: tuple[int, int]) -> str:
    what = [VERSION, source.name, source.fingerprint, source.keys, size]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def _is_whole(folder: Path) -> bool:
    """Whether the folder's list and arrays are all there as they were written."""
    if not is_sealed(folder / "done.json"):
        return False
    digests = json.loads((folder / "done.json").read_text())["sha256"]
    return all(file_digest(folder / name) == digest for name, digest in digests.items())


def _open(source: Source, folder: Path, fingerprint: str, rule: str) -> tuple[Prepared, list[list]]:
    """The arrays of a finished folder, and the lost images: [index, path, reason, sentence] each."""
    done = json.loads((folder / "done.json").read_text())
    arrays = {
        layer: np.load(folder / f"{layer}.npy", mmap_mode="r") if layer in done["layers"] else None
        for layer in CHANNELS
    }
    if arrays["trimap"] is None:
        arrays["trimap"] = _trimaps(folder, arrays["alpha"], rule)
    gone = {index for index, *_ in done["lost"]}
    kept = [i for i in range(len(source.keys)) if i not in gone]
    counts = dict(source.counts)
    for _, _, reason, _ in done["lost"]:
        counts[reason] = counts.get(reason, 0) + 1
    counts["used"] = counts.pop("used", len(source.keys)) - len(gone)
    left_out = sorted([*source.left_out, *((path, reason) for _, path, reason, _ in done["lost"])])
    return Prepared(
        **arrays,
        keys=[source.keys[i] for i in kept],
        groups=[source.groups[i] for i in kept],
        counts=counts,
        left_out=left_out,
        fingerprint=f"{fingerprint}-{rule}",
        rule=rule,
    ), done["lost"]


def _trimaps(folder: Path, alpha: np.ndarray, rule: str) -> np.ndarray:
    """The test trimaps of all alphas (N, 1, H, W), kept in a file beside them."""
    path = folder / f"trimap-{rule}.npy"
    if is_sealed(path):
        return np.load(path, mmap_mode="r")
    if path.with_suffix(".sha256").is_file():
        print(f"{path}: the test trimaps are not as they were written; making them again", flush=True)
    part = path.with_suffix(".part.npy")
    with _locked(folder.parent, folder.name), _told(folder.parent):
        try:
            _allocate(part, alpha.shape)
            made = np.load(part, mmap_mode="r+")
            for start in range(0, len(alpha), 1024):
                rows = np.asarray(alpha[start : start + 1024])
                made[start : start + 1024] = make_trimap(rows, default_radius(alpha.shape[-2:]), rule)
            made.flush()
            os.replace(part, path)
            seal(path)
        finally:
            part.unlink(missing_ok=True)
    return np.load(path, mmap_mode="r")


def _write(source: Source, size: tuple[int, int], folder: Path, workers: int, bad_limit: float) -> None:
    """Decode everything into <folder>.partial, then give it its name: a folder of that name is always
    whole."""
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed: we hold the lock
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with _told(folder.parent):
            layers = _layers(source, size)
            _check_space(folder.parent, len(source.keys), layers, size)
            partial.mkdir(parents=True)
            for layer in layers:
                _allocate(partial / f"{layer}.npy", (len(source.keys), CHANNELS[layer], *size))
            lost = sorted(_decode_all(source, size, partial, layers, workers))
            _check_lost(lost, len(source.keys), bad_limit)
            _drop_rows(partial, layers, [index for index, *_ in lost])
            digests = {path.name: file_digest(path) for path in sorted(partial.iterdir())}
            done = {"layers": layers, "lost": lost, "sha256": digests}
            (partial / "done.json").write_text(json.dumps(done, indent=1))
            seal(partial / "done.json")
            os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _told(cache: Path) -> Iterator[None]:
    """What the disk refuses inside the block, as a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{cache}: cannot write the prepared images ({error.strerror or error}); "
            "free space there, or set MATTING_CACHE to another directory."
        ) from error


def _layers(source: Source, size: tuple[int, int]) -> list[str]:
    """The layers that the first readable image of the source has."""
    for index in range(len(source.keys)):
        try:
            sample = source.read(index, size)
        except UserError:
            continue
        return [layer for layer in CHANNELS if getattr(sample, layer) is not None]
    return ["image", "alpha"]


def _decode_all(source: Source, size: tuple[int, int], partial: Path, layers: list[str], workers: int) -> list[list]:
    """Fill the arrays, in parallel; returns the lost images.

    Files are decoded in threads, as the decoders release the interpreter lock and threads start at once; a
    portrait is drawn by many small numpy calls that hold it, so those go to processes.
    """
    total = len(source.keys)
    starts = range(0, total, CHUNK)
    workers = min(workers or joblib.cpu_count(), len(starts))
    tasks = (
        joblib.delayed(_decode)(source, size, partial, layers, range(start, min(start + CHUNK, total)))
        for start in starts
    )
    prefer = "threads" if hasattr(source, "root") else "processes"
    results = joblib.Parallel(n_jobs=workers, prefer=prefer, return_as="generator_unordered")(tasks)
    lost = []
    with tqdm(total=total, desc=f"preparing {source.name}", unit="image", disable=None, leave=False) as bar:
        for done, bad in results:
            lost += bad
            bar.update(done)
    return lost


def _decode(source: Source, size: tuple[int, int], partial: Path, layers: list[str], rows: range) -> tuple:
    """One task: read, resize and store some images. Returns how many it went through, and the lost ones."""
    arrays = {layer: np.load(partial / f"{layer}.npy", mmap_mode="r+") for layer in layers}
    lost = []
    for row in rows:
        try:
            sample = source.read(row, size)
            for layer in layers:
                arrays[layer][row] = _resized(sample, layer, size)
        except UserError as error:
            path = _relative(getattr(error, "path", source.keys[row]), source)
            lost.append([row, path, getattr(error, "reason", "unreadable file"), str(error)])
    return len(rows), lost


def _resized(sample: Sample, layer: str, size: tuple[int, int]) -> np.ndarray:
    """One layer at `size`, channels first, uint8."""
    pixels = getattr(sample, layer)
    if pixels is None:
        raise UserError(f"expected a {layer} for every image, found none; remove it from all or add it.")
    if pixels.shape[:2] != size:
        how = cv2.INTER_NEAREST if layer == "trimap" else cv2.INTER_AREA
        pixels = cv2.resize(pixels, size[::-1], interpolation=how)
    return pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]


def _relative(path: str | Path, source: Source) -> str:
    root = getattr(source, "root", None)
    return str(Path(path).relative_to(root)) if root and Path(path).is_relative_to(root) else str(path)


def _allocate(path: Path, shape: tuple[int, ...]) -> None:
    """An .npy file of zeros that are really written: a mapped file with holes on a full disk would kill the
    process (SIGBUS) where a write raises an error."""
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    zeros = bytes(1 << 24)
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        left = math.prod(shape)
        while left:
            left -= file.write(zeros[:left])


def _drop_rows(partial: Path, layers: list[str], gone: list[int]) -> None:
    """Write the arrays anew without the lost rows."""
    if not gone:
        return
    for layer in layers:
        old = np.load(partial / f"{layer}.npy", mmap_mode="r")
        kept = np.setdiff1d(np.arange(len(old)), gone)
        _allocate(partial / "kept.npy", (len(kept), *old.shape[1:]))
        new = np.load(partial / "kept.npy", mmap_mode="r+")
        for start in range(0, len(kept), 1024):
            new[start : start + 1024] = old[kept[start : start + 1024]]
        del old, new
        os.replace(partial / "kept.npy", partial / f"{layer}.npy")


def _check_space(cache: Path, images: int, layers: list[str], size: tuple[int, int]) -> None:
    needed = images * math.prod(size) * sum(CHANNELS[layer] for layer in layers)
    free = shutil.disk_usage(cache).free
    if needed > free:
        raise UserError(
            f"{cache}: expected {needed / 1e6:,.0f} MB of free space for the prepared images, "
            f"found {free / 1e6:,.0f} MB; free some, set MATTING_CACHE to another directory, or "
            "use fewer images or a smaller size."
        )


def _check_lost(lost: list[list], total: int, bad_limit: float) -> None:
    if lost and (len(lost) > bad_limit * total or len(lost) == total):
        raise UserError(
            f"bad_limit: expected at most the share {bad_limit:g} of defective images, found "
            f"{len(lost)} of {total}; mend them or raise bad_limit. The first is {lost[0][3]}"
        )


@contextmanager
def _locked(cache: Path, name: str) -> Iterator[None]:
    """One process at a time prepares the same arrays; others wait, then find them done. Ends with the
    process."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        file = open(cache / f"{name}.lock", "w")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise UserError(
            f"{cache}: expected a cache directory that can be written, found: {error.strerror}; "
            "set MATTING_CACHE to another directory."
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _summary(name: str, size: tuple[int, int], prepared: Prepared) -> str:
    reasons = {reason for _, reason in prepared.left_out}
    found = [
        f"{count} {what}".removesuffix(" found")
        for what, count in prepared.counts.items()
        if what not in reasons | {"used"}
    ]
    missing = [f"{prepared.counts[reason]} x {reason}" for reason in sorted(reasons & prepared.counts.keys())]
    line = f"{name} at {size[0]}x{size[1]} px: {prepared.counts['used']} images used"
    line += f"; found {', '.join(found)}" if found else ""
    return line + (f"; left out {', '.join(missing)}" if missing else "; nothing left out")
