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

from lib.evaluation.difficulty import DIFFICULTIES
from lib.models import dim, summary
from lib.output import plot_results, plot_training, style


@pytest.fixture(scope="module")
def layers() -> pd.DataFrame:
    return summary.summary(dim.VGG16Matting(), 28)


@pytest.fixture(autouse=True)
def as_notebooks_do():
    with plt.rc_context():
        style.apply()
        yield
    plt.close("all")


def legible(figure) -> bool:
    """At most 7 in wide, no text under 8 pt, none cut off at the figure's edge, and none across another."""
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    ticks = {
        label
        for axis in figure.axes
        for line in (axis.xaxis, axis.yaxis)  # what zooming would bring to sight
        for tick in [*line.get_major_ticks(), *line.get_minor_ticks()]
        for label in (tick.label1, tick.label2)
    }
    boxes = [text.get_window_extent() for text in texts if text not in ticks]
    inside = all(
        box.x0 >= -1 and box.y0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1 for box in boxes
    )
    apart = not any(one.overlaps(other) for number, one in enumerate(boxes) for other in boxes[:number])
    return inside and apart and figure.get_figwidth() < 7.001 and min(text.get_fontsize() for text in texts) >= 8


def shown(figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()}


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
    assert {"1.000", "0.500", "rank 1", "input", "truth", "all wrong", "half"} <= shown(figure)
    assert legible(figure)


def test_comparison_of_seven_columns_is_legible():
    alpha = np.zeros((28, 28), np.uint8)
    names = "trimap\nas alpha", "VGG16-DA", "VGG16-DA,\nrecipe", "K-means", "GMM"
    figure = plot_results.comparison(
        {"input": alpha, "truth": alpha},
        dict.fromkeys(names, alpha / 255),
        alpha,
        "median case\nrank 1000 of 2000\nby VGG16-DA's\nerror",
    )
    assert legible(figure)


def test_error_maps_share_one_scale():
    figure = plot_results.error_maps({str(i): np.full((4, 4), i / 10) for i in range(1, 6)})
    colours = [image.get_array()[0, 0] for image in figure.axes[0].images]
    expected = matplotlib.colormaps[style.ERROR_MAP](np.arange(1, 6) / 5)[:, :3]
    np.testing.assert_allclose(colours, expected * 255, atol=0.5)
    assert figure.axes[1].get_xlim() == (0, 0.5)
    assert {f"{i}\nmean {i / 10:.3f}" for i in range(1, 6)} <= shown(figure)
    assert legible(figure)


def test_error_notes_are_of_what_is_shown_and_of_predictions_only():
    truth = np.array([[0, 255], [0, 255]], np.uint8)
    row = {
        "input": np.zeros((2, 2, 3), np.uint8),
        "truth": truth,
        "half": np.full((2, 2), 0.5),
        "right": truth.astype(np.float32) / 255,
    }
    assert plot_results.error_notes({"best": row}) == {"best": {"half": "error 0.500", "right": "error 0.000"}}


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


def test_a_paired_difference_without_an_interval_is_a_point():
    groups = pd.DataFrame({"label": ["a"], "values": [np.array([[0.1]])], "mean": [0.1], "low": [None], "high": [None]})
    figure = plot_results.paired_differences(groups)
    (bar,) = figure.axes[0].containers[0].lines[2][0].get_segments()
    assert bar[:, 0].tolist() == [0.1, 0.1] and legible(figure)


def test_paired_differences_of_different_size_are_on_one_scale():
    values = [size * np.array([[1.0, -0.5, 0.2], [0.8, -0.1, 0.0]]) for size in (0.001, 0.1)]
    groups = pd.DataFrame(
        {
            "label": ["a minus b, all pixels", "c minus b, all pixels"],
            "values": values,
            "mean": [0.0002, 0.02],
            "low": [-0.0003, -0.03],
            "high": [0.0008, float("nan")],
        }
    )
    figure = plot_results.paired_differences(groups)
    (axis,) = figure.axes
    left, right = axis.get_xlim()
    assert left == -right and 0.09 < right < 0.1
    small, large = (np.ptp(axis.collections[place].get_offsets()[:, 0]) for place in (0, 3))
    assert large == pytest.approx(100 * small)
    assert axis.collections[0].get_offsets()[:, 1].max() < axis.collections[3].get_offsets()[:, 1].min()
    assert set(groups.label) <= shown(figure) and legible(figure)


