"""Variants, their recipes, trainings and scores."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from torch import nn

from helpers import prepared_from
from lib import scores
from lib.base import UserError
from lib.data.cache import ImageSet
from lib.experiments import parameters, thumbnail
from lib.scores import REGIONS

GIVEN = {
    "run": "test",
    "seed": 3,
    "seeds": 2,
    "split": "random",
    "test_fraction": 0.25,
    "size": 28,
    "epochs": 1,
    "batch_size": 4,
    "lr": 0.01,
    "recipe_epochs": 2,
    "recipe_lr": 0.001,
    "loss_region": "all",
    "trimap_rule": "tolerant",
    "encoder_weights": "",
    "device": "cpu",
    "precision": "fp32",
    "threads": 1,
    "pooling_images": 0,
}


def parameters_with(**changes) -> parameters.Parameters:
    return parameters.check(GIVEN | changes)


P = parameters_with()


def discs(n: int, groups: list[str] | None = None) -> ImageSet:
    """n images of a bright disc of growing radius on a dark ground, with a soft edge."""
    y, x = np.mgrid[:28, :28] - 13.5
    radius = np.linspace(5, 10, n).reshape(-1, 1, 1)
    alpha = (255 * np.clip(radius - np.hypot(x, y) + 0.5, 0, 1)).round().astype(np.uint8)[:, None]
    image = np.repeat(alpha // 2 + 60, 3, axis=1)
    return prepared_from(image, alpha, groups or [f"g{i // 4}" for i in range(n)])


@pytest.mark.parametrize(
    ("variant", "images", "batch"),
    [("recipe", 28_426, 64), ("recipe", 640, 64), ("recipe", 160, 16), ("recipe-da", 18, 8), ("sgd", 160, 64)],
)
def test_recipe_takes_ten_steps_an_epoch_where_the_study_keeps_its_batches(variant, images, batch):
    assert thumbnail.config_of(variant, parameters_with(batch_size=64), images).batch_size == batch


def test_every_variant_has_a_recipe_of_its_own_numbers():
    for variant, made in thumbnail.VARIANTS.items():
        assert made.model or thumbnail.config_of(variant, P, 100, seed=7).seed == 7
    for variant, expected in {"sgd": ("sgd", 0.01, 1, False), "recipe-da": ("adamw", 0.001, 2, True)}.items():
        chosen = thumbnail.config_of(variant, P, 100)
        assert (chosen.optimizer, chosen.lr, chosen.epochs, chosen.augment) == expected
    assert thumbnail.config_of("recipe-group", P, 100) == thumbnail.config_of("recipe", P, 100)


def test_a_pair_differs_in_the_augmentation_alone():
    for plain, augmented in {"sgd": "sgd-da", "recipe": "recipe-da"}.items():
        assert replace(thumbnail.config_of(plain, P, 100), augment=True) == thumbnail.config_of(augmented, P, 100)


def test_controls_cost_what_the_unknown_pixels_cost():
    prepared, index = discs(6), np.array([1, 4])
    found = thumbnail.score_alphas(prepared, index, thumbnail.controls(prepared, index, np.array([0, 2, 3, 5])))
    errors = {region: scores.matrix(found, thumbnail.HALF_CONTROL, region) for region in REGIONS}
    alpha = prepared.alpha[index] / 255
    unknown = prepared.trimap[index] == 128
    for position in range(2):
        miss = np.abs(alpha[position] - 0.5)[unknown[position]]
        assert errors["unknown"][0, position] == pytest.approx(miss.mean())
        assert errors["all"][0, position] == pytest.approx(miss.sum() / 28**2)


def test_controls_that_look_at_no_image_know_the_training_alphas_alone():
    prepared, index, trained = discs(6), np.array([1, 4]), np.array([0, 2, 3, 5])
    found = thumbnail.controls(prepared, index, trained)
    alpha, unknown = prepared.alpha[trained] / 255, prepared.trimap[trained] == 128
    np.testing.assert_allclose(found[thumbnail.MEAN_CONTROL], np.stack([alpha.mean(axis=0)] * 2), atol=1e-6)
    assert found[thumbnail.CONSTANT_CONTROL] == pytest.approx(np.median(alpha), abs=1e-6)
    known = prepared.trimap[index] != 128
    for name in (thumbnail.PASTED_MEAN, thumbnail.PASTED_CONSTANT, thumbnail.TRIMAP_CONTROL):
        assert (found[name][known] == (prepared.trimap[index] / 255)[known]).all()
    within = np.quantile(alpha[unknown], 0.5, method="inverted_cdf")
    assert found[thumbnail.PASTED_CONSTANT][~known] == pytest.approx(within, abs=1e-6)
    pasted = scores.score_regions(
        "m", 0, index, found[thumbnail.MEAN_CONTROL], prepared.alpha[index], prepared.trimap[index]
    )
    whole = thumbnail.score_alphas(prepared, index, found)
    np.testing.assert_allclose(
        scores.matrix(pasted, "m", "pasted"), scores.matrix(whole, thumbnail.PASTED_MEAN, "all"), atol=1e-7
    )


def test_training_scoring_and_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnail, "runs_dir", lambda run: tmp_path / run)
    prepared, p = discs(8), parameters_with(seeds=1)
    split = thumbnail.split_of(prepared, p)
    with pytest.raises(UserError, match="03_vgg16"):
        thumbnail.score(prepared, split[1], ["sgd"], p)
    with pytest.raises(UserError, match="04_augmentation"):
        thumbnail.load(prepared, "sgd-da", 3, p)
    history = thumbnail.run_variants(prepared, split, ["sgd"], p)
    assert history[["variant", "seed", "epoch"]].values.tolist() == [["sgd", 3, 1]]
    monkeypatch.setattr(thumbnail, "PART", 1)
    found = scores.matrix(thumbnail.score(prepared, split[1], ["sgd"], p), "sgd", "all")
    assert found.shape == (1, len(split[1]))
    assert found.mean() == pytest.approx(history.test_all.iloc[-1], abs=1e-5)
    other = prepared_from(prepared.image, prepared.alpha, prepared.groups, rule="strict")
    with pytest.raises(UserError, match="another's"):
        thumbnail.load(other, "sgd", 3, p)


def test_tests_on_the_way_change_no_number_and_fold_into_epochs(tmp_path, monkeypatch):
    """The same training with tests within its epochs and without: the ends of epochs agree."""
    monkeypatch.setattr(thumbnail, "runs_dir", lambda run: tmp_path / run)
    prepared, split = discs(14), (np.arange(12), np.array([12, 13]))
    histories = {}
    for name, at in (("with", (2, 4, 5, 99)), ("without", ())):
        monkeypatch.setattr(thumbnail, "TEST_AT", at)
        p = parameters_with(run=name, seeds=2, epochs=2, batch_size=4)
        histories[name] = thumbnail.run_variants(prepared, split, ["sgd"], p)
    assert histories["with"].step.tolist() == [2, 3, 4, 5, 6] * 2
    monkeypatch.setattr(thumbnail, "TEST_AT", (2, 4))
    assert thumbnail.by_step(histories["with"]).step.tolist() == [2, 4, 6] * 2
    folded, plain = (thumbnail.by_epoch(history) for history in histories.values())
    assert folded.epoch.tolist() == plain.epoch.tolist() == [1, 2, 1, 2]
    pd.testing.assert_frame_equal(folded.filter(like="test_"), plain.filter(like="test_"), check_exact=True)
    np.testing.assert_allclose(folded.train_all, plain.train_all, atol=1e-6)


def test_an_epochs_training_loss_weights_its_rows_by_steps():
    rows = {"variant": "sgd", "seed": 0, "epoch": [0.3, 1, 1.1, 2], "step": [3, 10, 11, 20], "test_all": [4, 3, 2, 1]}
    history = pd.DataFrame(rows | {"train_all": [1.0, 2.0, 3.0, 4.0], "train_unknown": [np.nan, 2.0, np.nan, np.nan]})
    found = thumbnail.by_epoch(history)
    assert found.train_all.tolist() == pytest.approx([1.7, 3.9]) and found.test_all.tolist() == [3, 1]
    assert found.train_unknown[0] == 2 and np.isnan(found.train_unknown[1])


def test_unsupervised_alphas_must_be_of_these_images(tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnail, "runs_dir", lambda run: tmp_path / run)
    (tmp_path / "test").mkdir()
    index = np.array([2, 5])
    with pytest.raises(UserError, match="02_unsupervised"):
        thumbnail.load_unsupervised("test", index, (4, 4))
    alphas = {name: np.full((2, 1, 4, 4), 51, np.uint8) for name in thumbnail.UNSUPERVISED}
    np.savez(tmp_path / "test" / "unsupervised.npz", index=index, **alphas)
    loaded = thumbnail.load_unsupervised("test", index, (4, 4))
    assert loaded["gmm_oracle"][0, 0, 0, 0] == pytest.approx(0.2)
    for other, size in ((np.array([2, 6]), (4, 4)), (index, (5, 4))):
        with pytest.raises(UserError, match="02_unsupervised"):
            thumbnail.load_unsupervised("test", other, size)


def striped(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n,3,32,32) of one grey level each, and alphas with an upright edge at another place each, 3 px apart."""
    image = np.repeat(np.arange(n, dtype=np.uint8)[:, None, None, None] * 20, 3, axis=1) + np.zeros((32, 32), np.uint8)
    alpha = np.where(np.arange(32) < 3 + 3 * np.arange(n)[:, None, None, None], 0, 255) + np.zeros((32, 1), int)
    return image, alpha.astype(np.uint8)


