"""Transfer: the control against its definition, who is tested on what, as many steps each, and the same scores twice."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from lib.__main__ import main
from lib.compute import Compute
from lib.data.portraits import Portraits
from lib.data.prepare import prepare
from lib.experiments import transfer
from lib.models import store
from lib.training.thumbnail import ThumbnailTask
from lib.training.trainer import train

MACHINE = Compute("cpu", "fp32", 1)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return prepare(Portraits(8), 28, cache=cache, workers=1), prepare(Portraits(20, seed=1), 28, cache=cache, workers=1)


def compared(sets, folder) -> pd.DataFrame:
    recipe = replace(transfer.PHOTOGRAPHS, steps=4, lr=1e-3, batch_size=8, width=4)
    return transfer.compare(*sets, folder, recipe, seeds=2, machine=MACHINE)


def steps_of(folder) -> int:
    return pd.read_csv(folder / "history.csv").step.iloc[-1]


def test_scores_tell_what_was_trained_and_tested_on(sets, tmp_path):
    found = compared(sets, tmp_path)
    images = found.groupby("method", sort=False).image.nunique().to_dict()
    assert images == {transfer.CONTROL: 20, transfer.RENDERED: 20, transfer.TAKEN: 4, transfer.BOTH: 4}
    assert found[found.fifth].image.nunique() == 4
    assert found.groupby("method").seed.nunique().drop(transfer.CONTROL).eq(2).all()
    trimap, truth = np.asarray(sets[1].trimap), sets[1].alpha[:] / 255
    unknown = trimap == 128
    error = np.where(unknown, np.abs(0.5 - truth), np.abs((trimap == 255) - truth))
    control = found[found.method == transfer.CONTROL].set_index("measure").value
    assert control["all"].to_numpy() == pytest.approx(error.mean((1, 2, 3)), abs=1e-7)
    each = (error * unknown).sum((1, 2, 3)) / unknown.sum((1, 2, 3))
    assert control["unknown"].to_numpy() == pytest.approx(each, abs=1e-7)
    # As many steps each: the third kind has half of its own from either.
    assert steps_of(tmp_path / "rendered-portraits-seed1") == steps_of(tmp_path / "photographs-seed1") == 4
    both = tmp_path / "rendered-portraits-then-photographs-seed1"
    assert steps_of(tmp_path / "first-seed1") == steps_of(both) == 2
    pd.testing.assert_frame_equal(found, compared(sets, tmp_path / "again"))


def test_going_on_begins_with_the_weights_that_it_is_given(sets, tmp_path):
    still = replace(transfer.PHOTOGRAPHS, steps=1, lr=1e-12, weight_decay=0.0, batch_size=4, width=4, augment=False)
    split = (np.arange(4), [])
    train(ThumbnailTask, replace(still, lr=1e-2), tmp_path / "first", MACHINE, sets[0], split)
    train(ThumbnailTask, replace(still, start=str(tmp_path / "first")), tmp_path / "then", MACHINE, sets[1], split)
    begun, gone_on = (store.load(tmp_path / name, "cpu") for name in ("first", "then"))
    for one, other in zip(begun.parameters(), gone_on.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=0)


def test_a_wrong_directory_ends_in_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["transfer", "--data-dir", str(tmp_path / "nowhere"), "--images", "4"])
    message = capsys.readouterr().err
    assert (
        stop.value.code == 2
        and message.startswith("Error: data_dir: expected the directory")
        and message.count("\n") == 1
    )


def test_a_network_of_today_is_tested_on_all_photographs(sets, tmp_path):
    recipe = replace(transfer.OF_TODAY, steps=4, batch_size=4, width=4)
    found = transfer.of_today(*sets, tmp_path / "today", recipe, MACHINE)
    assert found.method.unique().tolist() == [transfer.TODAY] and found.image.nunique() == 20
    assert found[found.fifth].image.nunique() == 4 and found.value.between(0, 1).all()
    alpha = transfer.predict(store.load(tmp_path / "today", "cpu"), sets[1], np.arange(20), MACHINE)
    by_hand = np.abs(alpha - sets[1].alpha[:] / 255).mean((1, 2, 3))
    assert found[found.measure == "all"].value.to_numpy() == pytest.approx(by_hand, abs=1e-6)
