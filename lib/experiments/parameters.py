"""Every parameter of the notebooks: type, range, meaning; and the check that refuses all others."""

import difflib
import re
from collections.abc import Mapping

from lib.base import UserError

# name: (type, smallest, largest, meaning) for numbers, (str, choices or None, meaning) for words.
NUMBERS = {
    "images": (int, 0, 1_000_000, "images to use; 0 = all"),
    "size": (int, 16, 1024, "height and width in pixels"),
    "seed": (int, 0, 2**31 - 1, "drives every random draw"),
    "seeds": (int, 1, 100, "trainings of each kind: seed, seed + 1, ..."),
    "test_fraction": (float, 0.01, 0.9, "share of the images that is tested on"),
    "epochs": (int, 1, 10_000, "epochs of the study's trainings"),
    "batch_size": (int, 2, 65_536, "images a step"),
    "lr": (float, 1e-8, 100.0, "learning rate of the study's trainings"),
    "recipe_epochs": (int, 1, 10_000, "epochs of the recipe"),
    "recipe_lr": (float, 1e-8, 100.0, "largest learning rate of the recipe"),
    "clusters": (int, 2, 16, "clusters of K-means and components of the GMM"),
    "threads": (int, 0, 1024, "CPU threads; 0 = all cores"),
    "full_images": (int, 0, 1_000_000, "images at full size; 0 = all"),
    "full_size": (int, 32, 8192, "height in pixels of a picture at full size; its width is 3/4 of that"),
    "full_tests": (int, 2, 1_000_000, "test images at full size, at most"),
    "full_side": (int, 32, 4096, "side of a training crop in pixels"),
    "full_crops": (int, 1, 10_000, "crops of each image in an epoch"),
    "full_epochs": (int, 1, 10_000, "epochs of stage 1 at full size"),
    "full_batch": (int, 2, 4096, "crops a step"),
    "full_lr": (float, 1e-8, 100.0, "largest learning rate of stage 1 at full size"),
    "full_width": (int, 1, 512, "channels of the two-stage network's first block; 64 is VGG-16"),
    "full_seeds": (int, 1, 100, "trainings of each kind at full size"),
    "benchmark_images": (int, 2, 1_000_000, "test images to judge at full size"),
    "pooling_images": (int, 0, 1_000_000, "images for the second reading of the pooling; 0 skips it"),
    "bad_limit": (float, 0.0, 1.0, "largest share of unusable files"),
}
WORDS = {
    "run": (None, "name of the folders under figures/, reports/ and runs/"),
    "data": (("portraits", "aisegment", "folder"), "source of the images"),
    "data_dir": (None, "directory of the images, for aisegment and folder"),
    "benchmark_dir": (None, "directory of further pictures with alphas; empty skips them"),
    "split": (("random", "group"), "split by image (the study's) or by group"),
    "trimap_rule": (("strict", "tolerant"), "alpha thresholds 0/255 or 12/242"),
    "loss_region": (("all", "unknown"), "pixels that the training loss sees"),
    "encoder_weights": (None, '"" random, "imagenet", or a safetensors file'),
    "device": (("auto", "cpu", "cuda"), "where the network runs"),
    "precision": (("auto", "fp32", "bf16"), "arithmetic of the network"),
}
NAMES = (*NUMBERS, *WORDS)
_JUPYTERS_OWN = {"In", "Out", "exit", "quit", "get_ipython", "open"}


def check(namespace: Mapping) -> dict:
    """Check a notebook's parameters, given its `globals()` right after the parameters and the imports.

    Every name bound to a word or a number must be a parameter, so a mistyped `-p` is refused here even by plain
    papermill, which only warns. Returns {name: value}; UserError for an unknown name, a wrong type or range.
    """
    found = {name: value for name, value in namespace.items()
             if isinstance(value, (str, int, float, bool)) and not name.startswith("_")
             and name not in _JUPYTERS_OWN}
    return {name: check_one(name, value) for name, value in found.items()}


def check_one(name: str, value):
    """The value of one parameter, checked; a whole number is accepted where a float is expected."""
    if name in NUMBERS:
        return _check_number(name, value)
    if name in WORDS:
        return _check_word(name, value)
    close = difflib.get_close_matches(name, NAMES, n=1)
    advice = f"did you mean {close[0]}?" if close else f"the parameters are {', '.join(sorted(NAMES))}."
    raise UserError(f"{name}: expected a known parameter, found an unknown one; {advice}")


def _check_number(name: str, value):
    kind, low, high, meaning = NUMBERS[name]
    accepted = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, accepted):
        raise UserError(f"{name}: expected {'a whole number' if kind is int else 'a number'} ({meaning}), "
                        f"found {value!r}; change it.")
    if not low <= value <= high:  # also refuses nan
        raise UserError(f"{name}: expected {low:g} to {high:g} ({meaning}), found {value}; change it.")
    return kind(value)


def _check_word(name: str, value):
    choices, meaning = WORDS[name]
    if not isinstance(value, str):
        raise UserError(f"{name}: expected a word ({meaning}), found {value!r}; put it in quotes.")
    if name == "run" and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", value):
        raise UserError(f"run: expected letters, digits, '.', '_' and '-' ({meaning}), found {value!r}; rename it.")
    if choices and value not in choices:
        raise UserError(f"{name}: expected one of {', '.join(choices)} ({meaning}), found {value!r}; choose one.")
    return value
