"""Figures: what they are drawn from, and that they can be read."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.text import Text
from scipy.stats import rankdata
from sklearn.metrics import mean_absolute_error
from torchvision.models.vgg import cfgs

from lib.models import dim, summary
from lib.output import plot_results, plot_training


@pytest.fixture(scope="module")
def layers() -> pd.DataFrame:
    return summary.summary(dim.VGG16Matting(), 28)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def legible(figure) -> bool:
    """At most 7 in wide, and no text under 8 pt that says anything."""
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    return figure.get_figwidth() <= 7 and min(text.get_fontsize() for text in texts) >= 8


@pytest.mark.parametrize("n", [1, 2, 7, 8])
def test_rank_cases_against_scipys_ranks(n):
    errors = np.random.default_rng(n).random(n)
    ranks = rankdata(errors)
    cases = plot_results.rank_cases(errors)
    assert [ranks[cases[case]] for case in plot_results.CASES] == [1, (n + 1) // 2, n]


def test_rank_cases_breaks_ties_by_position():
    assert plot_results.rank_cases(np.array([0.5, 0.5, 0.5])) == {"best": 0, "median": 1, "worst": 2}


def test_mean_error_map_against_scikit_learn():
    generator = np.random.default_rng(0)
    predicted = generator.random((5, 1, 3, 4)).astype(np.float32)
    alpha = generator.integers(0, 256, (5, 1, 3, 4), dtype=np.uint8)
    truth, guess = alpha.reshape(5, 12) / 255, predicted.reshape(5, 12)
    expected = mean_absolute_error(truth, guess, multioutput="raw_values").reshape(3, 4)
    np.testing.assert_allclose(plot_results.mean_error_map(predicted, alpha), expected, atol=1e-6)


def test_comparison_shows_pixels_and_the_mean_error():
    alpha = np.zeros((8, 8), np.uint8)
    predictions = {"all wrong": np.ones((8, 8)), "half": np.full((8, 8), 0.5)}
    pictures = {"input": np.zeros((8, 8, 3), np.uint8), "truth": alpha}
    figure = plot_results.comparison(pictures, predictions, alpha, "rank 1")
    images = [image for axis in figure.axes for image in axis.images]
    assert len(images) == 6
    assert {image.get_interpolation() for image in images} == {"nearest"}
    assert {"1.000", "0.500"} <= {axis.get_title() for axis in figure.axes}
    assert legible(figure)


def test_error_maps_share_one_scale():
    figure = plot_results.error_maps({str(i): np.full((4, 4), i / 10) for i in range(1, 6)})
    scales = {image.get_clim() for axis in figure.axes for image in axis.images}
    assert scales == {(0, 0.5)}
    assert legible(figure)


def test_thinning_keeps_both_ends():
    thin = plot_results._thin(np.arange(6000.0))
    assert len(thin) == 1000 and thin[0] == 0 and thin[-1] == 5999


def test_paired_differences_stand_where_the_numbers_are():
    values = np.array([[0.1, -0.1, 0.2], [0.3, 0.1, 0.0]])
    groups = pd.DataFrame({"label": ["a"], "values": [values], "mean": [0.1], "low": [0.0], "high": [0.2]})
    figure = plot_results.paired_differences(groups)
    images, seeds = (collection.get_offsets()[:, 0] for collection in figure.axes[0].collections[:2])
    np.testing.assert_allclose(np.sort(images), [0.0, 0.1, 0.2], atol=1e-12)
    np.testing.assert_allclose(seeds, values.mean(axis=1))
    assert legible(figure)


def test_stages_follow_torchvisions_vgg16(layers):
    stages = plot_training.stages(layers)
    encoder = stages[stages.part == "encoder"]
    widths = [width for row in encoder.itertuples() for width in [row.channels] * row.convolutions]
    assert widths == [width for width in cfgs["D"] if width != "M"]
    assert encoder.height.tolist() == [28, 14, 7, 3, 1]
    assert stages.loc[stages.part == "decoder", "kernel"].tolist() == [1, 5, 5, 5, 5, 5]
    assert stages.loc[stages.before.str.startswith("unpool"), "height"].tolist() == [3, 7, 14, 28]


def test_architecture_draws_every_convolution_and_every_pair_of_poolings(layers):
    figure = plot_training.architecture(layers)
    assert len(figure.axes[0].patches) == (layers.kind == "Conv2d").sum() == 21
    assert len(figure.axes[0].lines) == 4
    assert legible(figure)


@pytest.mark.parametrize("epochs", [1, 3])
def test_loss_curves_draw_seeds_mean_and_the_studys_value(epochs):
    rows = [{"variant": "sgd", "seed": seed, "epoch": epoch, **{f"{side}_{region}": seed + epoch / 10
             for side in ("train", "test") for region in plot_training.REGIONS}}
            for seed in (0, 1) for epoch in range(1, epochs + 1)]
    figure = plot_training.loss_curves(pd.DataFrame(rows), {"sgd": "SGD"}, {"train": 0.17, "test": 0.30})
    top_left, top_right = figure.axes[:2]
    assert len(top_left.lines) == 4  # two seeds, their mean, the study
    np.testing.assert_allclose(top_left.lines[2].get_ydata(), 0.5 + np.arange(1, epochs + 1) / 10)
    assert [line.get_ydata()[0] for line in (top_left.lines[3], top_right.lines[3])] == [0.17, 0.30]
    assert legible(figure)


def test_augmentation_examples_show_three_rows_of_pairs():
    triple = np.zeros((6, 6, 3)), np.zeros((6, 6)), np.zeros((6, 6))
    figure = plot_training.augmentation_examples([{"before": triple, "after": triple, "note": "flip"}] * 2)
    assert sum(len(axis.images) for axis in figure.axes) == 12
    assert legible(figure)
