"""What a figure says of itself, against where Matplotlib painted it and against Pillow's reading of the PNG."""

import io
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from lib.output import described, notebook
from lib.output.gallery import colour_bar, gallery


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A figure of a black picture and a chart, saved as the notebooks do."""
    monkeypatch.setattr(notebook, "figures_dir", lambda run: tmp_path)
    figure, (left, right) = plt.subplots(1, 2, figsize=(4, 2), layout="constrained")
    left.imshow(np.zeros((6, 4)), cmap="gray", vmin=0, vmax=1)
    left.set(title="alpha", xticks=[], yticks=[])
    right.plot([1, 10, 100], [0.5, np.nan, 0.25], label="SGD")
    right.axhline(0.3, label="control")
    right.set(title="error", xscale="log", xlabel="steps", ylim=(0, 1))
    notebook.save_figure(figure, "r", "fig")
    plt.close(figure)
    return (tmp_path / "fig.png").read_bytes()


def test_the_box_of_a_picture_is_where_its_pixels_are(saved):
    picture, _ = described.panels(saved)
    pixels = np.asarray(Image.open(io.BytesIO(saved)).convert("L"))
    height, width = pixels.shape
    left, top, wide, high = np.array(picture["box"]) * [width, height, width, height]
    assert picture["title"] == "alpha" and picture["kind"] == "picture"
    assert wide / high == pytest.approx(4 / 6, abs=0.01)
    inside = pixels[round(top) + 3 : round(top + high) - 3, round(left) + 3 : round(left + wide) - 3]
    assert inside.max() == 0
    assert pixels[round(top + high / 2), round(left) - 3] == 255


def test_a_chart_gives_its_axes_and_the_lines_that_have_a_name(saved):
    chart = described.panels(saved)[1]
    assert chart["labels"] == ["steps", ""] and chart["scales"] == ["log", "linear"] and chart["limits"][1] == [0, 1]
    (line,) = chart["lines"]  # the control's level is none
    assert line["label"] == "SGD" and line["x"] == [1, 10, 100] and line["y"] == [0.5, None, 0.25]


def test_the_png_stays_one_that_others_read(saved):
    image = Image.open(io.BytesIO(saved))
    image.load()
    assert json.loads(image.text["Panels"]) == described.panels(saved)
    plain = io.BytesIO()
    image.save(plain, "png")
    assert described.panels(plain.getvalue()) == []


def test_each_picture_of_a_gallery_has_a_box_of_its_own(tmp_path, monkeypatch):
    """A grey for each picture, found where the PNG says that the picture of that name lies."""
    monkeypatch.setattr(notebook, "figures_dir", lambda run: tmp_path)
    shades = {("best", "input"): 40, ("best", "alpha"): 90, ("worst", "alpha"): 140}
    rows = {"best": {}, "worst": {}}
    for (row, column), shade in shades.items():
        rows[row][column] = np.full((9, 7), shade, np.uint8)
    figure = colour_bar(gallery(rows, {"best": {"alpha": "error 0.1"}}), "error")
    notebook.save_figure(figure, "r", "fig", {"kind": "frames"})
    plt.close(figure)
    png = (tmp_path / "fig.png").read_bytes()
    *pictures, key, frames = described.panels(png)
    assert (key["kind"], frames["kind"]) == ("key", "frames")
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
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
    assert [one["title"] for one in described.describe(figure)] == ["K-means"]
    plt.close(figure)
