"""Methods that need different things, tested on the same samples and scored alike."""

from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from lib import methods, metrics, scores
from lib.base import UserError
from lib.data.composite import composite
from lib.data.sample import Sample
from lib.data.trimap import UNKNOWN
from lib.inference import Prediction


def sample(seed: int = 0) -> Sample:
    """A square with a soft upper edge, on noise."""
    alpha = np.zeros((80, 60), np.uint8)
    alpha[20:, 15:45], alpha[19, 15:45] = 255, 128
    layers = np.random.default_rng(seed).integers(0, 256, (3, 80, 60, 3), dtype=np.uint8)
    return methods.with_trimap(Sample(layers[0], alpha, None, *layers[1:]))


def table(samples, rivals, measures) -> pd.DataFrame:
    scored = methods.evaluate(samples, rivals, measures)
    return scored.pivot(index="method", columns="measure", values="value")


@pytest.fixture(scope="module")
def networks():
    return methods.networks("cpu")


# ---------------------------------------------------------------------------------------------------------- scores


def test_the_truth_scores_nothing_and_half_of_it_half():
    one = sample()
    truth = one.alpha / np.float32(255)
    rivals = {
        "truth": lambda given: Prediction(truth, given.foreground / 255.0),
        "half": lambda given: Prediction(truth * 0.5),
    }
    found = table({"one": one}, rivals, methods.picture_measures)
    assert (found.loc["truth", [*scores.OFFICIAL_MEASURES, *scores.FRAME_MEASURES]] == 0).all()
    assert found["mad"]["half"] == pytest.approx(truth.mean() / 2)
    assert found["whole_mse"]["half"] == pytest.approx(((truth / 2) ** 2).mean())
    assert np.isnan(found["foreground"]["half"]) and (found.seconds >= 0).all()


def test_a_method_that_cannot_do_a_sample_has_nan_there_and_says_why(capsys):
    def refuses(given):
        raise UserError("trimap: too hard.")

    samples = {"a": sample(0), "b": sample(1)}
    rivals = {"half": lambda given: Prediction(np.full(given.alpha.shape, 0.5, np.float32)), "none": refuses}
    judged = methods.evaluate(samples, rivals, methods.trimap_measures)
    assert judged.method.unique().tolist() == ["half", "none"] and judged.image.unique().tolist() == ["a", "b"]
    for name, mse in zip(samples, scores.matrix(judged, "half", "mse")[0], strict=True):
        alpha, trimap = samples[name].alpha, samples[name].trimap
        half = np.where(trimap == 128, np.float32(0.5), trimap == 255).astype(np.float32)
        assert mse == metrics.mse(half, alpha, trimap)
    assert judged[judged.method == "none"].value.isna().all()
    assert scores.matrix(judged, "none", "sad").shape == (1, 2)
    assert "a, none: left out: trimap: too hard." in capsys.readouterr().out


def test_masks_are_scored_over_all_pixels():
    alpha = np.zeros((20, 20), np.uint8)
    alpha[:10] = 255
    one = Sample(np.zeros((20, 20, 3), np.uint8), alpha)
    found = table({"one": one}, {"half": lambda _: Prediction(np.full((20, 20), 0.75))}, methods.mask_measures)
    assert found["iou"]["half"] == 0.5 and found["mad"]["half"] == pytest.approx((0.25 + 0.75) / 2)


def test_clips_are_scored_frame_after_frame():
    frames = [sample(seed) for seed in range(3)]
    alphas = np.stack([frame.alpha for frame in frames]) / 255
    rivals = {"right": lambda _: Prediction(alphas), "late": lambda _: Prediction(np.roll(alphas, 5, axis=2))}
    found = table({"clip 1": frames}, rivals, methods.clip_measures)
    assert (found.loc["right", list(scores.CLIP_MEASURES)] == 0).all()
    assert found["mad"]["late"] > 0 and found["dtssd"]["late"] == 0  # wrong, but steady


def test_ranks_are_means_of_places_and_ties_share_theirs():
    rows = [
        scores.scores_frame(method, 0, [name], dict.fromkeys(scores.OFFICIAL_MEASURES, (error,)))
        for name, errors in {"p": (1, 2, 3), "q": (1, 1, 3), "r": (9, 1, float("nan"))}.items()
        for method, error in zip("abc", errors, strict=True)
    ]
    found = methods.ranks(pd.concat(rows)).set_index("method")
    # a: 1, 1.5, 2; b: 2, 1.5, 1; c: last each time, also where it has no result
    assert found["mean rank"].to_dict() == pytest.approx({"a": 1.5, "b": 1.5, "c": 3.0})
    assert found["rank by SAD"].tolist() == found["mean rank"].tolist()


# ------------------------------------------------------------------------------------------------ pictures and clips


def test_the_trimap_scales_with_the_picture():
    alpha = np.zeros((800, 600), np.uint8)
    alpha[:, 300:] = 255
    large, small = (methods.with_trimap(Sample(a, a)).trimap for a in (alpha, np.ascontiguousarray(alpha[::4, ::4])))
    width = (large == UNKNOWN).mean(), (small == UNKNOWN).mean()
    assert 0.6 < width[0] / width[1] < 1.67 and 20 <= (large[0] == UNKNOWN).sum() <= 26


