"""Portraits of one's own by a command: `python -m lib cutout photo.jpg`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lib.base import UserError
from lib.cutout import batch, cutter
from lib.cutout.backgrounds import background
from lib.cutout.job import Wish, check_target, do, identities


def main(arguments: Sequence[str] | None = None) -> None:
    """Cut the people out of photographs, without a trimap.

    Exit status 0; 1 where some of several files were bad (the others are done); UserError (2) for a mistake.
    """
    given = parser().parse_args(arguments)
    inputs, wish, piped = [Path(each) for each in given.inputs], _wish(given), given.inputs == ["-"]
    out = Path(given.out) if given.out and given.out != "-" else None
    if ("-" in given.inputs and not piped) or (given.out == "-" and len(inputs) > 1):
        raise UserError("-: expected a pipe alone, found more files beside it; name files, or pipe one picture.")
    if piped or given.out == "-":
        _pipe(inputs[0], piped, None if given.out == "-" else out, wish, given)
    elif given.watch:
        _watch(inputs, out, wish, given)
    elif len(inputs) == 1 and not inputs[0].is_dir():
        _one(inputs[0], out, wish, given)
    else:
        _many(inputs, out, wish, given)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        prog="python -m lib cutout",
        description=main.__doc__.splitlines()[0],
        epilog="One picture is made anew, whatever is there; of several, those whose results are there are skipped. "
        "Colour profiles are converted to sRGB; EXIF orientation is applied.",
    )
    add = made.add_argument
    add(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="pictures, clips (GIF, WebP, MP4 ...) or folders; - is standard input",
    )
    add("-o", "--out", help="file (.png, .webp; .jpg with --background; a name without ending: a clip as PNGs), folder for "
        "several, or - for standard output (default: NAME-cutout.png beside it, FOLDER-cutout for a folder)")  # fmt: skip
    add("--mask", action="store_true", help="write the matte alone, as a grey picture")
    add(
        "--background",
        metavar="B",
        help="lay people over a colour (white, #ff8800), a picture, or blur: their own, blurred",
    )
    add("--trimap", metavar="FILE", help="your trimap: 0 background, 128 unknown, 255 person")
    add("--rough-mask", metavar="FILE", help="your rough mask, 255 = person; its edge is found anew")
    add("--brush", metavar="FILE", help="strokes over what is found: 255 stays, 0 goes, 128 is untouched")
    add("--rectangle", metavar="X,Y,W,H", help="look only here (pixels from the upper left)")
    add("--method", choices=cutter.METHODS, default="auto", help="for the unknown pixels; auto is network")
    add("--overwrite", action="store_true", help="of several: also those whose results are there")
    add("--watch", action="store_true", help="do what comes into a folder, until Ctrl-C")
    add("--threads", type=int, default=0, help="of the processor, 0 = all")
    add("--weights", default=str(cutter.WEIGHTS), help="folder of the networks")
    return made


def _wish(given: argparse.Namespace) -> Wish:
    if given.mask and given.background:
        raise UserError("--mask: expected it without --background, found both; choose one.")
    files = [given.trimap, given.rough_mask, given.brush]
    if any(files) and (len(given.inputs) > 1 or Path(given.inputs[0]).is_dir()):
        raise UserError("--trimap, --rough-mask, --brush: expected one picture, found several; do them one by one.")
    behind = background(given.background) if given.background else None
    rectangle = _rectangle(given.rectangle) if given.rectangle else None
    return Wish(given.trimap, given.rough_mask, rectangle, given.brush, given.method, given.mask, behind)


def _rectangle(text: str) -> cutter.Rectangle:
    try:
        left, top, width, height = map(int, text.split(","))
    except ValueError as error:
        raise UserError(f"--rectangle: expected X,Y,W,H in whole pixels, found {text!r}; correct it.") from error
    return left, top, width, height


def _inputs(inputs: list[Path], given: argparse.Namespace) -> set[tuple[int, int]]:
    """All that must not be overwritten."""
    beside = (given.trimap, given.rough_mask, given.brush, given.background)
    return identities(inputs + [Path(each) for each in beside if each])


def _pipe(source: Path, piped: bool, out: Path | None, wish: Wish, given: argparse.Namespace) -> None:
    if out is None and sys.stdout.isatty():
        raise UserError("-: expected a pipe or a file for the picture, found a terminal; add > out.png, or -o out.png.")
    if out is not None:
        check_target(out, _inputs([], given), wish)
    content = sys.stdin.buffer.read() if piped else source
    _noted("-" if piped else str(source), do(cutter.load(given.weights, given.threads), content, out, wish))


def _one(source: Path, out: Path | None, wish: Wish, given: argparse.Namespace) -> None:
    target = batch.targets([source], out)[0][1] if out is None or out.is_dir() else out
    check_target(target, _inputs([source], given), wish)
    _noted(str(source), do(cutter.load(given.weights, given.threads), source, target, wish))
    batch.say(f"{source} -> {target}")


def _many(inputs: list[Path], out: Path | None, wish: Wish, given: argparse.Namespace) -> None:
    pairs = []
    for folder in (each for each in inputs if each.is_dir()):
        pictures, others = batch.files_of(folder)
        pairs += batch.targets(pictures, out or _beside(folder))
        if others:
            batch.say(f"{folder}: {len(others)} files are no pictures by their names and were left: {_short(others)}.")
    pairs += batch.targets([each for each in inputs if not each.is_dir()], out)
    _check_folder(out, [target for _, target in pairs])
    kept = _inputs([source for source, _ in pairs], given)
    for _, target in pairs:
        check_target(target, kept, wish)
    _work(pairs, wish, given)


def _watch(inputs: list[Path], out: Path | None, wish: Wish, given: argparse.Namespace) -> None:
    if len(inputs) != 1 or not inputs[0].is_dir():
        raise UserError(f"--watch: expected one folder, found {', '.join(map(str, inputs))}; name a folder.")
    out = out or _beside(inputs[0])
    _check_folder(out, [])
    if out.exists() and out.samefile(inputs[0]):
        raise UserError(f"{out}: expected another folder than the one that is watched, found the same; name another.")
    work = _batch(wish, given)
    batch.say(f"{inputs[0]} is watched; results go to {out}; Ctrl-C ends it.")
    work.watch(inputs[0], out)
    _finish(work)


def _work(pairs: list[tuple[Path, Path]], wish: Wish, given: argparse.Namespace) -> None:
    work = _batch(wish, given)
    work.run(pairs)
    _finish(work)


def _batch(wish: Wish, given: argparse.Namespace) -> batch.Batch:
    loaded = cutter.load(given.weights, given.threads)
    return batch.Batch(lambda source, target: do(loaded, source, target, wish), given.overwrite)


def _finish(work: batch.Batch) -> None:
    batch.say(work.summary())
    if work.bad:
        sys.exit(1)


def _check_folder(out: Path | None, results: list[Path]) -> None:
    if out is not None and (out.is_file() or (out.suffix and not out.is_dir())):
        raise UserError(f"{out}: expected a folder for several results, found a file's name; name a folder.")
    twice = sorted({path for path in results if results.count(path) > 1})
    if twice:
        raise UserError(
            f"{twice[0]}: expected one result there, found several inputs of that name; do them one by one."
        )


def _beside(folder: Path) -> Path:
    """The folder's results: NAME-cutout."""
    folder = folder.resolve()
    return folder.with_name(f"{folder.name}-cutout")


def _noted(name: str, notes: list[str]) -> None:
    for note in notes:
        batch.say(f"{name}: {note}")


def _short(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths[:5]) + (" ..." if len(paths) > 5 else "")
