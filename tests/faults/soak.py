"""Thousands of pictures through one watched folder: `python tests/faults/soak.py --pictures 20000 --minutes 120`.

Writes soak.csv (seconds, done, rss_mb), soak.png and soak.json: whether memory stayed flat, what was lost or done twice.
"""

import argparse
import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SIDE = (128, 96)  # height, width in px
AHEAD = 100  # pictures that may wait in the folder
WARM = 0.2  # share of the pictures after which memory should stay where it is


def picture(number: int) -> Image.Image:
    """A bright disc on a dark, noisy ground: another one for each number."""
    draw = np.random.default_rng(number)
    rows, columns = np.mgrid[0 : SIDE[0], 0 : SIDE[1]]
    inside = np.hypot(rows - draw.integers(40, 90), columns - draw.integers(30, 66)) < draw.integers(15, 30)
    pixels = draw.integers(0, 60, (*SIDE, 3)) + np.where(inside[..., None], draw.integers(60, 190, 3), 0)
    return Image.fromarray(pixels.astype(np.uint8))


def feed(folder: Path, number: int) -> None:
    """Put a picture into the folder at once, as a camera's program does; every other one grows there instead."""
    target = folder / f"{number:06d}.png"
    if number % 2:
        picture(number).save(target)
        return
    part = folder / f".{number:06d}.part"
    picture(number).save(part, "PNG")
    os.replace(part, target)


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB (10^6 bytes)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) * 1024 / 1e6


def times_done(log: Path) -> collections.Counter:
    """How often each picture was done, by what the command said."""
    return collections.Counter(
        Path(line.split(" -> ")[0]).name for line in log.read_text().splitlines() if " -> " in line
    )


def soak(pictures: int, minutes: float, folder: Path, threads: int = 1) -> tuple[list[dict], dict]:
    """Feed the command until all pictures are done or the time is over. Returns the curve and the verdict."""
    source, results, log = folder / "in", folder / "out", folder / "log"
    source.mkdir()
    command = [sys.executable, "-m", "lib", "cutout", str(source), "-o", str(results), "--watch"]
    with open(log, "w") as said:
        process = subprocess.Popen(
            [*command, "--threads", str(threads)], cwd=ROOT, stderr=said, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
    curve, fed, start = [], 0, time.monotonic()
    while (spent := time.monotonic() - start) < minutes * 60 and process.poll() is None:
        done = log.read_text().count(" -> ")
        if done >= pictures:
            break
        while fed < min(pictures, done + AHEAD):
            feed(source, fed)
            fed += 1
        if process.poll() is None:
            curve.append({"seconds": round(spent, 1), "done": done, "rss_mb": round(resident_mb(process.pid), 1)})
        time.sleep(1)
    process.send_signal(signal.SIGINT)
    try:
        status = process.wait(timeout=600)  # the picture in hand is finished first, on a busy machine slowly
    finally:
        process.kill()  # nothing stays behind, whatever went wrong
    return curve, verdict(curve, times_done(log), {path.stem for path in results.glob("*.png")}, status)


def verdict(curve: list[dict], done: collections.Counter, results: set[str], status: int) -> dict:
    """What the soak found. lost: pictures before the last one done that have no result, or a result nobody told of."""
    told = {Path(name).stem for name in done}
    before_last = {f"{number:06d}" for number in range(int(max(told, default="-1")) + 1)}
    late = [row["rss_mb"] for row in curve if row["done"] >= WARM * len(done)]
    return {
        "pictures": len(done),
        "seconds": curve[-1]["seconds"] if curve else 0,
        "lost": len((before_last - told) | (told ^ results)),
        "twice": sum(times > 1 for times in done.values()),
        "rss_mb_after_warm_up": late[0] if late else None,
        "rss_mb_at_end": late[-1] if late else None,
        "exit_status": status,
    }


def draw(curve: list[dict], path: Path) -> None:
    """Memory by pictures done."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 2.5), layout="constrained")
    axes.plot([row["done"] for row in curve], [row["rss_mb"] for row in curve])
    axes.set(xlabel="pictures done", ylabel="resident memory (MB)", ylim=(0, None))
    figure.savefig(path, dpi=150)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--out", type=Path, default=ROOT / "reports/bench")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        curve, found = soak(given.pictures, given.minutes, Path(folder))
    given.out.mkdir(parents=True, exist_ok=True)
    rows = ["seconds,done,rss_mb", *(f"{row['seconds']},{row['done']},{row['rss_mb']}" for row in curve)]
    (given.out / "soak.csv").write_text("\n".join(rows) + "\n")
    (given.out / "soak.json").write_text(json.dumps(found, indent=1) + "\n")
    draw(curve, given.out / "soak.png")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
