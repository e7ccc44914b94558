"""The command line of the library: `python -m lib COMMAND ...`; `python -m lib COMMAND --help` lists the options."""

import argparse
import os
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from lib.base import UserError, os_errors


def setting(text: str) -> tuple[str, object]:
    """ "name=value" -> (name, value), the value read as TOML where it is TOML, otherwise as text."""
    name, _, value = text.partition("=")
    try:
        return name.strip(), tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def run(args: argparse.Namespace) -> None:
    """Run a parsed command; heavy modules are imported here, where they are needed."""
    if args.command == "kaggle":
        return download(args.target)
    from lib.compute import Compute

    compute = Compute(args.device, threads=args.threads)
    if args.command == "sweep":
        from lib.experiments import sweeps

        return sweeps.run_all(args.names, args.add, dict(map(setting, args.set)), compute)
    if args.command == "weights":
        from lib.experiments import shipped

        folders = args.benchmark_dir, args.masks_dir
        return shipped.ship(args.names, args.textures, args.go_on, *folders, args.measure, compute)
    from lib.experiments import transfer

    if args.command == "crossed":
        return transfer.crossed(args.trained, args.tested, args.steps, args.seeds, args.size, compute)
    numbers = args.images, args.many, args.steps, args.seeds, args.size
    return transfer.transfer(args.data, args.data_dir, *numbers, compute)


def download(target: Path) -> None:
    """The AISegment set by kagglehub, whose own layout below a cache directory makes its downloads resumable."""
    os.environ["KAGGLEHUB_CACHE"] = str(target.expanduser().absolute())
    try:
        import kagglehub

        path = kagglehub.dataset_download("laurentmih/aisegmentcom-matting-human-datasets")
    except ModuleNotFoundError as error:
        raise UserError("kaggle: expected the package kagglehub, found none; pip install kagglehub.") from error
    except Exception as error:  # kagglehub passes on what its HTTP library raises
        reason = " ".join(str(error).split())
        raise UserError(f"kaggle: the download stopped ({reason}); give the command again.") from error
    print(f"make paper PROFILE=paper DATA=aisegment DATA_DIR={path}")


def parser() -> argparse.ArgumentParser:
    """All commands and their options, but for those of `cutout`."""
    result = argparse.ArgumentParser(prog="python -m lib", description=__doc__)
    commands = result.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("cutout", help="cut the people out of photographs, with or without a trimap", add_help=False)

    def command(name: str, text: str):
        added = commands.add_parser(name, help=text, description=text)
        if name != "kaggle":
            added.add_argument("--device", default="auto", help="auto, cpu or cuda")
            added.add_argument("--threads", type=int, default=0, help="CPU threads; 0 = all cores")
        return added.add_argument

    add = command("sweep", "train sweeps and ablations of notebooks/experiments.toml")
    add("names", nargs="*", metavar="NAME", help="all by default")
    add("--add", action="store_true", help="keep the results in reports/, train only what they lack")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="replace a setting, such as textures=DIR")
    add = command("weights", "train the networks of data/weights, measure them, and write their cards")
    add("names", nargs="*", metavar="NAME", help="all by default")
    add("--textures", default="", help="folder of photographs without people")
    add("--benchmark-dir", default="", help="pictures with soft alpha to measure on")
    add("--masks-dir", default="", help="photographs with masks to measure on")
    add("--go-on", type=int, default=0, metavar="EPOCHS", help="continue the training of the included network")
    add("--measure", action="store_true", help="train nothing, measure again")
    add = command("crossed", "train and test networks that have seen a picture's person, its place, both or neither")
    numbers = {"trained": 3200, "tested": 160, "steps": 1000, "seeds": 3, "size": 28}
    for name, default in numbers.items():
        add(f"--{name}", type=int, default=default)
    add = command("transfer", "compare training on rendered portraits and on photographs, tested on photographs")
    add("--data", default="folder", help="photographs: aisegment or folder")
    add("--data-dir", required=True, help="their directory")
    for name, default in {"images": 4000, "many": 34_427, "steps": 2000, "seeds": 3, "size": 28}.items():
        add(f"--{name}", type=int, default=default)
    add = command("kaggle", "download the AISegment set with your Kaggle account (KAGGLE_API_TOKEN)")
    add("target", type=Path, help="directory to download into; the same command resumes there")
    return result


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. A user's mistake is one line on stderr, and exit status 2."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with os_errors("a file or directory that can be used"):
            if arguments[:1] == ["cutout"]:  # has its own parser, and needs no PyTorch
                from lib.cutout.command import main as cutout

                cutout(arguments[1:])
            else:
                run(parser().parse_args(arguments))
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
