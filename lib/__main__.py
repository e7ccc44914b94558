"""The command line of the library: `python -m lib COMMAND ...`; `python -m lib COMMAND --help` says what each takes."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lib.base import UserError, os_errors


def cutout(arguments: Sequence[str]) -> None:
    """Cut the people out of photographs, without a trimap."""
    from lib.cutout.command import main

    main(arguments)


def kaggle(arguments: Sequence[str]) -> None:
    """Download the AISegment set with your own Kaggle account (https://www.kaggle.com/settings, KAGGLE_API_TOKEN)."""
    parser = argparse.ArgumentParser(prog="python -m lib kaggle", description=kaggle.__doc__)
    parser.add_argument(
        "target", type=Path, help="directory to download into; the same command goes on where it stopped"
    )
    # kagglehub's own layout below a cache directory is what makes its downloads resumable.
    os.environ["KAGGLEHUB_CACHE"] = str(parser.parse_args(arguments).target.expanduser().absolute())
    try:
        import kagglehub

        path = kagglehub.dataset_download("laurentmih/aisegmentcom-matting-human-datasets")
    except ModuleNotFoundError as error:
        raise UserError("kaggle: expected the package kagglehub, found none; pip install kagglehub.") from error
    except Exception as error:  # kagglehub passes on what its HTTP library raises
        raise UserError(
            f"kaggle: the download stopped ({' '.join(str(error).split())}); give the command again."
        ) from error
    print(f"make paper PROFILE=paper DATA=aisegment DATA_DIR={path}")


def transfer(arguments: Sequence[str]) -> None:
    """Compare what rendered portraits and photographs teach about photographs."""
    from lib.experiments.transfer import main

    main(arguments)


def crossed(arguments: Sequence[str]) -> None:
    """Train and test networks that know a picture's person, its place, both or neither."""
    from lib.experiments.crossed import main

    main(arguments)


def weights(arguments: Sequence[str]) -> None:
    """Train the networks that ship, and put them into data/weights with what they are worth."""
    from lib.experiments import card, model_cards, shipped

    shipped.main(arguments)
    card.write()
    model_cards.write()


def ablation(arguments: Sequence[str]) -> None:
    """Train what makes a network for photographs good, part by part, for as many minutes each."""
    from lib.experiments.ablation import main

    main(arguments)


def arms(arguments: Sequence[str]) -> None:
    """Train the arms of an ablation of AlphaGAN or of Background Matting V2 for as many steps each."""
    from lib.experiments.arms import main

    main(arguments)


def sweeps(arguments: Sequence[str]) -> None:
    """Train the sweeps of notebooks/sweeps.toml: the study's future work."""
    from lib.experiments.sweeps import main

    main(arguments)


def rehearse(arguments: Sequence[str]) -> None:
    """Say whether this machine can train what a profile asks for, and how long that takes."""
    from lib.experiments.rehearsal import main

    sys.exit(main(list(arguments)))


COMMANDS = {
    function.__name__: function
    for function in (cutout, kaggle, transfer, crossed, weights, ablation, arms, sweeps, rehearse)
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. A user's mistake is one line on stderr, and exit status 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser(
        prog="python -m lib", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, function in COMMANDS.items():
        commands.add_parser(name, help=function.__doc__, add_help=False)
    # Only the command is looked at here: what its options are, its own module says, and that takes long to import.
    command = parser.parse_args(arguments[:1]).command
    try:
        with os_errors("a file or directory that can be used"):
            COMMANDS[command](arguments[1:])
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # of asking whether a path is there
        if not error.filename:
            raise
        sentence = (
            f"{error.filename}: expected a path that can be used, found: {error.strerror}; check its permissions."
        )
        print(f"Error: {sentence}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
