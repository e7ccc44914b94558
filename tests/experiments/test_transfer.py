"""Transfer: the control against its definition, who is tested on what, and the same table twice."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib.data.portraits import Portraits
from lib.data.prepare import prepare
from lib.device import Machine
from lib.experiments import transfer


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    return prepare(Portraits(8), 28, cache=cache, workers=1), prepare(Portraits(20, seed=1), 28, cache=cache, workers=1)


def compared(sets, folder) -> pd.DataFrame:
    recipe = replace(transfer.PHOTOGRAPHS, epochs=1, lr=1e-3, batch_size=8)
    return transfer.compare(*sets, folder, recipe, rendered_epochs=1, machine=Machine("cpu", "fp32", 1))


def test_rows_tell_what_was_trained_and_tested_on(sets, tmp_path):
    table = compared(sets, tmp_path)
    assert table.method.tolist() == [
        "control: trimap as alpha",
        *2 * ["trained on 8 rendered portraits"],
        *2 * ["trained on 16 photographs"],
        "control: trimap as alpha",
        *2 * ["trained on 8 rendered portraits"],
    ]
    assert table.images.tolist() == 5 * [4] + 3 * [20]
    trimap, truth = np.asarray(sets[1].trimap), sets[1].alpha[:] / 255
    unknown = trimap == 128
    error = np.where(unknown, np.abs(0.5 - truth), np.abs((trimap == 255) - truth))
    control = table.iloc[5]
    assert control["test all"] == pytest.approx(error.mean((1, 2, 3)).mean(), abs=1e-7)
    each = (error * unknown).sum((1, 2, 3)) / unknown.sum((1, 2, 3))
    assert control["test unknown"] == pytest.approx(each.mean(), abs=1e-7)
    assert (table["test all low"] <= table["test all"]).all() and (table["test all"] <= table["test all high"]).all()
    pd.testing.assert_frame_equal(table, compared(sets, tmp_path / "again"))


def test_a_wrong_directory_ends_in_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        transfer.main(["--data-dir", str(tmp_path / "nowhere"), "--images", "4"])
    message = capsys.readouterr().err
    assert (
        stop.value.code == 2
        and message.startswith("error: data_dir: expected the directory")
        and message.count("\n") == 1
    )
