# SHIM
# ruff: noqa
from typing import Any

import numpy as np

from lib import methods as new
from lib.data.sample import Sample
from lib.scores import TRIMAP_CONTROL as CONTROL

Method = Picture = Any


def as_picture(name, sample):
    """The old tuple of a sample."""
    return name, sample.image / np.float32(255), sample.trimap, sample.alpha


def as_samples(pictures):
    return {
        name: Sample(np.round(image * 255).astype(np.uint8), alpha, trimap) for name, image, trimap, alpha in pictures
    }


def as_old(method):
    """The old (image float, trimap) -> alpha of a method."""

    def solve(image, trimap):
        return method(Sample(np.round(image * 255).astype(np.uint8), trimap, trimap)).alpha

    return solve


def controls_and_clusters(seed):
    return {label: as_old(method) for label, method in new.trimap_baselines(seed).items()}


def folder_pictures(folder, rule):
    return [as_picture(*item) for item in new.folder_pictures(folder, rule).items()]


def judge(pictures, methods):
    adapted = {label: new.trimap_method(solve) for label, solve in methods.items()}
    return new.evaluate(as_samples(pictures), adapted, new.trimap_measures)
