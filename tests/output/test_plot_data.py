"""The distributions of notebook 01, against counts made by hand; the two numbers of difficulty; the data card."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot as plt

from lib.output import data_tables, plot_data, style


@pytest.fixture(autouse=True)
def as_notebooks_do():
    with plt.rc_context():
        style.apply()
        yield
    plt.close("all")


def test_coverage_counts_images_by_their_mean_alpha():
    alphas = np.zeros((4, 1, 10, 10), np.uint8)
    alphas[0], alphas[1, :, :5], alphas[2, :, :5] = 255, 255, 255  # shares 1, 0.5, 0.5 and 0
    axis = plot_data.coverage(alphas).axes[0]
    heights = {round(bar.get_x(), 2): bar.get_height() for bar in axis.patches if bar.get_height()}
    assert heights == {0.0: 1, 0.48: 2, 0.96: 1}
    assert axis.lines[0].get_xdata()[0] == 0.5 and axis.get_legend().get_texts()[0].get_text() == "mean 0.50"


def test_groups_are_drawn_largest_first():
    axis = plot_data.group_sizes(["a", "b", "b", "b", "c", "c"]).axes[0]
    assert [bar.get_height() for bar in axis.patches] == [3, 2, 1]
    assert axis.get_title() == "3 groups; the largest holds 50.0% of the images"


def test_alpha_histogram_shows_shares_and_the_thresholds_of_each_rule():
    alphas = np.array([0, 0, 100, 255], np.uint8).reshape(1, 1, 2, 2)
    axis = plot_data.alpha_histogram(alphas, {"strict": (0, 255), "tolerant": (12, 242)}).axes[0]
    heights = [bar.get_height() for bar in axis.patches]
    assert (heights[0], heights[12], heights[31], sum(heights)) == (0.5, 0.25, 0.25, 1)
    assert [(line.get_xdata()[0], line.get_linestyle()) for line in axis.lines] == [
        (0, "-"),
        (255, "-"),
        (12, "--"),
        (242, "--"),
    ]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["strict rule", "tolerant rule"]


def test_labels_of_the_difficulty_stay_inside_the_figure():
    figure = plot_data.difficulty(np.append(np.linspace(0, 1, 50), np.nan), np.linspace(0, 20, 50))
    figure.draw_without_rendering()
    width = figure.bbox.width
    boxes = [axis.xaxis.label.get_window_extent() for axis in figure.axes]
    assert all(box.x0 >= 0 and box.x1 <= width for box in boxes) and boxes[0].x1 < boxes[1].x0
    assert [axis.get_legend().get_texts()[0].get_text() for axis in figure.axes] == ["median 0.50", "median 10.00"]


def test_settings_of_the_rendered_portraits_move_the_numbers_they_name():
    table = data_tables.tuned_portraits(seed=0, count=40)
    settings = table.set_index(["camouflage", "texture setting"])
    shared, detail = settings["colours shared (share)"], settings["texture (grey levels a pixel)"]
    assert shared[1.0, 1.0] > shared[0.0, 1.0] and shared[0.0, 1.0] <= shared.iloc[0] <= shared[1.0, 1.0]
    assert detail[:, 0.0].iloc[0] < detail.iloc[0] < detail[:, 2.0].iloc[0]


def test_the_data_card_names_its_licences():
    card = data_tables.data_card()
    assert "Apache-2.0" in card and "CC0" in card and "unrealism" in card and "\n# " not in card
