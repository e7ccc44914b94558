"""Every parameter of the notebooks, in groups: type, range, meaning and default; and the check that refuses all others.

The defaults are those of the profile quick, but for the name of the run: a notebook run by hand overwrites nobody's results.
In a notebook and in a profile parameters are plain names; where a name stands in two groups, the one of the full-size
experiments has `full_` in front.
"""

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from lib import provenance
from lib.base import UserError, plain

if TYPE_CHECKING:
    from lib.compute import Compute

NOT_RUNS = (
    "ablation",
    "article",
    "bench",
    "crossed",
    "reference",
    "sweeps",
    "transfer",
    "weights",
)  # folders of reports/ that are no runs
_JUPYTERS_OWN = {"In", "Out", "exit", "quit", "get_ipython", "open"}


def _number(default: float, low: float, high: float, meaning: str, name: str | None = None) -> Any:
    return Field(default, ge=low, le=high, description=meaning, alias=name)


def _word(default: str, meaning: str, name: str | None = None, pattern: str | None = None) -> Any:
    return Field(default, description=meaning, alias=name, pattern=pattern)


class Group(BaseModel):
    """A group of parameters, as the notebooks gave them or by default; not to be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Data(Group):
    """Which images, how large, and how they are split."""

    data: Literal["portraits", "aisegment", "folder"] = _word("portraits", "source of the images")
    data_dir: str = _word("", "directory of the images, for aisegment and folder")
    images: int = _number(3200, 0, 1_000_000, "images to use; 0 = all")
    size: int = _number(28, 16, 1024, "height and width in pixels")
    seed: int = _number(0, 0, 2**31 - 1, "drives every random draw")
    split: Literal["random", "group"] = _word("group", "split by group or by image (random, the study's)")
    test_fraction: float = _number(0.2, 0.01, 0.9, "share of the images that is tested on")
    trimap_rule: Literal["strict", "tolerant"] = _word("tolerant", "alpha thresholds 0/255 or 12/242")
    bad_limit: float = _number(0.01, 0.0, 1.0, "largest share of unusable files")


class Thumbnail(Group):
    """The experiments at the study's size."""

    seeds: int = _number(2, 1, 100, "trainings of each kind: seed, seed + 1, ...")
    epochs: int = _number(10, 1, 10_000, "epochs of the study's trainings")
    batch_size: int = _number(64, 2, 65_536, "images a step")
    lr: float = _number(0.01, 1e-8, 100.0, "learning rate of the study's trainings")
    recipe_epochs: int = _number(8, 1, 10_000, "epochs of the recipe")
    recipe_lr: float = _number(0.001, 1e-8, 100.0, "largest learning rate of the recipe")
    width: int = _number(16, 1, 512, "channels of the network's first block; 64 is VGG-16")
    loss_region: Literal["all", "unknown"] = _word("all", "pixels that the training loss sees")
    encoder_weights: str = _word("", '"" random, "imagenet", or a safetensors file')
    clusters: int = _number(2, 2, 16, "clusters of K-means and components of the GMM")
    pooling_images: int = _number(8, 0, 1_000_000, "images for the second reading of the pooling; 0 skips it")


class FullSize(Group):
    """The experiments at a size that has hair."""

    images: int = _number(192, 0, 1_000_000, "images at full size; 0 = all", "full_images")
    size: int = _number(
        320, 32, 8192, "height in pixels of a picture at full size; its width is 3/4 of that", "full_size"
    )
    tests: int = _number(16, 2, 1_000_000, "test images at full size, at most", "full_tests")
    side: int = _number(96, 32, 4096, "side of a training crop in pixels", "full_side")
    crops: int = _number(3, 1, 10_000, "crops of each image in an epoch", "full_crops")
    epochs: int = _number(4, 1, 10_000, "epochs of stage 1 at full size", "full_epochs")
    batch: int = _number(8, 2, 4096, "crops a step", "full_batch")
    lr: float = _number(0.003, 1e-8, 100.0, "largest learning rate of stage 1 at full size", "full_lr")
    width: int = _number(16, 1, 512, "channels of the two-stage network's first block; 64 is VGG-16", "full_width")
    seeds: int = _number(2, 1, 100, "trainings of each kind at full size", "full_seeds")
    benchmark_images: int = _number(8, 2, 1_000_000, "test images to judge at full size")
    benchmark_dir: str = _word("", "directory of further pictures with alphas; empty skips them")


class Own(Group):
    """A reader's own pictures, and what the shipped networks are judged on."""

    photo: str = _word("", "file of a photograph to cut out; empty takes a rendered person")
    people: int = _number(12, 2, 30, "held-out rendered people to judge the shipped networks on")
    scenes: int = _number(40, 2, 10_000, "places at which the two dials of what is hard are turned")
    clips: int = _number(6, 1, 6, "held-out rendered clips to judge networks for video on")
    masks_dir: str = _word("", "directory of photographs with masks; empty skips them")