def test_a_plate_is_exact_or_taken_by_hand():
    exact = methods.people(1)["person 1"]
    assert np.array_equal(exact.image, composite(exact.alpha, exact.foreground, exact.background))
    again = methods.handheld(exact)
    assert np.array_equal(again.alpha, exact.alpha) and not np.array_equal(again.background, exact.background)
    large = methods.people(2, methods.LARGE)
    assert list(large) == ["person 1", "person 2"]
    for one in large.values():
        assert one.image.shape == (800, 600, 3) and (one.trimap[(one.alpha > 12) & (one.alpha < 242)] == UNKNOWN).all()


def test_in_front_of_a_still_background_nothing_moves_but_the_person():
    frames = methods.clips(1, (64, 48), still=True)["clip 1"]
    assert all(np.array_equal(frame.background, frames[0].background) for frame in frames)
    assert all(np.array_equal(f.image, composite(f.alpha, f.foreground, f.background)) for f in frames)
    moving = methods.clips(1, (64, 48))["clip 1"]
    assert not np.array_equal(moving[0].background, moving[-1].background)
    assert methods.previous_alpha(moving).shape == (12, 64, 48)


def test_folder_pictures_are_read_at_their_own_size(tmp_path):
    for folder, value in (("image", 90), ("alpha", 200), ("trimap", 127)):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "one.png"), np.full((13, 17), value, np.uint8))
    [(name, one)] = methods.folder_pictures(tmp_path).items()
    assert name == "one" and one.image.shape == (13, 17, 3)
    assert (one.trimap == 128).all() and (one.alpha == 200).all()
    assert methods.folder_pictures("") == {}


# ---------------------------------------------------------------------------------------------------------- methods


def test_trimap_baselines_keep_what_is_known():
    one = sample()
    known = one.trimap != UNKNOWN
    for name, method in methods.trimap_baselines(0).items():
        alpha = method(one).alpha
        assert alpha.shape == one.trimap.shape and alpha.dtype == np.float32, name
        assert np.array_equal(alpha[known], (one.trimap == 255)[known].astype(np.float32)), name


def test_a_thumbnail_method_shows_the_network_a_thumbnail():
    class Red(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.inputs = torch.nn.Parameter(torch.ones(1)), []

        def forward(self, image, trimap):
            self.inputs.append((tuple(image.shape), trimap.unique().tolist()))
            return image[:, :1]

    image = np.zeros((40, 60, 3), np.uint8)
    image[..., 0] = np.linspace(0, 255, 60)
    trimap = np.full((40, 60), 128, np.uint8)
    trimap[:, :20] = 0
    model = Red()
    alpha = methods.thumbnail_method(model, 20)(Sample(image, trimap, trimap)).alpha
    assert model.inputs == [((1, 3, 20, 20), [0.0, 0.5])]
    assert (alpha[:, :20] == 0).all()
    assert np.abs(alpha[:, 22:-3] - image[:, 22:-3, 0] / 255).max() < 0.02


def test_the_floor_is_what_shrinking_costs_the_truth():
    """A truth that the small size can hold costs nothing; stripes of a pixel, all unknown, become an even half."""
    trimap, image = np.full((64, 64), 128, np.uint8), np.zeros((64, 64, 3), np.uint8)
    even, stripes = np.full((64, 64), 102, np.uint8), np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    samples = {"even": Sample(image, even, trimap), "stripes": Sample(image, stripes, trimap)}
    judged = methods.evaluate(samples, methods.resolution_floor(8), methods.trimap_measures)
    assert scores.matrix(judged, judged.method[0], "mse")[0] == pytest.approx([0, 0.25], abs=1e-9)


def test_every_network_answers_and_beats_the_control_that_knows_nothing(networks):
    for one in methods.people(2).values():
        error = {}
        for name, method in methods.picture_methods(networks).items():
            alpha, foreground = method(one)
            assert alpha.shape == (320, 240) and 0 <= alpha.min() <= alpha.max() <= 1, name
            assert foreground is None or foreground.shape == (320, 240, 3), name
            error[name] = np.abs(alpha - one.alpha / 255).mean()
        nothing = error.pop("control: mean alpha (nothing)")
        assert all(value < nothing for name, value in error.items() if not name.startswith("control")), error


def test_every_clip_method_answers(networks):
    frames = methods.clips(1)["clip 1"][:2]
    for name, method in methods.clip_methods(networks).items():
        assert method(frames).alpha.shape == (2, 320, 240), name


def test_controls_know_what_they_are_given_and_no_more():
    one = methods.people(1)["person 1"]
    controls = {name: method(one).alpha for name, method in methods.picture_methods({}, solvers=False).items()}
    assert len(controls) == 3 and all(name.startswith("control") for name in controls)
    assert set(np.unique(controls["control: trimap, 0.5 where unknown (trimap)"])) == {0, 0.5, 1}
    mean = controls["control: mean alpha (nothing)"]
    assert mean.shape == (320, 240) and mean[-1, 120] > 0.9 and mean[0, 0] < 0.1
    shadowed = replace(one, image=one.background.copy())
    assert methods.subtract_plate(shadowed).max() == 0
