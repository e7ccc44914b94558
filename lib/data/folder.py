"""Any directory of pictures with alphas as a source: image/ and alpha/, and trimap/ where there is one.

    image/GT01.png   alpha/GT01.png   [trimap/GT01.png]   [foreground/GT01.png   background/GT01.png]

A picture and its alpha have the same name without the suffix and may differ in format. Pictures may lie one
or two directories deeper (image/<group>/name.jpg); the first of these directories is the group, else each is
its own. The folder names of alphamatting.com's downloads are understood too.
"""

from pathlib import Path, PurePosixPath

import numpy as np

from lib.base import UserError
from lib.data.decode import check_same_size, read_grey, read_rgb, shrink
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
from lib.data.trimap import three_levels

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
DEPTH = 2  # directories below a layer's own
LAYERS = {  # role: folder names, the first that exists is used
    "image": ("image", "images", "input_training_lowres", "input_lowres"),
    "alpha": ("alpha", "alphas", "gt_training_lowres", "gt_lowres"),
    "trimap": ("trimap", "trimap1", "trimap_training_lowres/Trimap1", "trimap_lowres/Trimap1"),
    "foreground": ("foreground",),
    "background": ("background",),
}


class Folder:
    """A directory of images and alphas on disk, as a source (see lib.data.source.Source).

    data_dir: holds image/ and alpha/. images: how many to use, drawn with `seed`; 0 = all. parameter: what errors call
    data_dir. Where trimap/, foreground/ or background/ exist, every used image must have its file there; images that lack
    one are left out. Raises UserError when the directory is missing or wrong, or holds no pair.
    """

    name = "folder"

    def __init__(self, data_dir: str | Path, images: int = 0, seed: int = 0, parameter: str = "data_dir"):
        try:
            self.root = existing_directory(data_dir, "folder")
        except UserError as error:
            raise UserError(str(error).replace("data_dir", parameter, 1)) from error
        self._folders = _find_layers(self.root, parameter)
        files = {role: list_files(self.root / folder, DEPTH) for role, folder in self._folders.items()}
        self._paths, self.left_out = _pair(self._folders, files)
        deeper = too_deep(self.root, self._folders.values(), DEPTH)
        self.left_out = sorted(self.left_out + deeper)
        if not self._paths:
            held = ", ".join(f"{len(files[role])} files in {name}/" for role, name in self._folders.items())
            raise UserError(
                f"{self.root}: expected pictures of the same names in each folder, found "
                f"none that is in all ({held}); check the names."
            )
        found = sorted(self._paths)
        self.keys = [found[i] for i in subset(len(found), images, seed)]
        self.groups = [key.split("/")[0] for key in self.keys]
        self.counts = {
            "files": sum(map(len, files.values())) + len(deeper),
            "images": len(files["image"]),
            **count_reasons(self.left_out),
            "pairs": len(found),
            "used": len(self.keys),
        }
        stats = {
            f"{folder}/{name}": stat for role, folder in self._folders.items() for name, stat in files[role].items()
        }
        used = (path for key in self.keys for path in self._paths[key].values())
        self.fingerprint = fingerprint_files(stats, used)

    def read(self, index: int, size: tuple[int, int] | None = None) -> Sample:
        """Image and alpha, with trimap, foreground and background where the set has them; see
        lib.data.source.Source.read. Raises DefectiveFile (a UserError) for a bad file."""
        paths = {role: self.root / path for role, path in self._paths[self.keys[index]].items()}
        image = read_rgb(paths["image"], size)
        layers = {}
        for role in paths.keys() - {"image"}:
            layer = read_grey(paths[role]) if role in ("alpha", "trimap") else read_rgb(paths[role]).pixels
            check_same_size(paths[role], layer.shape[:2], paths["image"], image.full)
            layers[role] = _thin(layer, image.scale) if role == "trimap" else shrink(layer, image.scale)
        return Sample(image.pixels, **layers)


def _thin(trimap: np.ndarray, scale: int) -> np.ndarray:
    """Three levels at 1/scale: the pixel in the middle of each block, as a mean would be no level."""
    return three_levels(trimap[scale // 2 :: scale, scale // 2 :: scale])


def _find_layers(root: Path, parameter: str) -> dict[str, str]:
    """Role -> folder, for the folders that exist. Raises UserError without image/ or alpha/."""
    folders = {}
    for role, names in LAYERS.items():
        folder = next((name for name in names if (root / name).is_dir()), None)
        if folder:
            folders[role] = folder
        elif role in ("image", "alpha"):
            raise UserError(
                f"{parameter}: expected a directory named {role}/ in {root}, found none; "
                f"put the {role} files there, or give another directory."
            )
    return folders


def _pair(folders: dict[str, str], files: dict[str, dict]) -> tuple[dict[str, dict[str, str]], list[tuple[str, str]]]:
    """Key -> role -> path relative to the root, for keys that every folder has; and what was left out,
    sorted."""
    left_out, by_key = [], {role: {} for role in folders}
    for role, folder in folders.items():
        for name in sorted(files[role]):
            key = str(PurePosixPath(name).with_suffix(""))
            if reason := foreign_file(name):
                left_out.append((f"{folder}/{name}", reason))
            elif not name.lower().endswith(SUFFIXES):
                left_out.append((f"{folder}/{name}", "not a picture"))
            elif files[role][name] == BROKEN:
                left_out.append((f"{folder}/{name}", "broken link"))
            elif key in by_key[role]:
                left_out.append((f"{folder}/{name}", "second file of the same name"))
            else:
                by_key[role][key] = f"{folder}/{name}"
    whole = set.intersection(*(set(found) for found in by_key.values()))
    for role, found in by_key.items():
        for key in found.keys() - whole:
            missing = [other for other in by_key if key not in by_key[other]]
            left_out.append((found[key], f"{role} without {' and '.join(missing)}"))
    paths = {key: {role: by_key[role][key] for role in folders} for key in whole}
    return paths, sorted(left_out)