def test_failures_draw_every_image_and_the_means_of_bins():
    hardness = pd.DataFrame({name: np.arange(10.0) for name in DIFFICULTIES})
    hardness.iloc[9, 0] = float("nan")
    errors = {"K-means": np.arange(10) / 10, "GMM": np.full(10, 0.2)}
    scored = pd.concat(
        [
            pd.DataFrame({"method": method, "seed": 0, "image": range(10), "measure": "all", "value": error})
            for method, error in errors.items()
        ]
    )
    figure = plot_results.failures(scored, hardness, bins=5)
    line, other = figure.axes[1].lines
    np.testing.assert_allclose(line.get_xdata(), [0.5, 2.5, 4.5, 6.5, 8.5])
    np.testing.assert_allclose(line.get_ydata(), [0.05, 0.25, 0.45, 0.65, 0.85])
    assert line.get_color() != other.get_color() and line.get_marker() != other.get_marker()
    said = [text.get_text() for text in figure.legends[0].get_texts()]
    assert said == [f"{method}, means of fifths" for method in errors]
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
    rows = [
        {
            "variant": "sgd",
            "seed": seed,
            "epoch": epoch,
            "step": 6 * epoch,
            **{f"{side}_{region}": seed + epoch / 10 for side in ("train", "test") for region in plot_training.REGIONS},
        }
        for seed in (0, 1)
        for epoch in range(1, epochs + 1)
    ]
    figure = plot_training.loss_curves(pd.DataFrame(rows), {"sgd": "SGD"}, {"train": 0.17, "test": 0.30})
    top_left, top_right = figure.axes[:2]
    assert len(top_left.lines) == 4  # two seeds, their mean, the study
    np.testing.assert_allclose(top_left.lines[2].get_ydata(), 0.5 + np.arange(1, epochs + 1) / 10)
    np.testing.assert_allclose(top_left.lines[2].get_xdata(), 6 * np.arange(1, epochs + 1))
    assert [line.get_ydata()[0] for line in (top_left.lines[3], top_right.lines[3])] == [0.17, 0.30]
    assert legible(figure)


@pytest.mark.parametrize("steps", [[7], [30, 60, 64, 4440]])
def test_error_by_steps_draws_mean_band_and_controls(steps):
    rows = [
        {"variant": variant, "seed": seed, "step": step, "test_all": 0.2 + seed / 10, "test_unknown": 0.4 + seed / 10}
        for variant in ("sgd", "adam")
        for seed in (0, 1)
        for step in steps
    ]
    controls = {"trimap": {"all": 0.1, "unknown": 0.45}, "mean alpha": {"all": 0.12, "unknown": 0.3}}
    figure = plot_training.error_by_steps(pd.DataFrame(rows), {"sgd": "SGD", "adam": "Adam"}, controls)
    for axis, mean, level in zip(figure.axes, (0.25, 0.45), (0.1, 0.45), strict=True):
        assert axis.get_xscale() == "log" and axis.get_xticks().tolist() == [step for step in steps if step != 64]
        np.testing.assert_allclose(axis.lines[0].get_ydata(), mean)
        assert axis.lines[0].get_xdata().tolist() == steps and axis.lines[2].get_ydata()[0] == level
        band = axis.collections[0].get_paths()[0].vertices[:, 1]
        assert (band.min(), band.max()) == pytest.approx((mean - 0.05, mean + 0.05))
    assert legible(figure)


def test_losses_of_the_steps_follow_one_another():
    steps = {
        ("plain", "stage1"): 4,
        ("plain", "refined"): 1,
        ("plain", "both"): 2,
        ("plain", "longer"): 3,
        ("da", "stage1"): 4,
        ("da", "refined"): 1,
        ("da", "both"): 2,
    }
    rows = [
        {"arm": arm, "step": step, "epoch": epoch, "seed": seed, "train_alpha": epoch + seed, "test_mse": 0.1}
        for (arm, step), epochs in steps.items()
        for epoch in range(1, epochs + 1)
        for seed in (0, 1)
    ]
    figure = plot_training.stage_losses(pd.DataFrame(rows))
    lines = [line for line in figure.axes[0].lines if line.get_marker() in "os"]
    at = [line.get_xdata().tolist() for line in lines]
    assert at == [[1, 2, 3, 4], [5], [6, 7], [5, 6, 7], [1, 2, 3, 4], [5], [6, 7]]
    np.testing.assert_allclose(lines[0].get_ydata(), np.arange(1, 5) + 0.5)
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["without", "stage 1 trained on", "with augmentation"] and legible(figure)


def test_augmentation_examples_show_three_rows_of_pairs():
    triple = np.zeros((6, 6, 3)), np.zeros((6, 6)), np.zeros((6, 6))
    figure = plot_training.augmentation_examples([{"before": triple, "after": triple, "note": "flip, +26°"}] * 4)
    assert sum(len(axis.images) for axis in figure.axes) == 24
    assert {"image", "alpha", "trimap", "1: before", "4: flip, +26°"} <= shown(figure)
    assert legible(figure)
