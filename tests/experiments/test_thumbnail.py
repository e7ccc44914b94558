"""Variants, their trainings and scores, and the tables made of them."""

import inspect

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lib.base import UserError
from lib.data.prepare import Prepared
from lib.experiments import thumbnail
from lib.models import dim, summary
from lib.output import tables
from lib.training.thumbnail import train

P = {"run": "test", "seed": 3, "seeds": 2, "split": "random", "test_fraction": 0.25, "size": 28, "epochs": 1,
     "batch_size": 4, "lr": 0.01, "recipe_epochs": 2, "recipe_lr": 0.001, "loss_region": "all",
     "trimap_rule": "tolerant", "encoder_weights": "", "device": "cpu", "precision": "fp32", "threads": 1,
     "pooling_images": 0}


def discs(n: int, groups: list[str] | None = None) -> Prepared:
    """n images of a bright disc of growing radius on a dark ground, with a soft edge."""
    y, x = np.mgrid[:28, :28] - 13.5
    radius = np.linspace(5, 10, n).reshape(-1, 1, 1)
    alpha = (255 * np.clip(radius - np.hypot(x, y) + 0.5, 0, 1)).round().astype(np.uint8)[:, None]
    image = np.repeat(alpha // 2 + 60, 3, axis=1)
    groups = groups or [f"g{i // 4}" for i in range(n)]
    return Prepared(image, alpha, None, None, None, [str(i) for i in range(n)], groups, {}, [], "discs")


@pytest.mark.parametrize(("variant", "images", "batch"), [
    ("recipe", 28_426, 64), ("recipe", 640, 64), ("recipe", 160, 16), ("recipe-da", 18, 8), ("sgd", 160, 64)])
def test_recipe_takes_ten_steps_an_epoch_where_the_study_keeps_its_batches(variant, images, batch):
    assert thumbnail.batch_size(variant, P | {"batch_size": 64}, images) == batch


def test_every_variant_gives_train_arguments_it_takes():
    known = inspect.signature(train).parameters
    for variant in thumbnail.VARIANTS:
        assert set(thumbnail.arguments(variant, P, 100)) <= set(known)
    for variant, expected in {"sgd": ("sgd", 0.01, 1, False), "recipe-da": ("adamw", 0.001, 2, True)}.items():
        chosen = thumbnail.arguments(variant, P, 100)
        assert tuple(chosen[name] for name in ("optimizer", "lr", "epochs", "augment")) == expected


def test_a_pair_differs_in_the_augmentation_alone():
    for plain, augmented in {"sgd": "sgd-da", "recipe": "recipe-da"}.items():
        assert thumbnail.arguments(plain, P, 100) | {"augment": True} == thumbnail.arguments(augmented, P, 100)


def test_leakage_splits_hold_groups_apart_and_train_on_no_more_images():
    prepared = discs(40, [f"g{i // 3}" for i in range(40)])
    splits = thumbnail.leakage_splits(prepared, P)
    train_index, test_index = splits["group"]
    groups = np.array(prepared.groups)
    assert not set(groups[train_index]) & set(groups[test_index])
    assert len(train_index) <= len(splits["random"][0])
    assert np.all(np.diff(train_index) > 0)


@pytest.mark.parametrize("groups", [["one"] * 8, [str(i) for i in range(8)]])
def test_no_leakage_splits_without_pairs_or_without_a_second_group(groups):
    assert thumbnail.leakage_splits(discs(8, groups), P) == {}


def test_by_group_is_the_mean_of_pandas():
    values = np.random.default_rng(0).random((2, 9))
    groups = list("cabbacbca")
    expected = pd.DataFrame(values.T).groupby(groups).mean().T.to_numpy()
    np.testing.assert_allclose(tables.by_group(values, groups), expected)


def test_leakage_table_finds_a_known_leak_on_the_shared_images_only():
    random_test, group_test = np.arange(0, 40, 2), np.arange(20, 40)
    splits = {"random": (np.arange(30), random_test), "group": (np.arange(30), group_test)}
    difficulty = np.random.default_rng(1).random(40)
    errors = {"random": difficulty[random_test], "group": difficulty[group_test] + 0.1}
    tested = {name: dict.fromkeys(thumbnail.REGIONS, np.stack([values] * 2))
              for name, values in errors.items()}
    table = tables.leakage(tested, splits, [f"g{i // 4:02d}" for i in range(40)], seed=0)
    shared = tables.shared_images(table)
    assert (shared["test images"], shared["groups"], shared["seeds"]) == (10, 5, 2)
    assert [shared[name] for name in ("mean", "low", "high")] == pytest.approx([0.1] * 3)
    assert "flatters" in tables.leakage_sentence(shared)
    assert "too few groups" in tables.leakage_sentence(shared | {"groups": 4})
    assert "no difference shown" in tables.leakage_sentence(shared | {"low": -0.1})


def test_leakage_table_without_shared_images_says_so():
    splits = {"random": (np.arange(4), np.array([4, 5])), "group": (np.arange(4), np.array([6, 7]))}
    errors = {region: np.full((1, 2), 0.5) for region in thumbnail.REGIONS}
    table = tables.leakage({"random": errors, "group": errors}, splits, list("aabbccdd"), seed=0)
    assert tables.shared_images(table) == {} == tables.shared_images(tables.no_leakage())
    assert "cannot be isolated" in tables.leakage_sentence({})


def test_training_table_takes_the_last_epoch_of_each_variant():
    history = pd.DataFrame({
        "variant": ["sgd"] * 4 + ["recipe"] * 2, "seed": [0, 0, 1, 1, 0, 1], "epoch": [1, 2, 1, 2, 1, 1],
        "train_all": [0.9, 0.2, 0.9, 0.4, 0.5, 0.7], "train_unknown": [0.9, 0.1, 0.9, 0.1, 0.5, 0.5]})
    errors = {region: np.array([[0.1, 0.3], [0.3, 0.5]]) for region in thumbnail.REGIONS}
    table = tables.training(history, {"sgd": errors, "recipe": errors, "control": errors}, seed=0)
    rows = table[table.region == "all"].set_index("method")
    assert rows.loc["VGG-16, SGD", "train"] == pytest.approx(0.3)
    assert rows.loc["VGG-16, SGD", "train sd"] == pytest.approx(pd.Series([0.2, 0.4]).std())
    assert rows.loc["VGG-16, recipe", "train"] == pytest.approx(0.6)
    assert rows.loc["VGG-16, recipe", "test"] == pytest.approx(0.3)
    assert rows.loc["VGG-16, recipe", "test low"] < 0.3 < rows.loc["VGG-16, recipe", "test high"]
    assert np.isnan(rows.loc["control", "train"])


def test_one_seed_has_a_mean_and_no_deviation():
    mean, deviation = tables.seed_summary(np.array([[0.1, np.nan, 0.3]]))
    assert mean == pytest.approx(0.2)
    assert np.isnan(deviation)


def test_augmentation_table_pairs_images():
    difficulty = np.random.default_rng(2).random((2, 50))
    plain = {region: difficulty for region in thumbnail.REGIONS}
    better = {region: difficulty - 0.01 for region in thumbnail.REGIONS}
    trained = dict.fromkeys(("sgd", "sgd-da"), dict.fromkeys(thumbnail.REGIONS, np.full((2, 7), 0.2)))
    row = tables.augmentation({"sgd": plain, "sgd-da": better}, trained, {"sgd": "sgd-da"}, seed=0).iloc[0]
    # images differ a hundred times more than the pairs do, so an unpaired interval would cover 0
    assert [row.difference, row.low, row.high] == pytest.approx([-0.01] * 3)
    assert row["gap with"] == pytest.approx(difficulty.mean() - 0.01 - 0.2)


def test_results_table_opens_with_the_study_and_keeps_the_order():
    errors = {region: np.array([[0.1, 0.2]]) for region in thumbnail.REGIONS}
    published = {"VGG-16": {"train": 0.17, "test": 0.30}}
    table = tables.results(published, {"sgd": errors}, {"sgd": errors, "K": errors}, seed=0)
    assert table.method.tolist() == ["study: VGG-16", "VGG-16, SGD", "K"]
    assert table["train all"].tolist()[:2] == pytest.approx([0.17, 0.15])
    assert table["test unknown"].isna().tolist() == [True, False, False]


def test_wording_follows_the_interval():
    assert tables.compared(-0.2, -0.1) == "is lower than"
    assert tables.compared(0.1, 0.2) == "is higher than"
    assert tables.compared(-0.1, 0.1) == "is not shown to differ from"


def test_hyperparameters_say_what_the_study_leaves_out():
    table = tables.hyperparameters(P | {"epochs": 7}).set_index("parameter")
    assert table.loc["epochs"].tolist() == ["10", "7", "2"]
    assert table.loc["optimiser", "study"] == "not named"


@pytest.mark.parametrize(("reading", "size"), [("halving", 48), ("as_written", 20)])  # no map under 3 px
def test_multiply_adds_agree_with_torchs_counter(reading, size):
    network = dim.VGG16Matting(pooling=reading).to("meta").eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, size, size, device="meta"), torch.zeros(1, 1, size, size, device="meta"))
    counted = tables.multiply_adds(summary.summary(dim.VGG16Matting(pooling=reading), size))
    assert counted == counter.get_total_flops() // 2