class Computer(Group):
    """What of this machine may be used."""

    device: Literal["auto", "cpu", "cuda"] = _word("auto", "where the network runs")
    precision: Literal["auto", "fp32", "bf16"] = _word("auto", "arithmetic of the network")
    threads: int = _number(0, 0, 1024, "CPU threads; 0 = all cores")


class Parameters(Group):
    """All groups. run: name of the run; given: the names and values that the notebook bound, for its record."""

    run: str = _word(
        "by-hand", "name of the folders under figures/, reports/ and runs/", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
    )
    data: Data = Data()
    thumbnail: Thumbnail = Thumbnail()
    full: FullSize = FullSize()
    own: Own = Own()
    computer: Computer = Computer()
    given: dict[str, str | int | float] = Field(default_factory=dict)

    @property
    def machine(self) -> "Compute":
        """The machine, as trainings and predictions take it."""
        from lib.compute import Compute  # here: it brings PyTorch, which who only checks parameters can do without

        return Compute(self.computer.device, self.computer.precision, self.computer.threads)


GROUPS = {"data": Data, "thumbnail": Thumbnail, "full": FullSize, "own": Own, "computer": Computer}
FIELDS: dict[str, FieldInfo] = {
    "run": Parameters.model_fields["run"],
    **{field.alias or name: field for group in GROUPS.values() for name, field in group.model_fields.items()},
}
NAMES = tuple(FIELDS)
# Parameters that may name something on this machine.
PATHS = ("data_dir", "encoder_weights", "benchmark_dir", "photo", "masks_dir")


def defaults() -> dict:
    """Name -> default of every parameter."""
    return {name: field.default for name, field in FIELDS.items()}


def check(namespace: Mapping) -> Parameters:
    """A notebook's parameters, given its `globals()` right after the parameters and the imports.

    Every name bound to a word or a number must be a parameter, so a mistyped `-p` is refused here even by plain
    papermill, which only warns. UserError for an unknown name, a wrong type or range.
    """
    given = {
        name: check_one(name, value)
        for name, value in namespace.items()
        if isinstance(value, (str, int, float, bool)) and not name.startswith("_") and name not in _JUPYTERS_OWN
    }
    groups = {
        group: kind(**{name: given[name] for name in _names(kind) if name in given}) for group, kind in GROUPS.items()
    }
    return Parameters(given=given, **groups, **{name: given[name] for name in ("run",) if name in given})


def without_places(text: str, given: Mapping) -> str:
    """JSON text or a web page without the directories of this machine (lib.provenance.anonymous), whichever of the
    parameters `given` names them."""
    text = provenance.anonymous(text, given)
    for name in PATHS:  # what one path leaves of another that lies in it is no longer of this machine
        text = provenance.anonymous(text, {"data_dir": given.get(name, "")})
    return text


def _names(group: type[Group]) -> list[str]:
    return [field.alias or name for name, field in group.model_fields.items()]


def check_one(name: str, value):
    """The value of one parameter, checked; a whole number is accepted where a float is expected."""
    if name not in FIELDS:
        close = difflib.get_close_matches(name, NAMES, n=1)
        advice = f"did you mean {close[0]}?" if close else f"the parameters are {', '.join(sorted(NAMES))}."
        raise UserError(f"{plain(name)}: expected a known parameter, found an unknown one; {advice}")
    field = FIELDS[name]
    try:
        found = TypeAdapter(Annotated[field.annotation, Field(), *field.metadata]).validate_python(value, strict=True)
    except ValidationError as error:
        raise UserError(_sentence(name, value, field, error.errors()[0]["type"])) from error
    if name == "run" and value in NOT_RUNS:
        raise UserError(f"run: expected a name of its own, found {value!r}, a folder of another kind; rename it.")
    return found


def _sentence(name: str, value, field: FieldInfo, kind: str) -> str:
    """What is wrong with a value. kind: pydantic's name of the error."""
    meaning = field.description
    if get_origin(field.annotation) is Literal and isinstance(value, str):
        return (
            f"{name}: expected one of {', '.join(get_args(field.annotation))} ({meaning}), found {value!r}; choose one."
        )
    if field.annotation in (int, float):
        what = "a whole number" if field.annotation is int else "a number"
        if kind.startswith(("greater_than", "less_than")):
            low, high = (getattr(limit, side) for limit, side in zip(field.metadata, ("ge", "le"), strict=True))
            return f"{name}: expected {low:g} to {high:g} ({meaning}), found {value}; change it."
        return f"{name}: expected {what} ({meaning}), found {value!r}; change it."
    if kind == "string_pattern_mismatch":
        return f"{name}: expected letters, digits, '.', '_' and '-' ({meaning}), found {value!r}; rename it."
    return f"{name}: expected a word ({meaning}), found {value!r}; put it in quotes."
