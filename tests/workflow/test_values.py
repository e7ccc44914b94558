"""Named values, read again: what is missing, broken or stale is named."""

import pytest

from lib import base
from lib.base import UserError
from lib.report import save
from workflow import values as kept


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "ROOT", tmp_path)
    return tmp_path


def test_missing_values_name_the_notebook_to_run(elsewhere):
    with pytest.raises(UserError, match="expected the values of notebook 03_vgg16 with run=smoke, found no"):
        kept.read("smoke", "03_vgg16")
    with pytest.raises(UserError, match="expected the values of a run"):
        kept.load(elsewhere / "nowhere")


def test_parameters_are_known_by_notebook_and_together(elsewhere):
    save.write_values({"run": "smoke", "epochs": 3}, "01_data", "yes", {"images": 3})
    save.write_values({"run": "smoke", "size": 28}, "03_vgg16", "yes", {"loss": 1})
    folder = elsewhere / "reports" / "smoke"
    assert kept.parameters_by_notebook(folder) == {
        "01_data": {"run": "smoke", "epochs": 3},
        "03_vgg16": {"run": "smoke", "size": 28},
    }
    assert kept.parameters(folder) == {"run": "smoke", "epochs": 3, "size": 28}


def test_a_file_of_another_version_is_refused(elsewhere):
    folder = elsewhere / "reports" / "smoke" / "values"
    folder.mkdir(parents=True)
    (folder / "01_data.json").write_text('{"answer": "yes"}')
    with pytest.raises(UserError, match="01_data.json.*expected a values file of this version"):
        kept.load(elsewhere / "reports" / "smoke")


def test_values_of_changed_code_are_stale(elsewhere, monkeypatch):
    monkeypatch.setattr(kept, "ROOT", elsewhere)
    (elsewhere / "notebooks").mkdir()
    (elsewhere / "notebooks" / "01_data.ipynb").write_text('{"cells": []}')
    save.write_values({"run": "smoke"}, "01_data", "yes", {"images": 3})
    folder = elsewhere / "reports" / "smoke"
    assert kept.stale(folder) == {}
    path = folder / "values" / "01_data.json"
    path.write_text(path.read_text().replace('"code": "', '"code": "0'))
    assert kept.stale(folder) == {"01_data": "its cells or the lib code that they use have changed since"}


@pytest.mark.parametrize(
    ("leaf", "number"),
    [
        (3, 3),
        (0.5, 0.5),
        ({"value": 0.25, "sd": 1}, 0.25),
        (True, 1.0),
        ("text", None),
        (None, None),
        ({"value": None}, None),
    ],
)
def test_the_number_of_a_value(leaf, number):
    assert kept.number(leaf) == number
