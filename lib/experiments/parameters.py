"""Every parameter of the notebooks: type, range, meaning and default; and the check that refuses all others.

The defaults are those of the profile quick, except the name of the run: a notebook run by hand overwrites no other results.
"""

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from lib.base import UserError, quote_if_unprintable

if TYPE_CHECKING:
    from lib.compute import Compute

# Folders of reports/ that are not runs.
NOT_RUNS = ("ablation", "article", "bench", "crossed", "experiments", "reference", "sweeps", "transfer", "weights")
# Parameters that may name something on this machine.
PATHS = ("data_dir", "encoder_weights", "benchmark_dir", "photo", "masks_dir")
JUPYTER_NAMES = {"In", "Out", "exit", "quit", "get_ipython", "open"}


def _number(default: float, low: float, high: float, meaning: str) -> Any:
    return Field(default, ge=low, le=high, description=meaning)


def _text(default: str, meaning: str, pattern: str | None = None) -> Any:
    return Field(default, description=meaning, pattern=pattern)


class Parameters(BaseModel):
    """given: the names and values that the notebook set, for its record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str = _text(
        "by-hand", "name of the folders under figures/, reports/ and runs/", r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
    )
    # Images and splits
    data: Literal["portraits", "aisegment", "folder"] = _text("portraits", "source of the images")
    data_dir: str = _text("", "directory of the images, for aisegment and folder")
    images: int = _number(3200, 0, 1_000_000, "images to use; 0 = all")
    size: int = _number(28, 16, 1024, "height and width in pixels")
    seed: int = _number(0, 0, 2**31 - 1, "drives every random draw")
    split: Literal["random", "group"] = _text("group", "split by group or by image (random, the study's)")
    test_fraction: float = _number(0.2, 0.01, 0.9, "share of the images that is tested on")
    trimap_rule: Literal["strict", "tolerant"] = _text("tolerant", "alpha thresholds 0/255 or 12/242")
    bad_limit: float = _number(0.01, 0.0, 1.0, "largest share of unusable files")
    # At the study's size
    seeds: int = _number(2, 1, 100, "trainings of each kind: seed, seed + 1, ...")
    epochs: int = _number(10, 1, 10_000, "epochs of the study's trainings")
    batch_size: int = _number(64, 2, 65_536, "images a step")
    lr: float = _number(0.01, 1e-8, 100.0, "learning rate of the study's trainings")
    recipe_epochs: int = _number(8, 1, 10_000, "epochs of the recipe")
    recipe_lr: float = _number(0.001, 1e-8, 100.0, "largest learning rate of the recipe")
    width: int = _number(16, 1, 512, "channels of the network's first block; 64 is VGG-16")
    loss_region: Literal["all", "unknown"] = _text("all", "pixels that the training loss sees")
    encoder_weights: str = _text("", '"" random, "imagenet", or a safetensors file')
    clusters: int = _number(2, 2, 16, "clusters of K-means and components of the GMM")
    pooling_images: int = _number(8, 0, 1_000_000, "images for the second reading of the pooling; 0 skips it")
    # At a size that has hair
    full_images: int = _number(192, 0, 1_000_000, "images at full size; 0 = all")
    full_size: int = _number(320, 32, 8192, "height in pixels of a picture at full size; its width is 3/4 of that")
    full_tests: int = _number(16, 2, 1_000_000, "test images at full size, at most")
    full_side: int = _number(96, 32, 4096, "side of a training crop in pixels")
    full_crops: int = _number(3, 1, 10_000, "crops of each image in an epoch")
    full_epochs: int = _number(4, 1, 10_000, "epochs of stage 1 at full size")
    full_batch: int = _number(8, 2, 4096, "crops a step")
    full_lr: float = _number(0.003, 1e-8, 100.0, "largest learning rate of stage 1 at full size")
    full_width: int = _number(16, 1, 512, "channels of the two-stage network's first block; 64 is VGG-16")
    full_seeds: int = _number(2, 1, 100, "trainings of each kind at full size")
    benchmark_images: int = _number(8, 2, 1_000_000, "test images to judge at full size")
    benchmark_dir: str = _text("", "directory of further pictures with alphas; empty skips them")
    # Pictures of the reader, and tests of the included networks
    photo: str = _text("", "file of a photograph to cut out; empty takes a rendered person")
    people: int = _number(12, 2, 30, "held-out rendered people to judge the included networks on")
    scenes: int = _number(40, 2, 10_000, "places at which the two factors of difficulty are varied")
    clips: int = _number(6, 1, 6, "held-out rendered clips to judge networks for video on")
    masks_dir: str = _text("", "directory of photographs with masks; empty skips them")
    # This machine
    device: Literal["auto", "cpu", "cuda"] = _text("auto", "where the network runs")
    precision: Literal["auto", "fp32", "bf16"] = _text("auto", "arithmetic of the network")
    threads: int = _number(0, 0, 1024, "CPU threads; 0 = all cores")

    given: dict[str, str | int | float] = Field(default_factory=dict)

    @property
    def compute(self) -> "Compute":
        """Device, precision and threads, as trainings and predictions take them."""
        from lib.compute import Compute  # imports PyTorch, which a check alone does not need

        return Compute(self.device, self.precision, self.threads)


FIELDS: dict[str, FieldInfo] = {name: field for name, field in Parameters.model_fields.items() if name != "given"}


def defaults() -> dict:
    """Name -> default of every parameter."""
    return {name: field.default for name, field in FIELDS.items()}


def check(namespace: Mapping) -> Parameters:
    """A notebook's parameters, from its `globals()` right after the parameters and the imports.

    Every name bound to text or a number must be a parameter: papermill only warns of a mistyped `-p`. UserError for an
    unknown name, a wrong type or range.
    """
    given = {
        name: check_one(name, value)
        for name, value in namespace.items()
        if isinstance(value, (str, int, float, bool)) and not name.startswith("_") and name not in JUPYTER_NAMES
    }
    return Parameters(**given, given=given)


def check_one(name: str, value):
    """The checked value of one parameter; a whole number is accepted where a float is expected."""
    if name not in FIELDS:
        close = difflib.get_close_matches(name, FIELDS, n=1)
        advice = f"did you mean {close[0]}?" if close else f"the parameters are {', '.join(sorted(FIELDS))}."
        raise UserError(f"{quote_if_unprintable(name)}: expected a known parameter, found an unknown one; {advice}")
    field = FIELDS[name]
    try:
        checked = TypeAdapter(Annotated[field.annotation, Field(), *field.metadata]).validate_python(value, strict=True)
    except ValidationError as error:
        raise UserError(f"{name}: {_problem(value, field, error.errors()[0]['type'])}") from error
    if name == "run" and value in NOT_RUNS:
        raise UserError(f"run: expected a name of its own, found {value!r}, a folder of another kind; rename it.")
    return checked


def _problem(value, field: FieldInfo, kind: str) -> str:
    """kind: pydantic's name of the error."""
    meaning = field.description
    if get_origin(field.annotation) is Literal and isinstance(value, str):
        return f"expected one of {', '.join(get_args(field.annotation))} ({meaning}), found {value!r}; choose one."
    if kind.startswith(("greater_than", "less_than")):
        low, high = (getattr(limit, side) for limit, side in zip(field.metadata, ("ge", "le"), strict=True))
        return f"expected {low:g} to {high:g} ({meaning}), found {value}; change it."
    if field.annotation in (int, float):
        what = "a whole number" if field.annotation is int else "a number"
        return f"expected {what} ({meaning}), found {value!r}; change it."
    if kind == "string_pattern_mismatch":
        return f"expected letters, digits, '.', '_' and '-' ({meaning}), found {value!r}; rename it."
    return f"expected a word ({meaning}), found {value!r}; put it in quotes."
