"""Many files: which ones, where their results go, which are done already; and a folder that is watched."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from lib.base import UserError
from lib.cutout.clips import FILMS
from lib.cutout.job import CannotWrite

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", *FILMS)
WEBP = (".gif", ".webp", *FILMS)  # their results are WebP, which can be animations
PAUSE = 1.0  # seconds between two looks at a watched folder

Do = Callable[[Path, Path], list[str]]  # cuts out a file into another; notes
State = tuple[int, int]  # of a file: its size in bytes and when it was changed, in ns


def files_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folder's pictures and clips by their names, and its other files; not what lies deeper, nothing hidden."""
    try:
        files = sorted(path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise _unreadable(folder, error) from error
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
    return pictures, [path for path in files if path.suffix.lower() not in SUFFIXES]


def targets(sources: Iterable[Path], folder: Path | None) -> list[tuple[Path, Path]]:
    """Each source with its result: in `folder`, or beside itself as NAME-cutout.png; .webp for clips and WebP.

    Two sources that differ by ending alone keep it: a.jpg.png and a.png.png.
    """
    sources = list(sources)
    plain = [_plain(source, folder) for source in sources]
    times = Counter(plain)  # a watched folder of thousands is looked through every second
    return [
        (source, target if times[target] == 1 else target.with_name(source.name + target.suffix))
        for source, target in zip(sources, plain, strict=True)
    ]


def _plain(source: Path, folder: Path | None) -> Path:
    suffix = ".webp" if source.suffix.lower() in WEBP else ".png"
    if folder is None:
        return source.with_name(f"{source.stem}-cutout{suffix}")
    return folder / f"{source.stem}{suffix}"


class Batch:
    """Does files one after the other and keeps count; a bad one is named and left.

    do: cuts out one file into another. overwrite: also those whose result is there.
    """

    def __init__(self, do: Do, overwrite: bool = False):
        self.do, self.overwrite = do, overwrite
        self.done, self.skipped, self.bad = 0, 0, []

    def run(self, pairs: list[tuple[Path, Path]]) -> None:
        """All of them, in order; CannotWrite ends it."""
        for place, (source, target) in enumerate(pairs, 1):
            self.one(source, target, f"[{place}/{len(pairs)}] ")

    def one(self, source: Path, target: Path, place: str = "") -> None:
        """One file: done, skipped or bad."""
        if target.exists() and not self.overwrite:
            self.skipped += 1
            return
        before = time.perf_counter()
        try:
            notes = self.do(source, target)
        except CannotWrite:
            raise
        except (UserError, MemoryError) as error:
            self.bad.append(source)
            cause = error if isinstance(error, UserError) else "expected enough memory, found too little; shrink it."
            say(f"{place}{source}: left out: {str(cause).removeprefix(f'{source}: ')}")
            return
        self.done += 1
        say(f"{place}{source} -> {target} ({time.perf_counter() - before:.1f} s)")
        for note in notes:
            say(f"{source}: {note}")

    def summary(self) -> str:
        """What was done and what was not, in one sentence."""
        parts = [f"{self.done} done"]
        if self.skipped:
            parts.append(f"{self.skipped} skipped, as their results are there (--overwrite makes them anew)")
        if self.bad:
            parts.append(f"{len(self.bad)} bad and left out: {', '.join(path.name for path in self.bad)}")
        return "; ".join(parts) + "."

    def watch(self, folder: Path, out: Path, wait: Callable[[], None] = lambda: time.sleep(PAUSE)) -> None:
        """Do what comes into the folder, once it has stopped growing, until Ctrl-C; a bad file again if it changes.

        Kept in memory are the name and the state of what lies in the folder, some hundred bytes a file, and nothing of what left.
        """
        growing: dict[str, State] = {}
        finished: dict[str, State] = {}
        try:
            while True:
                there = _states(folder)
                finished = {name: state for name, state in finished.items() if name in there}
                fresh = {name: state for name, state in there.items() if state != finished.get(name)}
                ready = [name for name, state in fresh.items() if state == growing.get(name)]
                for source, target in _targets_of(ready, there, folder, out):
                    self.one(source, target)
                    finished[source.name] = fresh[source.name]
                growing = fresh
                wait()
        except KeyboardInterrupt:
            return


def say(sentence: str) -> None:
    """To standard error: standard output may be a picture."""
    print(sentence, file=sys.stderr, flush=True)


def _states(folder: Path) -> dict[str, State]:
    """The pictures and clips of a folder by their names. What cannot be asked, as a link to itself, is none."""
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or os.path.splitext(entry.name)[1].lower() not in SUFFIXES:
                    continue
                with suppress(OSError):
                    if not entry.is_dir():
                        status = entry.stat()
                        found[entry.name] = status.st_size, status.st_mtime_ns
    except OSError as error:
        raise _unreadable(folder, error) from error
    return found


def _targets_of(names: list[str], there: Iterable[str], folder: Path, out: Path) -> list[tuple[Path, Path]]:
    """Each of the names with its result, in order; the names beside them decide as in `targets`."""
    if not names:
        return []
    stems = {os.path.splitext(name)[0] for name in names}
    rivals = sorted(folder / name for name in there if os.path.splitext(name)[0] in stems)
    wanted = set(names)
    return [(source, target) for source, target in targets(rivals, out) if source.name in wanted]


def _unreadable(folder: Path, error: OSError) -> UserError:
    return UserError(f"{folder}: expected a readable folder, found: {error.strerror}; check its permissions.")
