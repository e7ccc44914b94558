"""`make render`: the people of data/portraits, rendered again from their seeds. Needs Blender's module and anny (the
extra `render`); the paper doesn't.

A person whose file is there is left as it is, so that a broken-off run goes on where it stopped; remove a file to
render it again. The manifest lists the people whose files are there, with their parameters and SHA-256.
"""

import argparse
import csv
import fcntl
import hashlib
import io
import json
import os
import time
from pathlib import Path

from lib import render_person
from lib.files import write_atomically
from lib.paths import ROOT

PORTRAITS = ROOT / "data/portraits"
COLUMNS = ("id", "seed", "split", "sha256", "parameters")


def name(number: int) -> str:
    return f"person-{number:03d}"


def render_one(number: int, folder: Path, threads: int, **quality) -> None:
    """Render person `number` into `folder`. quality: see render_scene.render."""
    from lib import render_develop, render_scene

    person = render_person.person(number)
    face = render_scene.build(person)
    colour, alpha, own = render_scene.render(threads=threads, **quality)
    picture = render_develop.develop(colour, own, alpha, render_scene.face_pixels(face, *alpha.shape[::-1]), person)
    folder.mkdir(parents=True, exist_ok=True)
    render_develop.save(picture, folder / f"{name(number)}.webp")


def write_manifest(folder: Path) -> None:
    """List the people whose files are there. Two workers may finish at once: the second waits."""
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        for file in sorted(folder.glob("person-*.webp")):
            number = int(file.stem[-3:])
            split = "train" if number < render_person.TRAIN else "test"
            parameters = json.dumps(_rounded(render_person.person(number)), separators=(",", ":"))
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            table.writerow([file.stem, number, split, digest, parameters])
        write_atomically(folder / "manifest.csv", text.getvalue().encode())


def order() -> list[int]:
    """Three people to train on, one to test on, and so on: a run that breaks off leaves both splits filled."""
    train, everyone = render_person.TRAIN, render_person.TRAIN + render_person.TEST
    numbers = iter(range(train)), iter(range(train, everyone))
    return [next(numbers[turn % 4 == 3]) for turn in range(everyone)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=PORTRAITS)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of each worker")
    parser.add_argument("--worker", default="0/1", help="this worker and how many there are, such as 1/4")
    options = parser.parse_args()
    this, workers = map(int, options.worker.split("/"))
    for number in order()[this::workers]:
        if (options.folder / f"{name(number)}.webp").exists():
            continue
        start = time.time(), time.process_time()
        render_one(number, options.folder, options.threads)
        write_manifest(options.folder)
        wall, processor = time.time() - start[0], time.process_time() - start[1]
        print(f"{name(number)}: {wall:.0f} s, {processor:.0f} s of processor time", flush=True)


def _rounded(value):
    """Parameters to four digits, which is what the manifest shows; the seed gives them in full."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
