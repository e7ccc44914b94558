"""What a notebook leaves: read back by other programs, the same bytes twice, nothing half-written."""

import csv
import json
import os
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib import pyplot as plt
from PIL import Image

from lib import base, scores
from lib.base import write_atomically
from lib.report import save, style
from lib.report.gallery import colour_bar, gallery
from workflow import values
from workflow.text.alternative import panels_of

TABLE = pd.DataFrame({"method": ["a_b & c", "d"], "error": [1 / 3, float("nan")], "test images": [64, 8]})


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Reports and figures go to a temporary folder."""
    monkeypatch.setattr(base, "ROOT", tmp_path)
    monkeypatch.setattr(save, "_written", {})
    return tmp_path


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def figure(size=(7.0, 2.0)):
    style.apply()
    made, axes = plt.subplots(1, 2, figsize=size)
    axes[0].plot([0, 1], [1, 3], label="α")
    axes[0].legend()
    axes[1].imshow(np.arange(4).reshape(2, 2))
    return made


def test_figure_bytes_are_the_same_twice_whatever_the_day(elsewhere, monkeypatch):
    found = []
    for day in ("1", "86400000"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", day)  # what matplotlib would write as the date of a PDF
        made = figure()
        save.save_figure(made, "smoke", "fig")
        plt.close(made)
        found.append(contents(elsewhere / "figures" / "smoke"))
    assert set(found[0]) == {"fig.png", "fig.pdf"} and found[0] == found[1]
    assert found[0]["fig.pdf"].startswith(b"%PDF") and b"CreationDate" not in found[0]["fig.pdf"]


def test_png_has_200_dots_an_inch(elsewhere):
    made = figure((7.0, 2.0))
    save.save_figure(made, "smoke", "fig")
    plt.close(made)
    assert cv2.imread(str(elsewhere / "figures" / "smoke" / "fig.png")).shape == (400, 1400, 3)


def test_show_displays_once_and_closes(monkeypatch):
    shown = []
    monkeypatch.setattr(save, "display", shown.append)
    made = figure()
    save.show(made)
    assert shown == [made] and not plt.fignum_exists(made.number)


def test_table_bytes_are_the_same_twice(elsewhere):
    found = []
    for _ in range(2):
        save.write_table(TABLE, "smoke", "tab", "Errors.")
        found.append(contents(elsewhere / "reports"))
    assert set(found[0]) == {"tab.csv", "tab.md"} and found[0] == found[1]


def test_csv_keeps_full_precision_and_the_others_round(elsewhere):
    save.write_table(TABLE, "smoke", "tab", "Errors.", digits=2)
    folder = elsewhere / "reports" / "smoke" / "tables"
    rows = list(csv.DictReader((folder / "tab.csv").open()))
    assert float(rows[0]["error"]) == 1 / 3 and rows[0]["error"] == repr(1 / 3)
    assert rows[1] == {"method": "d", "error": "", "test images": "8"}
    markdown = (folder / "tab.md").read_text()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()[:4]]
    assert cells[0] == ["method", "error", "test images"]
    assert cells[2:] == [["a_b & c", "0.33", "64"], ["d", "", "8"]]
    assert markdown.endswith("\n\n*Errors.*\n")


def test_table_is_shown_formatted(monkeypatch):
    shown = []
    monkeypatch.setattr(save, "display", lambda *items: shown.extend(items))
    save.write_table(TABLE, "smoke", "tab", "Errors of two methods.", digits=3)
    soup = BeautifulSoup(shown[0].data, "html.parser")
    rows = [[cell.text for cell in row.find_all(["th", "td"])] for row in soup.find_all("tr")]
    assert rows == [["method", "error", "test images"], ["a_b & c", "0.333", "64"], ["d", "", "8"]]
    assert "Errors of two methods." in shown[1].data


def test_a_table_that_explains_is_shown_and_not_kept(elsewhere, monkeypatch):
    shown = []
    monkeypatch.setattr(save, "display", lambda *items: shown.extend(items))
    save.show_table(TABLE, digits=1)
    assert [cell.text for cell in BeautifulSoup(shown[0].data, "html.parser").find_all("td")][:2] == ["a_b & c", "0.3"]
    assert len(shown) == 1 and contents(elsewhere) == {}


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "kept.csv"
    write_atomically(path, b"old")

    def refuse(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_arrays_and_data_files_come_back_and_are_the_same_bytes_twice(tmp_path):
    arrays = {"index": np.arange(3), "alpha": np.zeros((3, 1, 2, 2), np.uint8)}
    for name in ("one.npz", "two.npz"):
        save.write_arrays(tmp_path / name, **arrays)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as back:
        np.testing.assert_array_equal(back["index"], arrays["index"])
    save.write_csv(TABLE, tmp_path / "new" / "data.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "new" / "data.csv"), TABLE)


@pytest.fixture
def saved(elsewhere):
    """A figure of a black picture and a chart, saved as the notebooks do."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(4, 2), layout="constrained")
    left.imshow(np.zeros((6, 4)), cmap="gray", vmin=0, vmax=1)
    left.set(title="alpha", xticks=[], yticks=[])
    right.plot([1, 10, 100], [0.5, np.nan, 0.25], label="SGD")
    right.axhline(0.3, label="control")
    right.set(title="error", xscale="log", xlabel="steps", ylim=(0, 1))
    save.save_figure(figure, "r", "fig")
    plt.close(figure)
    return elsewhere / "figures" / "r" / "fig.png"


