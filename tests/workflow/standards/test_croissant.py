"""data/croissant.json, read by mlcroissant as a loader would: valid, and its records are those that lib.data reads."""

import hashlib
import json

import cv2
import numpy as np
import pandas as pd
import pytest

from lib.base import ROOT

mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")


@pytest.fixture(scope="module")
def dataset():
    return mlcroissant.Dataset(str(ROOT / "data" / "croissant.json"))  # raises where it is not valid


def test_it_is_what_the_data_say_today():
    from workflow.standards import croissant

    assert (ROOT / croissant.NAME).read_text() == croissant.text(), "run `make readme`"


def test_manifests_are_those_of_the_sums(dataset):
    files = [each for each in dataset.metadata.distribution if isinstance(each, mlcroissant.FileObject)]
    assert len(files) == 3
    for file in files:
        assert hashlib.sha256((ROOT / "data" / file.content_url).read_bytes()).hexdigest() == file.sha256


@pytest.mark.parametrize("name", ["portraits", "sequences", "backgrounds"])
def test_records_are_the_manifests_rows_with_their_pictures(dataset, name):
    rows = pd.read_csv(ROOT / "data" / name / "manifest.csv").set_index("id")
    found = {}
    for record in dataset.records(name):
        record = {key.removeprefix(f"{name}/"): value for key, value in record.items()}
        key = record.pop("id").decode()
        picture = record.pop("picture")
        found[key] = {each: value.decode() if isinstance(value, bytes) else value for each, value in record.items()}
        if len(found) in (1, len(rows)):
            file = ROOT / "data" / name / f"{key}.webp"
            assert hashlib.sha256(file.read_bytes()).hexdigest() == found[key]["sha256"]
            theirs = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            theirs = cv2.cvtColor(theirs, cv2.COLOR_BGRA2RGBA if theirs.shape[2] == 4 else cv2.COLOR_BGR2RGB)
            mine = np.asarray(picture)
            assert mine.shape == theirs.shape and (mine[..., -1] == theirs[..., -1]).all()
    assert found == rows.to_dict("index")


def test_splits_are_croissants(dataset):
    found = {each["splits/name"]: each["splits/url"] for each in dataset.records("splits")}
    assert found == {"train": "cr:TrainingSplit", "test": "cr:TestSplit"}
    context = json.loads((ROOT / "data" / "croissant.json").read_text())["@context"]
    assert context["cr"] == "http://mlcommons.org/croissant/"
