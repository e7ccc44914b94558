"""Person and place, rendered and photographed: splits, who is tested on what, and scores computed by hand."""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from lib import scores
from lib.__main__ import main
from lib.base import UserError
from lib.compute import Compute
from lib.data.cache import prepare
from lib.data.portraits import PersonPlaceGrid, Portraits
from lib.experiments import transfer
from lib.inference import predict_batches
from lib.models.checkpoint import load_network
from lib.training.thumbnail import ThumbnailTask
from lib.training.trainer import train

ONE = Compute("cpu", "fp32", 1)


def test_quadrants_share_neither_people_nor_places_and_tests_repeat_training_pairs():
    splits = transfer.factorial_splits(120, 400, 60, 0)
    pairs_of = np.repeat(splits.pairs, 2, axis=0)
    for quadrant in transfer.QUADRANTS:
        trained, tested = pairs_of[splits.train[quadrant]], pairs_of[splits.test[quadrant]]
        assert len(trained) == 400 and len(tested) == 60
        assert set(map(tuple, tested.tolist())) <= set(map(tuple, trained.tolist()))
        assert not set(splits.train[quadrant]) & set(splits.test[quadrant])
    for one, other in itertools.combinations(transfer.QUADRANTS, 2):
        for part in range(2):  # person, place
            a, b = (set(pairs_of[splits.train[quadrant], part].tolist()) for quadrant in (one, other))
            assert (a == b) if one[part] == other[part] else not a & b
    assert len(set(pairs_of[:, 0].tolist())) == 120


@pytest.mark.parametrize(("trained", "tested", "name"), [(5, 2, "trained"), (4, 3, "tested"), (4, 6, "tested")])
def test_impossible_numbers_are_named(trained, tested, name):
    with pytest.raises(UserError, match=rf"^{name}: expected "):
        transfer.factorial_splits(8, trained, tested, 0)


def test_every_person_is_measured_by_all_four_kinds_of_network(tmp_path):
    splits = transfer.factorial_splits(8, 8, 8, 0)
    images = prepare(PersonPlaceGrid(splits.pairs), 28, cache=tmp_path / "cache")
    config = replace(transfer.CROSSED, steps=2, batch_size=4, width=4)
    scored = transfer.score_crossed(images, splits, tmp_path, config, 2, ONE)
    assert scored.method.unique().tolist() == list(transfer.SEEN.values())
    assert (scored.groupby(["method", "seed", "measure"]).image.nunique() == 8).all() and len(scored) == 4 * 2 * 2 * 8
    assert len(scores.compare(scored, [("person", "neither")], 0)) == 2
    # By hand: the networks that have seen neither, on the pictures of one person.
    person, errors = images.groups[splits.test[transfer.QUADRANTS[0]][0]], []
    for (i, j), part in splits.test.items():
        network = load_network(tmp_path / f"seed1-people{1 - i}-places{1 - j}", "cpu")
        for index in (index for index in part if images.groups[index] == person):
            alpha = predict_batches(network, images, [index], ONE)
            errors.append(np.abs(alpha - images.alpha[[index]] / 255).mean())
    rows = scored[(scored.method == "neither") & (scored.seed == 1) & (scored.measure == "all")]
    assert rows[rows.image == person].value.item() == pytest.approx(np.mean(errors), abs=1e-6)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return prepare(Portraits(8), 28, cache=cache), prepare(Portraits(20, seed=1), 28, cache=cache)


def test_scores_show_what_was_trained_and_tested_on(sets, tmp_path):
    config = replace(transfer.TRANSFER, steps=4, lr=1e-3, batch_size=8, width=4)
    scored = transfer.score_transfer(*sets, tmp_path, config, seeds=2, compute=ONE)
    images = scored.groupby("method", sort=False).image.nunique().to_dict()
    control = scores.TRIMAP_CONTROL
    assert images == {control: 20, transfer.RENDERED: 20, transfer.PHOTOGRAPHS: 4, transfer.BOTH: 4}
    assert scored[scored.fifth].image.nunique() == 4
    assert scored.groupby("method").seed.nunique().drop(control).eq(2).all()
    trimap, truth = np.asarray(sets[1].trimap), sets[1].alpha[:] / 255
    error = np.where(trimap == 128, np.abs(0.5 - truth), np.abs((trimap == 255) - truth))
    whole = scored[(scored.method == control) & (scored.measure == "all")].value
    assert whole.to_numpy() == pytest.approx(error.mean((1, 2, 3)), abs=1e-7)
    steps = {file.parent.name: pd.read_csv(file).step.iloc[-1] for file in tmp_path.glob("*-seed1/history.csv")}
    both = "rendered-portraits-then-photographs-seed1"  # half of its steps on either
    assert steps == {"rendered-portraits-seed1": 4, "photographs-seed1": 4, "first-seed1": 2, both: 2}


def test_going_on_begins_with_the_weights_of_the_start(sets, tmp_path):
    still = replace(transfer.TRANSFER, steps=1, lr=1e-12, weight_decay=0.0, batch_size=4, width=4, augment=False)
    split = (np.arange(4), [])
    train(ThumbnailTask, replace(still, lr=1e-2), tmp_path / "first", ONE, sets[0], split)
    train(ThumbnailTask, replace(still, start=str(tmp_path / "first")), tmp_path / "then", ONE, sets[1], split)
    first, then = (load_network(tmp_path / name, "cpu") for name in ("first", "then"))
    for one, other in zip(first.parameters(), then.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=0)


def test_a_residual_network_is_tested_on_all_photographs(sets, tmp_path):
    config = replace(transfer.RESIDUAL_CONFIG, steps=4, batch_size=4, width=4)
    scored = transfer.score_residual(*sets, tmp_path, config, ONE)
    assert scored.method.unique().tolist() == [transfer.RESIDUAL] and scored[scored.fifth].image.nunique() == 4
    alpha = predict_batches(load_network(tmp_path, "cpu"), sets[1], np.arange(20), ONE)
    by_hand = np.abs(alpha - sets[1].alpha[:] / 255).mean((1, 2, 3))
    assert scored[scored.measure == "all"].value.to_numpy() == pytest.approx(by_hand, abs=1e-6)


def test_a_wrong_directory_ends_in_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["transfer", "--data-dir", str(tmp_path / "nowhere"), "--images", "4"])
    message = capsys.readouterr().err
    assert stop.value.code == 2 and message.count("\n") == 1
    assert message.startswith("Error: data_dir: expected the directory")
