"""Sets of images with ground truth, as samples in a fixed order: any folder, AISegment, the rendered portraits.

A source is cheap to open (names, sizes and times of files); pixels are read one image at a time. Images and their layers are
paired by name, never by position in a sorted list: one orphan would shift every later pair.
"""

import hashlib
import os
import unicodedata
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from lib.base import UserError, os_errors
from lib.data.images import SUFFIXES, UnusableFile, foreign_file, read_alpha, read_gray, read_rgb
from lib.data.portraits import Portraits
from lib.data.sample import Sample, Source
from lib.data.trimap import to_three_levels

FOLDER_LAYERS = {  # role -> folder names, the first that exists is used (the last are alphamatting.com's)
    "image": ("image", "images", "input_training_lowres", "input_lowres"),
    "alpha": ("alpha", "alphas", "gt_training_lowres", "gt_lowres"),
    "trimap": ("trimap", "trimap1", "trimap_training_lowres/Trimap1", "trimap_lowres/Trimap1"),
    "foreground": ("foreground",),
    "background": ("background",),
}
STUDY_IMAGES = 34_427  # images=0 for the rendered portraits: as many as the study says it has


class Files:
    """A set on disk. layers: role -> folder below `root`. images: how many of them, drawn with `seed`, 0 = all.

    UserError where no image has a file in every layer.
    """

    name = "folder"

    @os_errors("a readable file or directory")
    def __init__(self, root: Path, layers: dict[str, str], images: int = 0, seed: int = 0):
        self.root, self.left_out = root, []
        files = {role: self._list(folder) for role, folder in layers.items()}
        total = len(self.left_out) + sum(map(len, files.values()))
        whole = sorted(set.intersection(*map(set, files.values())))
        if not whole:
            held = ", ".join(f"{len(files[role])} files in {folder}/" for role, folder in layers.items())
            raise UserError(
                f"{root}: expected pictures of the same names in each folder, found none that is in all ({held}); "
                "check the names."
            )
        for role, paths in files.items():
            for key in paths.keys() - set(whole):
                missing = " and ".join(other for other in files if key not in files[other])
                self.left_out.append((f"{layers[role]}/{paths[key]}", f"{role} without {missing}"))
        self.left_out.sort()
        chosen = np.arange(len(whole))
        if 0 < images < len(whole):
            chosen = np.sort(np.random.default_rng([seed, len(whole)]).choice(len(whole), images, replace=False))
        self.keys = [whole[index] for index in chosen]
        self._paths = {key: {role: f"{layers[role]}/{files[role][key]}" for role in layers} for key in self.keys}
        self.groups = [files["image"][key].with_suffix("").parts[0] for key in self.keys]
        reasons = Counter(sorted(reason for _, reason in self.left_out))
        self.counts = {
            "files": total,
            "images": len(files["image"]),
            **reasons,
            "pairs": len(whole),
            "used": len(self.keys),
        }
        digest = hashlib.sha256()
        for path in (path for paths in self._paths.values() for path in paths.values()):
            status = os.stat(f"{root}/{path}")
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        self.fingerprint = digest.hexdigest()

    def key(self, path: Path) -> str:
        """What an image and its layers have in common, of a path below a layer's folder."""
        return path.with_suffix("").as_posix()

    def read_layer(self, role: str, path: Path) -> np.ndarray:
        """One layer but the image, uint8."""
        return read_gray(path) if role in ("alpha", "trimap") else read_rgb(path)[0]

    def read(self, index: int, size: tuple[int, int] | None = None) -> Sample:
        """See `Source.read`. UnusableFile (a UserError) for a bad file."""
        paths = {role: self.root / path for role, path in self._paths[self.keys[index]].items()}
        image, scale = read_rgb(paths.pop("image"), size)
        height, width = (side * scale for side in image.shape[:2])
        layers = {}
        for role, path in paths.items():
            layer = self.read_layer(role, path)
            if layer.shape[:2] != (height, width):
                sentence = f"expected {width}x{height} pixels (width x height) as its image has, found "
                sentence += f"{layer.shape[1]}x{layer.shape[0]}; replace or delete the pair."
                raise UnusableFile(path, "size mismatch", sentence)
            if role == "trimap":  # the pixel in the middle of each block: a mean would be no level
                layer = to_three_levels(layer[scale // 2 :: scale, scale // 2 :: scale])
            elif scale > 1:  # the mean of the blocks that the JPEG decoder averages
                layer = cv2.resize(layer, image.shape[1::-1], interpolation=cv2.INTER_AREA)
            layers[role] = layer
        return Sample(image, **layers)

    def _list(self, layer: str) -> dict[str, Path]:
        """Key -> path below the layer's folder, for its pictures; all other files are left out. Links are followed, but for
        those that lead in a circle."""
        files: dict[str, Path] = {}
        for directory, names, members in os.walk(self.root / layer, followlinks=True, onerror=_fail):
            real, inside = Path(directory).resolve(), Path(directory).relative_to(self.root / layer)
            names[:] = [name for name in sorted(names) if not real.is_relative_to(Path(directory, name).resolve())]
            for path in (inside / name for name in sorted(members)):
                name = os.fsencode(path).decode(errors="backslashreplace")
                key = unicodedata.normalize("NFC", self.key(path))  # systems spell the same accents differently
                reason = foreign_file(path)
                if not reason and path.suffix.lower() not in SUFFIXES:
                    reason = "not a picture"
                elif not reason and name != str(path):
                    reason = "name not in UTF-8"
                elif not reason and not Path(directory, path.name).is_file():
                    reason = "broken link"
                elif not reason and key in files:
                    reason = "second file of the same name"
                if reason:
                    self.left_out.append((f"{layer}/{name}", reason))
                else:
                    files[key] = path
        return files


class AISegment(Files):
    """The AISegment portraits ("matting_human_half" on Kaggle): clip_img/<group>/... and matting/<group>/..., RGBA mattes.

    RGB of a matte is undefined where alpha is 0, so only its alpha is read. data_dir: the set's directory; copies nest the set
    once or twice in it, and the outermost is used.
    """

    name = "aisegment"

    @os_errors("a readable file or directory")
    def __init__(self, data_dir: str | Path, images: int = 0, seed: int = 0):
        top, nested = _directory(data_dir, self.name, "data_dir"), "matting_human_half"
        roots = [top, top / nested, top / nested / nested]
        root = next((root for root in roots if (root / "clip_img").is_dir() and (root / "matting").is_dir()), None)
        if root is None:
            raise UserError(
                f"data_dir: expected clip_img/ and matting/ in {top} or in {nested}/ below it, found none; "
                "give the directory that holds the AISegment set."
            )
        super().__init__(root, {"image": "clip_img", "alpha": "matting"}, images, seed)

    def key(self, path: Path) -> str:
        """The file's name, which in the published set begins with its group's."""
        return path.stem if path.stem.startswith(f"{path.parts[0]}-") else f"{path.parts[0]}/{path.stem}"

    def read_layer(self, role: str, path: Path) -> np.ndarray:
        return read_alpha(path)


@os_errors("a readable file or directory")
def open_folder(data_dir: str | Path, images: int = 0, seed: int = 0, parameter: str = "data_dir") -> Files:
    """Any directory of image/ and alpha/, with trimap/, foreground/ and background/ where it has them.

    A picture and its layers have the same name below these folders but for the suffix; the first folder on the way to it is
    its group. alphamatting.com's folder names are known. parameter: what errors call data_dir.
    """
    root, layers = _directory(data_dir, "folder", parameter), {}
    for role, names in FOLDER_LAYERS.items():
        if folders := [name for name in names if (root / name).is_dir()]:
            layers[role] = folders[0]
        elif role in ("image", "alpha"):
            raise UserError(
                f"{parameter}: expected a directory named {role}/ in {root}, found none; "
                f"put the {role} files there, or give another directory."
            )
    return Files(root, layers, images, seed)


def open_source(data: str, data_dir: str = "", images: int = 0, seed: int = 0) -> Source:
    """A source by name: `portraits` (rendered people, shipped), `aisegment` or `folder`; images: how many, 0 = all."""
    if data not in ("portraits", "aisegment", "folder"):
        raise UserError(f"data: expected one of portraits, aisegment, folder, found '{data}'; choose one of these.")
    if images < 0:
        raise UserError(f"images: expected 0 (all) or a positive number, found {images}; change it.")
    if data == "portraits":
        if data_dir:
            raise UserError(
                f"data_dir: the rendered portraits need no directory, found '{data_dir}'; "
                "leave it empty, or set data to aisegment or folder."
            )
        return Portraits(images or STUDY_IMAGES, seed)
    if not data_dir:
        raise UserError(
            f"data_dir: expected the directory of the {data} set, found nothing; "
            "set data_dir (make paper ... DATA_DIR=/path)."
        )
    return AISegment(data_dir, images, seed) if data == "aisegment" else open_folder(data_dir, images, seed)


def _directory(path: str | Path, data: str, parameter: str) -> Path:
    path = Path(path).expanduser().absolute()
    if not path.is_dir():
        kind = "a file" if path.exists() else "nothing"
        raise UserError(
            f"{parameter}: expected the directory of the {data} set, found {kind} at {path}; correct the path."
        )
    return path


def _fail(error: OSError) -> None:
    raise error
