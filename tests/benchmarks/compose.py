"""Speed of the embedded set: pictures a second, composed through the shared preparation, beside simpler ways.

Each function is a part of benchmarks.speed, run in a process of its own.
"""

import time
from pathlib import Path

import cv2

from lib.data.portraits import Portraits
from lib.data.prepare import prepare

SMALL, LARGE = 10_000, 360  # pictures: enough that starting the processes, some seconds, does not decide
FULL = (800, 600)


def small(folder: Path, size: int, batch_size: int, *_: object) -> dict[str, float]:
    """At `size` px, and a few composed at full size and averaged instead."""
    images = min(SMALL, 150 * batch_size)
    started = time.perf_counter()
    prepare(Portraits(images), size, cache=folder / "composed")
    ours = images / (time.perf_counter() - started)
    plain, few = Portraits(16), 16
    started = time.perf_counter()
    for index in range(few):
        cv2.resize(plain.read(index).image, (size, size), interpolation=cv2.INTER_AREA)
    return {"compose_small": ours, "compose_small_plain": few / (time.perf_counter() - started)}


def large(folder: Path, size: int, batch_size: int, *_: object) -> dict[str, float]:
    """At 600x800, and one after the other in one process."""
    images = min(LARGE, 6 * batch_size)
    started = time.perf_counter()
    prepare(Portraits(images), FULL, cache=folder / "composed")
    ours = images / (time.perf_counter() - started)
    plain, few = Portraits(16, seed=1), 16
    started = time.perf_counter()
    for index in range(few):
        plain.read(index)
    return {"compose_large": ours, "compose_large_plain": few / (time.perf_counter() - started)}
