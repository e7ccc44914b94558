"""The AISegment portraits ("matting_human_half" on Kaggle): 34,425 half-length portraits with mattes.

    clip_img/<group>/clip_<8 digits>/<group>-<8 digits>.jpg        photo, 600x800
    matting/<group>/matting_<8 digits>/<group>-<8 digits>.png      matte: RGBA, alpha is channel 3

RGB of the matte is undefined where alpha is 0, so only channel 3 is read. The published copy holds stray
AppleDouble files (`._name`, macOS's side files) and a matte without an image; copies nest the two folders
under `matting_human_half/` up to twice. Photo and matte are paired by name, never by position in a sorted
list: one orphan would shift every later pair.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from lib.base import UserError
from lib.data.decode import check_same_size, read_alpha, read_rgb, shrink
from lib.data.source import (
    BROKEN,
    Sample,
    count_reasons,
    existing_directory,
    fingerprint_files,
    foreign_file,
    list_files,
    subset,
    too_deep,
)

FOLDERS = ("clip_img", "matting")
NESTING = "matting_human_half"
DEPTH = 2  # directories below each of FOLDERS
SUFFIXES = {"clip_img": (".jpg", ".jpeg"), "matting": (".png",)}


@dataclass(frozen=True)
class Index:
    """What a listing holds. pairs: (key, group, image path, matte path), sorted by key; the key is the name
    that photo and matte share. counts: files by what they are. left_out: (path, reason), sorted."""

    pairs: list[tuple[str, str, str, str]]
    counts: dict[str, int]
    left_out: list[tuple[str, str]]


class AISegment:
    """The AISegment set on disk, as a source (see lib.data.source.Source).

    data_dir: the set's directory at any nesting. images: how many pairs to use, drawn with `seed`; 0 = all.
    Raises UserError when the directory is missing, holds no such set, or holds no pair.
    """

    name = "aisegment"

    def __init__(self, data_dir: str | Path, images: int = 0, seed: int = 0):
        self.root = find_root(data_dir)
        files = {}
        for folder in FOLDERS:
            listing = list_files(self.root / folder, DEPTH)
            files.update({f"{folder}/{path}": stat for path, stat in listing.items()})
        deeper = too_deep(self.root, FOLDERS, DEPTH)
        broken = [(path, "broken link") for path, stat in files.items() if stat == BROKEN]
        found = index(files.keys() - dict(broken).keys())
        if not found.pairs:
            held = f"{found.counts['images']} images, {found.counts['mattes']} mattes"
            raise UserError(
                f"{self.root}: expected photos in clip_img/ and mattes of the same names in "
                f"matting/, found no pair ({held}); download the set again."
            )
        self._pairs = [found.pairs[i] for i in subset(len(found.pairs), images, seed)]
        self.keys = [pair[0] for pair in self._pairs]
        self.groups = [pair[1] for pair in self._pairs]
        self.left_out = sorted([*found.left_out, *broken, *deeper])
        counts = found.counts | {"files": len(files) + len(deeper)} | count_reasons([*broken, *deeper])
        self.counts = {**counts, "pairs": len(found.pairs), "used": len(self._pairs)}
        self.fingerprint = fingerprint_files(files, (path for pair in self._pairs for path in pair[2:]))

    def read(self, index: int, size: tuple[int, int] | None = None) -> Sample:
        """Photo and alpha; see lib.data.source.Source.read. Raises DefectiveFile (a UserError) for a bad file."""
        image_path, matte_path = (self.root / path for path in self._pairs[index][2:])
        image = read_rgb(image_path, size)
        alpha = read_alpha(matte_path)
        check_same_size(matte_path, alpha.shape, image_path, image.full)
        return Sample(image.pixels, np.ascontiguousarray(shrink(alpha, image.scale)))


def find_root(data_dir: str | Path) -> Path:
    """The directory of clip_img/ and matting/: `data_dir` itself, or one or two matting_human_half/ below.

    The outermost wins: the Kaggle archive holds the set twice. Raises UserError when there is none.
    """
    top = existing_directory(data_dir, "aisegment")
    candidates = [top, top / NESTING, top / NESTING / NESTING]
    for candidate in candidates:
        if all((candidate / folder).is_dir() for folder in FOLDERS):
            return candidate
    for candidate in candidates:
        for folder, other in (FOLDERS, FOLDERS[::-1]):
            if (candidate / folder).is_dir():
                raise UserError(
                    f"{candidate}: expected both clip_img/ and matting/, found no {other}/; download the set again."
                )
    entries = sorted(path.name for path in top.iterdir())
    held = ", ".join(entries[:5]) + (" ..." if len(entries) > 5 else "") if entries else "nothing"
    raise UserError(
        f"data_dir: expected clip_img/ and matting/ in {top} or in matting_human_half/ below it, "
        f"found {held}; give the directory that holds the AISegment set."
    )


def index(paths: Iterable[str]) -> Index:
    """Sort a listing of relative paths into pairs and leftovers; looks at names only.

    Photo and matte belong together when group folder and name agree. Left out, each with its reason:
    AppleDouble files (by any part of the path that starts with `._`; the real file of the same name stays),
    photos without matte, mattes without photo, a second file of the same name, and files that are neither.
    """
    left_out: list[tuple[str, str]] = []
    by_name: dict[str, dict[str, str]] = {folder: {} for folder in FOLDERS}
    groups: dict[str, str] = {}
    totals = {"files": 0, "images": 0, "mattes": 0}
    for path in sorted(paths):
        totals["files"] += 1
        folder, reason = _kind(path)
        if reason:
            left_out.append((path, reason))
            continue
        totals["images" if folder == "clip_img" else "mattes"] += 1
        key, group = PurePosixPath(path).stem, path.split("/")[1]
        if key in by_name[folder] or groups.setdefault(key, group) != group:
            left_out.append((path, "second file of the same name"))
        else:
            by_name[folder][key] = path
    images, mattes = (by_name[folder] for folder in FOLDERS)
    left_out += [(images[key], "image without matte") for key in images.keys() - mattes.keys()]
    left_out += [(mattes[key], "matte without image") for key in mattes.keys() - images.keys()]
    pairs = [(key, groups[key], images[key], mattes[key]) for key in sorted(images.keys() & mattes.keys())]
    return Index(pairs, totals | count_reasons(left_out), sorted(left_out))


def _kind(path: str) -> tuple[str, str]:
    """(top folder, reason to leave the file out or '')."""
    parts = path.split("/")
    if reason := foreign_file(path):
        return parts[0], reason
    suffixes = SUFFIXES.get(parts[0], ())
    if len(parts) != 4 or not parts[-1].lower().endswith(suffixes):
        return parts[0], "not part of the layout"
    return parts[0], ""