def test_the_box_of_a_picture_is_where_its_pixels_are(saved):
    picture, _ = panels_of(saved)
    pixels = np.asarray(Image.open(saved).convert("L"))
    height, width = pixels.shape
    left, top, wide, high = np.array(picture["box"]) * [width, height, width, height]
    assert picture["title"] == "alpha" and picture["kind"] == "picture"
    assert wide / high == pytest.approx(4 / 6, abs=0.01)
    inside = pixels[round(top) + 3 : round(top + high) - 3, round(left) + 3 : round(left + wide) - 3]
    assert inside.max() == 0
    assert pixels[round(top + high / 2), round(left) - 3] == 255


def test_a_chart_gives_its_axes_and_the_lines_that_have_a_name(saved):
    chart = panels_of(saved)[1]
    assert chart["labels"] == ["steps", ""] and chart["scales"] == ["log", "linear"] and chart["limits"][1] == [0, 1]
    (line,) = chart["lines"]  # the control's level is none
    assert line["label"] == "SGD" and line["x"] == [1, 10, 100] and line["y"] == [0.5, None, 0.25]


def test_the_png_stays_one_that_others_read(saved):
    image = Image.open(saved)
    image.load()
    assert json.loads(image.text["Panels"]) == panels_of(saved)
    image.save(saved.with_name("plain.png"))
    assert panels_of(saved.with_name("plain.png")) == []


def test_each_picture_of_a_gallery_has_a_box_of_its_own(elsewhere):
    """A grey for each picture, found where the PNG says that the picture of that name lies."""
    shades = {("best", "input"): 40, ("best", "alpha"): 90, ("worst", "alpha"): 140}
    rows = {"best": {}, "worst": {}}
    for (row, column), shade in shades.items():
        rows[row][column] = np.full((9, 7), shade, np.uint8)
    figure = colour_bar(gallery(rows, {"best": {"alpha": "error 0.1"}}), "error")
    save.save_figure(figure, "r", "fig")
    plt.close(figure)
    png = elsewhere / "figures" / "r" / "fig.png"
    *pictures, key = panels_of(png)
    assert key["kind"] == "key"
    pixels = np.asarray(Image.open(png).convert("L"))
    found = {}
    for one in pictures:
        left, top, wide, high = (
            round(part * side) for part, side in zip(one["box"], pixels.shape[::-1] * 2, strict=True)
        )
        inside = pixels[top : top + high, left : left + wide]
        assert (inside == inside[0, 0]).all() and pixels[top - 2, left] != inside[0, 0]
        found[one["side"], one["title"]] = int(inside[0, 0])
    assert found == shades


def test_pictures_without_a_title_are_named_by_their_notes():
    figure = gallery({0: {0: np.zeros((3, 3), np.uint8)}}, {0: {0: "K-means\nmean 0.1"}})
    assert [one["title"] for one in save.describe(figure)] == ["K-means"]
    plt.close(figure)


def test_values_come_back_by_name(elsewhere):
    p = {"run": "smoke", "data_dir": "/somewhere/set"}
    save.write_values(
        p,
        "02_x",
        "α is 0.1",
        {
            "b": np.float64(0.1),
            "rho": {"K-means: colour": np.float32(0.5)},
            "n": np.int64(3),
            "bad": float("nan"),
            "note": "x",
            "ok": np.bool_(True),
            "e": scores.mean_with_interval(np.ones((2, 3)), 0),
        },
    )
    found = values.load(elsewhere / "reports" / "smoke")
    assert found["02_x.b"] == 0.1 and found["02_x.rho.k_means_colour"] == 0.5 and found["02_x.n"] == 3
    assert found["02_x.bad"] is None and found["02_x.note"] == "x" and found["02_x.ok"] is True
    assert found["02_x.e"] == {"value": 1.0, "sd": 0.0, "low": 1.0, "high": 1.0, "seeds": 2, "n": 3}
    (name,) = values.samples(elsewhere / "reports" / "smoke").items()
    assert name[0] == "02_x.e" and (scores.decode_errors(name[1], 2) == 1).all()
    content = values.read("smoke", "02_x")
    assert content["answer"] == "α is 0.1" and content["parameters"] == p
    assert set(content) == {
        "answer",
        "code",
        "commit",
        "files",
        "notebook",
        "parameters",
        "samples",
        "tree_clean",
        "values",
    }
    text = (elsewhere / "reports" / "smoke" / "values" / "02_x.json").read_text()
    assert list(json.loads(text)["values"]) == sorted(found)


def test_two_values_of_one_name_are_a_mistake():
    with pytest.raises(ValueError, match="02_x.a_b"):
        save.flatten({"a b": 1, "a-b": 2}, "02_x")


def test_the_files_of_a_notebook_are_listed_with_the_cells_that_wrote_them(elsewhere, monkeypatch):
    (elsewhere / "notebooks").mkdir()
    cells = [{"cell_type": "code", "id": "02-table", "source": ["a = 1\n", "write(a)"]}]
    (elsewhere / "notebooks" / "02_x.ipynb").write_text(json.dumps({"cells": cells}))

    history = SimpleNamespace(input_hist_raw=["", "a = 1\nwrite(a)"])
    monkeypatch.setattr(save, "get_ipython", lambda: SimpleNamespace(history_manager=history))
    save.write_table(TABLE, "smoke", "tab", "Errors.")
    history.input_hist_raw.append("edited since")
    save.write_values({"run": "smoke"}, "02_x", "yes", {"a": 1})
    tables = {f"reports/smoke/tables/tab.{kind}": "02-table" for kind in ("csv", "md")}
    assert values.read("smoke", "02_x")["files"] == tables | {"reports/smoke/values/02_x.json": ""}
    assert values.cells(elsewhere / "reports/smoke")["tab"] == ("02_x", "02-table")
