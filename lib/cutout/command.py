"""`python -m lib cutout PHOTO ...`: people cut out of photographs, by file, folder or pipe."""

import argparse
import contextlib
import errno
import io
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageColor

from lib.base import UserError, write_atomically
from lib.cutout import cutter
from lib.data.images import open_picture, read_photo

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff", ".heic")  # fmt: skip
FORMATS = {".png": "PNG", ".webp": "WEBP"}  # of results
PIPE = "-"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # the next picture would fare no better


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m lib cutout",
        description="Cut the people out of photographs, without a trimap. One photograph is always done; of several, those whose "
        "results are there are skipped. Colors are converted to sRGB.",
    )
    add = result.add_argument
    add("inputs", nargs="+", type=_path, metavar="INPUT", help="photographs, folders of them, or - for standard input")
    add("-o", "--out", type=_path, help="a .png or .webp file for one photograph, a folder for several, - for standard output (default: "
        "NAME-cutout.png beside it, FOLDER-cutout for a folder)")  # fmt: skip
    add("--mask", action="store_true", help="write the matte alone, as a gray picture")
    add("--background", metavar="B", help="lay the person over a color (white, #ff8800) or a picture")
    add("--trimap", type=_path, metavar="FILE", help="your trimap: 0 background, 128 unknown, 255 person")
    add("--method", choices=cutter.METHODS, default=cutter.METHODS[0], help="of the unknown pixels. " + cutter.COSTS)
    add("--weights", type=_path, default=cutter.WEIGHTS, metavar="FOLDER",
        help="of networks, or of one training that takes a trimap, such as runs/quick/train/dim-da-both-seed0")  # fmt: skip
    add("--overwrite", action="store_true", help="of several: also those whose results are there")
    add("--threads", type=int, default=0, help="of the processor, 0 = all")
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit status 1 where some of several photographs were bad: the others are done. UserError for a mistake."""
    args = parser().parse_args(arguments)
    pairs, several = _pairs(args.inputs, args.out)
    if args.mask and args.background:
        raise UserError("--mask: expected it without --background, found both; choose one.")
    if args.trimap and several:
        raise UserError("--trimap: expected one picture, found several; do them one by one.")
    _check_targets(pairs, [Path(name).expanduser() for name in (args.trimap, args.background) if name])
    background = _background(args.background) if args.background else None
    networks = cutter.load(args.weights, args.threads)
    networks.matting(args.method)  # what is missing for all is said before the first
    skipped, bad = 0, 0
    for source, target in pairs:
        if several and target.exists() and not args.overwrite:
            skipped += 1
            continue
        try:
            with contextlib.redirect_stdout(sys.stderr):  # pymatting warns there, in the midst of a piped picture
                cut = _cut_out(networks, source, args)
            _write(target, cut.mask if args.mask else cut.over(background) if background else cut.rgba)
        except (UserError, MemoryError) as error:
            if not several or getattr(error.__cause__, "errno", 0) in NO_ROOM:
                raise
            bad += 1
            print(error if str(error) else f"{source}: expected enough memory, found too little.", file=sys.stderr)
            continue
        for note in (*(() if target == PIPE else (f"-> {target}",)), *cut.notes):
            print(f"{source} {note}", file=sys.stderr)
    if several:
        print(f"{len(pairs) - skipped - bad} done, {skipped} there already, {bad} left out.", file=sys.stderr)
    if bad:
        sys.exit(1)


def _path(text: str) -> Path | str:
    return text if text == PIPE else Path(text).expanduser()  # no shell expands --out=~/a.png


def _pairs(paths: list, out: Path | str | None) -> tuple[list[tuple], bool]:
    """(photograph, its result), each a path or -; and whether there may be several."""
    if len(paths) == 1 and (paths[0] == PIPE or not paths[0].is_dir()):
        if isinstance(out, Path) and out.is_dir() and paths[0] != PIPE:
            out = out / f"{paths[0].stem}.png"
        return [(paths[0], out or (PIPE if paths[0] == PIPE else _beside(paths[0])))], False
    if PIPE in (out, *paths):
        raise UserError("-: expected one photograph for a pipe, found several; name one, or name a folder.")
    if out is not None and (out.is_file() or (out.suffix and not out.is_dir())):
        raise UserError(f"{out}: expected a folder for several results, found a file's name; name a folder.")
    pairs = [(path, out / f"{path.stem}.png" if out else _beside(path)) for path in paths if not path.is_dir()]
    for folder in (path for path in paths if path.is_dir()):
        results = out or folder.resolve().with_name(f"{folder.resolve().name}-cutout")
        if results.exists() and results.samefile(folder):  # a second time, results would be cut out as well
            raise UserError(f"{results}: expected another folder than the photographs', found the same; name another.")
        files = sorted(file for file in folder.iterdir() if file.name[0] != "." and not file.is_dir())
        photos = [file for file in files if file.suffix.lower() in SUFFIXES]
        if not photos:
            raise UserError(f"{folder}: expected photographs, found none by their names; name another folder.")
        if len(photos) < len(files):
            print(f"{folder}: {len(photos)} of {len(files)} files are pictures by their names.", file=sys.stderr)
        stems = Counter(file.stem for file in photos)
        pairs += [(f, results / f"{f.stem if stems[f.stem] == 1 else f.name}.png") for f in photos]
    return pairs, True


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.stem}-cutout.png")


def _check_targets(pairs: list[tuple], others: list[Path]) -> None:
    """UserError where a result would be no picture, replace an input, or replace another result: before the work."""
    paths = [path for path in (*(source for source, _ in pairs), *others) if path != PIPE and path.exists()]
    inputs = {(status.st_dev, status.st_ino) for status in map(Path.stat, paths)}
    for target, times in Counter(target for _, target in pairs).items():
        if target == PIPE:
            if sys.stdout is None or sys.stdout.isatty():
                raise UserError("-: expected a pipe for the result, found none; add > out.png, or -o out.png.")
        elif target.suffix.lower() not in FORMATS:
            ending = target.suffix or "none"
            raise UserError(f"{target}: expected an ending of {', '.join(FORMATS)}, found {ending}; choose one.")
        elif target.exists() and (target.stat().st_dev, target.stat().st_ino) in inputs:
            raise UserError(f"{target}: expected a file of its own for the result, found an input; name another.")
        elif times > 1:
            raise UserError(f"{target}: expected one result there, found several inputs of that name; rename one.")


def _cut_out(networks: cutter.Cutter, source, args: argparse.Namespace) -> cutter.CutOut:
    if source != PIPE:
        return networks.cut_out(source, args.trimap, args.method)
    if sys.stdin is None:
        raise UserError("-: expected an open standard input, found it closed; pipe a photograph into it.")
    with open_picture(Path(PIPE), sys.stdin.buffer.read()) as image:
        return networks.cut_out(image, args.trimap, args.method)


def _write(target: Path | str, picture: Image.Image) -> None:
    content = io.BytesIO()
    try:
        picture.save(content, "PNG" if target == PIPE else FORMATS[target.suffix.lower()], quality=92)
        if target == PIPE:
            sys.stdout.buffer.write(content.getvalue())
            sys.stdout.buffer.flush()
        else:
            write_atomically(target, content.getvalue())
    except (OSError, ValueError) as error:  # a full disk; a picture too large for WebP
        cause = getattr(error, "strerror", None) or error
        raise UserError(f"{target}: expected a place that can be written, found: {cause}; name another.") from error


def _background(text: str) -> Image.Image:
    """A picture, or a colored pixel that is stretched."""
    if (file := Path(text).expanduser()).is_file():
        return Image.fromarray(read_photo(file).pixels)
    try:
        return Image.new("RGB", (1, 1), ImageColor.getrgb(text)[:3])
    except ValueError as error:
        raise UserError(
            f"--background: expected a picture's path or a color such as white or #ff8800, found {text!r}; correct it."
        ) from error
