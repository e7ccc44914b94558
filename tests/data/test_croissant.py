"""data/croissant.json, which searches for data sets read, describes the data that are here."""

import csv
import hashlib
import json

from lib.base import ROOT

DATA = ROOT / "data"
CROISSANT = json.loads((DATA / "croissant.json").read_text())


def test_sums_and_sizes_of_the_manifests_are_those_of_the_files():
    files = [each for each in CROISSANT["distribution"] if each["@type"] == "cr:FileObject"]
    assert len(files) == 3
    for file in files:
        content = (DATA / file["contentUrl"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == file["sha256"], "data/ changed: correct data/croissant.json"
        assert file["contentSize"] == f"{len(content)} B"


def test_fields_are_the_manifests_columns_and_counts_are_those_of_the_pictures():
    for record in CROISSANT["recordSet"]:
        if record["name"] != "splits":
            rows = list(csv.DictReader((DATA / record["name"] / "manifest.csv").open()))
            assert [field["name"] for field in record["field"]] == [*rows[0], "picture"]
            assert record["description"].startswith(f"{len(rows)} records.")
            assert len(list((DATA / record["name"]).glob("*.webp"))) == len(rows)