def test_controls_cost_what_the_unknown_pixels_cost():
    prepared, index = discs(6), np.array([1, 4])
    errors = thumbnail.control_errors(prepared, index, P)[thumbnail.HALF_CONTROL]
    alpha = prepared.alpha[index] / 255
    unknown = thumbnail.test_trimaps(prepared, index, "tolerant") == 128
    for position in range(2):
        miss = np.abs(alpha[position] - 0.5)[unknown[position]]
        assert errors["unknown"][0, position] == pytest.approx(miss.mean())
        assert errors["all"][0, position] == pytest.approx(miss.sum() / 28**2)


def test_training_scoring_and_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnail, "runs_dir", lambda run: tmp_path / run)
    prepared, p = discs(8), P | {"seeds": 1}
    split = thumbnail.split_of(prepared, p)
    with pytest.raises(UserError, match="03_vgg16"):
        thumbnail.variant_errors(prepared, split[1], "sgd", p)
    with pytest.raises(UserError, match="04_augmentation"):
        thumbnail.load_variant(prepared, "sgd-da", 3, p)
    history = thumbnail.run_variants(prepared, split, ["sgd"], p)
    assert history[["variant", "seed", "epoch"]].values.tolist() == [["sgd", 3, 1]]
    errors = thumbnail.variant_errors(prepared, split[1], "sgd", p, part=1)
    assert errors["all"].shape == (1, len(split[1]))
    assert errors["all"].mean() == pytest.approx(history.test_all.iloc[-1], abs=1e-5)
    with pytest.raises(UserError, match="another's"):
        thumbnail.load_variant(prepared, "sgd", 3, p | {"trimap_rule": "strict"})


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


def test_augmented_pairs_start_from_the_images_as_they_are():
    prepared, index = discs(12), np.arange(12)
    pairs = thumbnail.augmented_pairs(prepared, index, P, count=3)
    images = prepared.image.transpose(0, 2, 3, 1) / 255
    assert 0 < len(pairs) <= 3
    for pair in pairs:
        assert min(np.abs(images - pair["before"][0]).max(axis=(1, 2, 3))) < 1e-6
        assert set(np.unique(pair["after"][2])) <= {0.0, 0.5, 1.0}
