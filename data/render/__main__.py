"""`python data/render` (`make render`): the people of data/portraits and the clips of data/sequences, rendered again from their seeds. Needs
Blender's module and anny (the extra `render`); the paper doesn't.

What is there is left as it is, so that a broken-off run goes on where it stopped; remove a file to render it again. The
manifests list what is there, with its parameters and SHA-256.
"""

import argparse
import csv
import fcntl
import hashlib
import importlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from axes import FIRST, MORE
from person import TEST, TRAIN, draw_person, split
from place import DATA, name, write_atomically

COLUMNS = ("id", "seed", "split", "sha256", "parameters")
CLIPS = 24  # people of whom there is a clip: the first in `order`


def render_person_to(number: int, folder: Path, threads: int, **quality) -> None:
    """Render person `number` into `folder`. quality: see scene.render."""
    import develop
    import scene

    person = draw_person(number)
    face = scene.build(person)
    colour, alpha, own = scene.render(threads=threads, **quality)
    seen = scene.face_pixels(face, *alpha.shape[::-1])
    picture = develop.develop(colour, own, alpha, develop.exposure(colour, own, alpha, seen, person))
    folder.mkdir(parents=True, exist_ok=True)
    develop.save(picture, folder / f"{name(number)}.webp")


def render_clip_to(number: int, folder: Path, threads: int, **quality) -> None:
    """Render the clip of person `number` into `folder`: its frames one below the other."""
    import develop
    import sequence

    frames = sequence.render(number, threads, **quality)
    folder.mkdir(parents=True, exist_ok=True)
    develop.save(np.concatenate(frames), folder / f"{name(number, 'clip')}.webp")


def write_manifest(folder: Path, kind: str) -> None:
    """List what is there of a kind, person or clip. Two workers may finish at once: the second waits."""
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        for file in sorted(folder.glob(f"{kind}-*.webp")):
            number = int(file.stem[-3:])
            parameters = json.dumps(_rounded(_parameters(number, kind)), separators=(",", ":"))
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            table.writerow([file.stem, number, split(number), digest, parameters])
        write_atomically(folder / "manifest.csv", text.getvalue().encode())


def order() -> list[int]:
    """Three people to train on, one to test on, and so on: a run that breaks off leaves both splits filled. The first
    120 come first."""
    train, everyone = TRAIN, TRAIN + TEST
    numbers = iter(range(train)), iter(range(train, everyone))
    return [next(numbers[turn % 4 == 3]) for turn in range(everyone)] + list(range(FIRST, FIRST + MORE))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what",
        nargs="?",
        default="people",
        choices=("people", "backgrounds", "check"),
        help="people with their clips, backgrounds, or the check of stored people against a render",
    )
    parser.add_argument("--folder", type=Path, default=DATA, help="where portraits/ and sequences/ go")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes, of one thread each")
    parser.add_argument("--share", default="", help="for the processes themselves: which share is theirs, such as 1/4")
    options = parser.parse_args()
    if options.what != "people":
        importlib.import_module(options.what).main()
        return
    if not options.share:
        start_workers(options)
        return
    this, workers = map(int, options.share.split("/"))
    everyone = order()
    todo = [("person", number) for number in everyone] + [("clip", number) for number in everyone[:CLIPS]]
    for kind, number in todo[this::workers]:
        folder = (
            options.folder / {"person": "portraits" if number < FIRST else "portraits-more", "clip": "sequences"}[kind]
        )
        if (folder / f"{name(number, kind)}.webp").exists():
            continue
        start = time.time(), time.process_time()
        {"person": render_person_to, "clip": render_clip_to}[kind](number, folder, threads=1)
        write_manifest(folder, kind)
        wall, processor = time.time() - start[0], time.process_time() - start[1]
        print(f"{name(number, kind)}: {wall:.0f} s, {processor:.0f} s of processor time", flush=True)


def start_workers(options) -> None:
    """One process for each share. They have one thread each: much of a picture's time is not the path tracer's."""
    command = [sys.executable, str(Path(__file__).parent), "--folder", str(options.folder), "--share"]
    started = [subprocess.Popen([*command, f"{share}/{options.workers}"]) for share in range(options.workers)]
    failed = [process for process in started if process.wait()]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(started)} renderers failed; what they finished is kept: run it again.")


def _parameters(number: int, kind: str) -> dict:
    if kind == "person":
        return draw_person(number)
    import sequence

    return {
        "person": name(number),
        "frames_a_second": 1 / sequence.STEP,
        "far_moves": sequence.far_moves(number).tolist(),
    }  # pixels to the right and down, a row a frame


def _rounded(value):
    """Parameters to four digits, which is what the manifest shows; the seed gives them in full."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
