"""Thousands of pictures through one watched folder: `python tests/faults/soak.py --pictures 20000 --minutes 120`.

Writes soak.csv (seconds, done, rss_mb), soak.png and soak.json: whether memory stayed flat, what was lost or done twice. With
--folder a soak that is at work can be judged from beside it, and one that was killed afterwards: `... --folder F --collect`.
"""

import argparse
import collections
import csv
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
SIDES = (48, 96)  # of a picture in px, both included
AHEAD = 100  # pictures that may wait in the folder
WARM = 0.2  # share of the pictures after which memory should stay where it is
SPREAD = 0.95  # share of the time over which the pictures arrive, evenly, as from a camera
PATIENCE = 600  # seconds that the last pictures get, on a busy machine
COLUMNS = ("seconds", "done", "rss_mb")


def picture(number: int) -> Image.Image:
    """A bright disc on a dark, noisy ground: another one, of another size, for each number."""
    draw = np.random.default_rng(number)
    height, width = draw.integers(SIDES[0], SIDES[1] + 1, 2)
    rows, columns = np.mgrid[0:height, 0:width]
    middle = draw.uniform(0.3, 0.7, 2) * (height, width)
    inside = np.hypot(rows - middle[0], columns - middle[1]) < draw.uniform(0.15, 0.3) * min(height, width)
    pixels = draw.integers(0, 60, (height, width, 3)) + np.where(inside[..., None], draw.integers(60, 190, 3), 0)
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


def resident_mb(pid: int) -> float | None:
    """Resident memory of a process in MB (10^6 bytes); None when it has ended."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS")), None)


def hear_ctrl_c() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def times_done(log: Path) -> collections.Counter:
    """How often each picture was done, by what the command said."""
    return collections.Counter(
        Path(line.split(" -> ")[0]).stem for line in log.read_text().splitlines() if " -> " in line
    )


def soak(pictures: int, minutes: float, folder: Path, threads: int = 1) -> None:
    """Feed the command until all pictures are done or the time is over and what waits is done; leave in/, out/, log,
    curve.csv and, at the end, status (the command's) in the folder."""
    source, log = folder / "in", folder / "log"
    source.mkdir(parents=True)
    command = [sys.executable, "-m", "lib", "cutout", str(source), "-o", str(folder / "out"), "--watch"]
    with open(log, "w") as said:
        process = subprocess.Popen([*command, "--threads", str(threads)], cwd=ROOT, stderr=said, preexec_fn=hear_ctrl_c)
    try:
        with open(folder / "curve.csv", "w", buffering=1) as curve:
            _feed_all(process, pictures, minutes * 60, folder, curve)
        process.send_signal(signal.SIGINT)
        (folder / "status").write_text(str(process.wait(timeout=PATIENCE)))
    finally:
        process.kill()  # nothing stays behind, whatever went wrong


def _feed_all(process: subprocess.Popen, pictures: int, seconds: float, folder: Path, curve) -> None:
    curve.write(",".join(COLUMNS) + "\n")
    fed, done, start = 0, 0, time.monotonic()
    pace = pictures / (SPREAD * seconds)
    while process.poll() is None:
        spent = time.monotonic() - start
        done = (folder / "log").read_text().count(" -> ")
        if (memory := resident_mb(process.pid)) is not None:
            curve.write(f"{spent:.1f},{done},{memory:.1f}\n")
        if done >= pictures or (spent > seconds and (done >= fed or spent > seconds + PATIENCE)):
            return
        while fed < min(pictures, done + AHEAD, pace * (spent + 1)) and spent <= seconds:
            feed(folder / "in", fed)
            fed += 1
        time.sleep(1)


def read_curve(folder: Path) -> list[dict]:
    """The rows of curve.csv, whole ones: {seconds, done, rss_mb}."""
    with open(folder / "curve.csv") as file:
        return [
            {name: float(row[name]) for name in COLUMNS} for row in csv.DictReader(file) if all(map(row.get, COLUMNS))
        ]


def verdict(folder: Path) -> dict:
    """What a soak found, ended or not. lost: pictures without a result, or with one that nobody told of; of a soak that has
    not ended those that waited AHEAD pictures long."""
    curve, done = read_curve(folder), times_done(folder / "log")
    status = folder / "status"
    ended = status.is_file()
    results, fed = ({path.stem for path in (folder / place).glob("*.png")} for place in ("out", "in"))
    due = fed if ended else {name for name in fed if int(name) < int(max(done, default="0")) - AHEAD}
    late = [row for row in curve if row["done"] >= WARM * len(done)]
    slope = np.polyfit([row["done"] for row in late], [row["rss_mb"] for row in late], 1)[0] if len(late) > 2 else None
    return {
        "pictures": len(done),
        "minutes": round(curve[-1]["seconds"] / 60, 1) if curve else 0,
        "lost": len(due - set(done)) + len(set(done) - results) + len(results - set(done) if ended else ()),
        "twice": sum(times > 1 for times in done.values()),
        "rss_mb_after_warm_up": late[0]["rss_mb"] if late else None,
        "rss_mb_at_end": late[-1]["rss_mb"] if late else None,
        "mb_per_1000_pictures": None if slope is None else round(1000 * float(slope), 2),
        "exit_status": int(status.read_text()) if ended else None,
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


def collect(folder: Path, out: Path) -> dict:
    """Write the verdict, the curve (a row a minute, and the last) and its figure into `out`; the verdict."""
    curve, found = read_curve(folder), verdict(folder)
    kept = {int(row["seconds"] // 60): row for row in curve}
    rows = [",".join(COLUMNS), *(f"{row['seconds']},{row['done']:.0f},{row['rss_mb']}" for row in kept.values())]
    out.mkdir(parents=True, exist_ok=True)
    (out / "soak.csv").write_text("\n".join(rows) + "\n")
    (out / "soak.json").write_text(json.dumps(found, indent=1) + "\n")
    draw(curve, out / "soak.png")
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--folder", type=Path, help="of the work, kept (default: a temporary one)")
    parser.add_argument("--collect", action="store_true", help="only judge what lies in --folder")
    parser.add_argument("--out", type=Path, default=ROOT / "reports/bench")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        if not given.collect:
            soak(given.pictures, given.minutes, folder)
        print(json.dumps(collect(folder, given.out), indent=1))


if __name__ == "__main__":
    main()
