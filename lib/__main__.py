"""The command line of the library: `python -m lib COMMAND ...`; `python -m lib COMMAND --help` says what each takes.

`torchrun --nproc-per-node=4 -m lib train ...` trains on four GPUs; never start that from a notebook.
"""

import argparse
import dataclasses
import re
import sys
from collections.abc import Sequence

from lib.base import UserError


def train(arguments: Sequence[str]) -> None:
    """Open and prepare the data, split it, and train the study's network."""
    from lib.data.open import open_source
    from lib.data.prepare import prepare
    from lib.data.splits import group_split, random_split
    from lib.device import Machine
    from lib.experiments.parameters import check_one
    from lib.training.place import place, wait
    from lib.training.thumbnail import ThumbnailRecipe, train as train_network

    given = train_parser().parse_args(arguments)
    check_one("size", given.size)
    recipe, machine = _made(ThumbnailRecipe, given), _made(Machine, given)
    with place(machine) as here:
        if here.rank:
            wait()  # the first process fills the cache, the others then open it
        source = open_source(given.data, given.data_dir, given.images, given.data_seed)
        prepared = prepare(source, given.size, given.trimap_rule)
        if not here.rank:
            wait()
        split = (
            group_split(prepared.groups, given.data_seed, given.test_fraction)
            if given.split == "group"
            else random_split(len(prepared), given.data_seed, given.test_fraction)
        )
        train_network(prepared, split, given.out, recipe, machine)


def train_parser() -> argparse.ArgumentParser:
    """The options of `train`: the data's here, then a field of the recipe or the machine each."""
    from lib.data.trimap import LOW_HIGH
    from lib.device import Machine
    from lib.training.thumbnail import ThumbnailRecipe

    parser = argparse.ArgumentParser(
        prog="python -m lib train", description=train.__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", required=True, help="folder of the training")
    parser.add_argument("--data", default="portraits", help="source: portraits, aisegment or folder")
    parser.add_argument("--data-dir", default="", help="root of the source's files")
    parser.add_argument("--images", type=int, default=320, help="images to use, 0 = all")
    parser.add_argument("--size", type=int, default=28, help="side in pixels")
    parser.add_argument("--data-seed", type=int, default=0, help="seed of the subset and the split")
    parser.add_argument("--split", default="random", choices=("random", "group"), help="by image or by group")
    parser.add_argument("--test-fraction", type=float, default=0.2, help="share of the images to test on")
    parser.add_argument(
        "--trimap-rule",
        default="tolerant",
        choices=tuple(LOW_HIGH),
        help="thresholds of alpha between known and unknown pixels",
    )
    _add_fields(parser.add_argument_group("recipe"), ThumbnailRecipe)
    _add_fields(parser.add_argument_group("machine"), Machine)
    return parser


def _add_fields(group: argparse._ArgumentGroup, kind: type) -> None:
    """An option for each field of a dataclass."""
    meanings = _meanings(kind)
    for field in dataclasses.fields(kind):
        if isinstance(field.default, bool):
            how = {"action": argparse.BooleanOptionalAction}
        elif isinstance(field.default, tuple):
            how = {"nargs": "*", "type": int}
        else:
            how = {"type": type(field.default), "choices": getattr(kind, "CHOICES", {}).get(field.name)}
        group.add_argument(f"--{field.name.replace('_', '-')}", default=field.default, help=meanings[field.name], **how)


def _meanings(kind: type) -> dict[str, str]:
    """What each field of a dataclass means, read from its docstring and its parents': "a, b: of both. c: of c alone"."""
    name = "|".join(field.name for field in dataclasses.fields(kind))
    found = {}
    for each in reversed(kind.__mro__[:-1]):
        text = " ".join((each.__doc__ or "").split()).split(" UserError ")[0].replace("%", "%%")
        parts = re.split(rf"\b((?:{name})(?:, (?:{name}))*): ", text)
        found |= {
            one: meaning.rstrip(" .;,")
            for names, meaning in zip(parts[1::2], parts[2::2], strict=True)
            for one in names.split(", ")
        }
    return found


def _made(kind: type, given: argparse.Namespace) -> object:
    """The dataclass, its fields as given."""
    values = {field.name: getattr(given, field.name) for field in dataclasses.fields(kind)}
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def cutout(arguments: Sequence[str]) -> None:
    """Cut the people out of photographs, without a trimap."""
    from lib.cutout.command import main

    main(arguments)


def kaggle(arguments: Sequence[str]) -> None:
    """Download the AISegment set with your own Kaggle account."""
    from lib.data.kaggle import main

    main(arguments)


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
    for function in (train, cutout, kaggle, transfer, crossed, weights, ablation, arms, sweeps, rehearse)
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
