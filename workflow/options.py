"""The command line that names a run: profile, data, parameters. `python -m workflow` and `python -m workflow.verify`
read it alike, so that both speak of the same run; `python -m workflow.options` prints its name, for scripts."""

import argparse
import os

from lib.experiments.parameters import PATHS
from lib.experiments.profiles import parse_setting, parse_settings


def parser(description: str) -> argparse.ArgumentParser:
    """A parser of what names a run and says how to make it."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("profile", nargs="?", default="quick", help="a file of notebooks/profiles, without .toml")
    made.add_argument("--data", default="", help="portraits, aisegment or folder")
    made.add_argument("--data-dir", default="", help="directory of the images")
    made.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="any parameter of the notebooks")
    made.add_argument("--settings", default="", help="the same in one text, quoted as in a shell (make's SET)")
    made.add_argument("--cores", type=int, default=0, help="0 = all")
    made.add_argument("--snakemake", default="", metavar="OPTIONS", help='e.g. "--executor slurm --jobs 8"')
    return made


def settings(arguments: argparse.Namespace) -> dict:
    """The parameters given on the command line, `run` always among them, with paths made absolute.

    What the options --data and --data-dir say goes before --set. UserError for a setting without "=".
    """
    given = dict(map(parse_setting, arguments.set)) | parse_settings(arguments.settings)
    given |= {"data": arguments.data} if arguments.data else {}
    given |= {"data_dir": arguments.data_dir} if arguments.data_dir else {}
    for name in PATHS:
        value = given.get(name)
        if isinstance(value, str) and value not in ("", "imagenet"):
            given[name] = os.path.abspath(os.path.expanduser(value))
    return {"run": usual_name(arguments.profile, given)} | given


def usual_name(profile: str, given: dict) -> str:
    """The name of a run to which nobody gave one: its profile, and its data unless they are the rendered portraits."""
    data = given.get("data", "portraits")
    return profile if data == "portraits" else f"{profile}-{data}"


if __name__ == "__main__":
    print(settings(parser("Print the name of a run.").parse_args())["run"])
