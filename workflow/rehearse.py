"""Hours of a profile's trainings on this machine: `python -m workflow.rehearse gpu [NAME=VALUE ...]`, or `make gpu-check`."""

import argparse
import sys
from collections.abc import Sequence

from lib.base import UserError
from lib.experiments import parameters
from lib.experiments.rehearse import report
from workflow import profiles


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 where this machine can not train the profile."""
    parser = argparse.ArgumentParser(prog="python -m workflow.rehearse", description=__doc__.splitlines()[0])
    parser.add_argument("profile", help="a file of notebooks/profiles, without .toml")
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="any parameter of the notebooks")
    parser.add_argument("--set", default="", help="the same in one text, quoted as in a shell (make's SET)")
    args = parser.parse_args(arguments)
    settings = dict(map(profiles.parse_setting, args.settings)) | profiles.parse_settings(args.set)
    values = parameters.defaults() | profiles.read(args.profile).get("parameters", {}) | settings
    return 0 if report(args.profile, parameters.check(values)) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