def test_swapped_inputs_come_from_one_partner_never_the_image_itself():
    image, alpha = striped(7)
    inputs = thumbnail.swapped_inputs(image, alpha, seed=3)
    partners = inputs[thumbnail.OTHER_IMAGE][0][:, 0, 0, 0] // 20
    assert sorted(partners) == list(range(7)) and (partners != np.arange(7)).all()
    np.testing.assert_array_equal(inputs[thumbnail.OTHER_TRIMAP][1], alpha[partners])
    np.testing.assert_array_equal(inputs[thumbnail.OTHER_TRIMAP][0], image)
    np.testing.assert_array_equal(inputs[thumbnail.OTHER_IMAGE][1], alpha)
    assert (inputs[thumbnail.NO_TRIMAP][1] == 128).all()
    with pytest.raises(UserError, match="test_index: expected at least 2 images to swap, found 1"):
        thumbnail.swapped_inputs(*striped(1), seed=0)


class CopyTrimap(nn.Module):
    def forward(self, image, trimap):
        return trimap


def test_a_network_that_copies_the_trimap_fails_with_anothers_and_not_with_another_image(monkeypatch):
    prepared = prepared_from(*striped(6))
    monkeypatch.setattr(thumbnail, "load", lambda *_: CopyTrimap())
    scored = thumbnail.score_swapped(prepared, np.arange(6), ["sgd"], P)
    errors = {name: scores.matrix(frame, "sgd", "all") for name, frame in scored.items()}
    assert errors[thumbnail.OWN_INPUT].shape == (2, 6)
    np.testing.assert_array_equal(errors[thumbnail.OWN_INPUT], errors[thumbnail.OTHER_IMAGE])
    assert (errors[thumbnail.OTHER_TRIMAP] > errors[thumbnail.OWN_INPUT] + 1 / 32).all()
    np.testing.assert_allclose(errors[thumbnail.NO_TRIMAP], 0.5)
    monkeypatch.setattr(thumbnail, "MAX_SWAPPED", 3)
    thinned = thumbnail.score_swapped(prepared, np.arange(6), ["sgd"], P)[thumbnail.OWN_INPUT]
    assert thinned.image.unique().tolist() == [0, 2, 5]
