"""Methods that need different things, judged alike."""

import numpy as np
import pytest

from lib.data.source import Sample
from lib.data.trimap import UNKNOWN
from lib.evaluation import systems

RANDOM = np.random.default_rng(0)


def sample() -> Sample:
    alpha = np.zeros((80, 60), np.uint8)
    alpha[20:, 15:45] = 255
    alpha[19, 15:45] = 128
    layers = RANDOM.integers(0, 256, (2, 80, 60, 3), dtype=np.uint8)
    return Sample(layers[0], alpha, None, *layers)


def test_the_truth_scores_nothing_and_half_of_it_half():
    one = sample()
    truth = one.alpha / np.float32(255)
    methods = {
        "truth": lambda given, trimap: (truth, given.foreground / 255.0),
        "half": lambda given, trimap: (truth * 0.5, None),
    }
    found = systems.judge_stills([one], methods).pivot(index="method", columns="measure", values="value")
    assert (found.loc["truth", ["sad", "mse", "grad", "conn", "mad", "whole_mse", "foreground"]] == 0).all()
    assert found["mad"]["half"] == pytest.approx(truth.mean() / 2)
    assert found["whole_mse"]["half"] == pytest.approx(((truth / 2) ** 2).mean())
    assert np.isnan(found["foreground"]["half"]) and (found.seconds >= 0).all()


def test_colours_count_where_there_is_somebody():
    one = sample()
    wrong = np.where((one.alpha > 0)[..., None], one.foreground / 255.0 + 0.1, 7.0)
    assert systems.colour_error(wrong, one) == pytest.approx(0.01)


def test_the_trimap_scales_with_the_picture():
    alpha = np.zeros((800, 600), np.uint8)
    alpha[:, 300:] = 255
    large, small = systems.trimap_of(alpha), systems.trimap_of(np.ascontiguousarray(alpha[::4, ::4]))
    width = (large == UNKNOWN).mean(), (small == UNKNOWN).mean()
    assert 0.6 < width[0] / width[1] < 1.67 and 20 <= (large[0] == UNKNOWN).sum() <= 26


def test_clips_are_judged_frame_after_frame():
    frames = [sample() for _ in range(3)]
    alphas = np.stack([frame.alpha for frame in frames]) / 255
    methods = {"right": lambda clip: (alphas, None), "late": lambda clip: (np.roll(alphas, 5, axis=2), None)}
    found = systems.judge_clips({"clip 1": frames}, methods).pivot(index="method", columns="measure", values="value")
    assert (found.loc["right", list(systems.CLIP)] == 0).all()
    assert found["mad"]["late"] > 0 and found["dtssd"]["late"] == 0  # wrong, but steady
