"""Figures: what they are drawn from, and that they can be read."""

import io
import itertools

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.text import Text
from PIL import Image
from scipy.stats import rankdata
from torchvision.models.vgg import cfgs

from lib.experiments import sweeps
from lib.models import summary, vgg
from lib.report import figures, style, tables


def WORD(value):  # noqa: N802
    return sweeps.word(value).replace("_", " ")


@pytest.fixture(scope="module")
def layers() -> pd.DataFrame:
    return summary.summary(vgg.VGG16Matting(), 28)


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
    cases = figures.rank_cases(errors)
    assert [ranks[cases[case]] for case in ("best", "median", "worst")] == [1, (n + 1) // 2, n]


def test_rank_cases_breaks_ties_by_position():
    assert figures.rank_cases(np.array([0.5, 0.5, 0.5])) == {"best": 0, "median": 1, "worst": 2}


def test_comparison_shows_pixels_and_the_mean_error():
    alpha = np.zeros((8, 8), np.uint8)
    predictions = {"all wrong": np.ones((8, 8)), "half": np.full((8, 8), 0.5)}
    pictures = {"input": np.zeros((8, 8, 3), np.uint8), "truth": alpha}
    figure = figures.comparison(pictures, predictions, alpha, "rank 1")
    images = [image for axis in figure.axes for image in axis.images]
    assert len(images) == 6
    assert {image.get_interpolation() for image in images} == {"nearest"}
    assert {"1.000", "0.500", "rank 1", "input", "truth", "all wrong", "half"} <= shown(figure)
    assert legible(figure)


def test_error_notes_are_of_what_is_shown_and_of_predictions_only():
    truth = np.array([[0, 255], [0, 255]], np.uint8)
    row = {
        "input": np.zeros((2, 2, 3), np.uint8),
        "truth": truth,
        "half": np.full((2, 2), 0.5),
        "right": truth.astype(np.float32) / 255,
    }
    assert figures.error_notes({"best": row}) == {"best": {"half": "error 0.500", "right": "error 0.000"}}


def test_paired_differences_stand_where_the_numbers_are():
    values = np.array([[0.1, -0.1, 0.2], [0.3, 0.1, 0.0]])
    groups = pd.DataFrame({"label": ["a"], "values": [values], "mean": [0.1], "low": [0.0], "high": [0.2]})
    figure = figures.paired_differences(groups)
    images, seeds = (collection.get_offsets()[:, 0] for collection in figure.axes[0].collections[:2])
    np.testing.assert_allclose(np.sort(images), [0.0, 0.1, 0.2], atol=1e-12)
    np.testing.assert_allclose(seeds, values.mean(axis=1))
    assert legible(figure)


def test_a_paired_difference_without_an_interval_is_a_point():
    groups = pd.DataFrame({"label": ["a"], "values": [np.array([[0.1]])], "mean": [0.1], "low": [None], "high": [None]})
    figure = figures.paired_differences(groups)
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
    figure = figures.paired_differences(groups)
    (axis,) = figure.axes
    left, right = axis.get_xlim()
    assert left == -right and 0.09 < right < 0.1
    small, large = (np.ptp(axis.collections[place].get_offsets()[:, 0]) for place in (0, 3))
    assert large == pytest.approx(100 * small)
    assert axis.collections[0].get_offsets()[:, 1].max() < axis.collections[3].get_offsets()[:, 1].min()
    assert set(groups.label) <= shown(figure) and legible(figure)


def test_stages_follow_torchvisions_vgg16(layers):
    stages = tables.stages(layers)
    encoder = stages[stages.part == "encoder"]
    widths = [width for row in encoder.itertuples() for width in [row.channels] * row.convolutions]
    assert widths == [width for width in cfgs["D"] if width != "M"]
    assert encoder.height.tolist() == [28, 14, 7, 3, 1]
    assert stages.loc[stages.part == "decoder", "kernel"].tolist() == [1, 5, 5, 5, 5, 5]
    assert stages.loc[stages.before.str.startswith("unpool"), "height"].tolist() == [3, 7, 14, 28]


def test_architecture_draws_every_convolution_and_every_pair_of_poolings(layers):
    figure = figures.architecture(tables.stages(layers))
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
            **{f"{side}_{region}": seed + epoch / 10 for side in ("train", "test") for region in figures.REGIONS},
        }
        for seed in (0, 1)
        for epoch in range(1, epochs + 1)
    ]
    figure = figures.loss_curves(pd.DataFrame(rows), {"sgd": "SGD"}, {"train": 0.17, "test": 0.30})
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
    figure = figures.error_by_steps(pd.DataFrame(rows), {"sgd": "SGD", "adam": "Adam"}, controls)
    for axis, mean, level in zip(figure.axes, (0.25, 0.45), (0.1, 0.45), strict=True):
        assert axis.get_xscale() == "log" and axis.get_xticks().tolist() == [step for step in steps if step != 64]
        np.testing.assert_allclose(axis.lines[0].get_ydata(), mean)
        assert axis.lines[0].get_xdata().tolist() == steps and axis.lines[2].get_ydata()[0] == level
        band = axis.collections[0].get_paths()[0].vertices[:, 1]
        assert (band.min(), band.max()) == pytest.approx((mean - 0.05, mean + 0.05))
    assert legible(figure)


def mse_summary(values: dict[str, float]) -> pd.DataFrame:
    rows = [{"method": m, "measure": "mse", "value": v, "low": v / 2, "high": 2 * v} for m, v in values.items()]
    return pd.DataFrame(rows)


def test_a_dot_for_each_method_and_condition_at_its_value():
    figure = figures.dots(
        {"a": mse_summary({"x": 0.1, "y": 0.2}), "b": mse_summary({"x": 0.3})}, "mse", "MSE", ["x", "y"]
    )
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["x", "y"] and axis.get_xscale() == "log"
    assert sorted(float(line[0].get_xdata()[0]) for line in axis.containers) == [0.1, 0.2, 0.3]


def test_lines_begin_at_the_first_frame_and_changes_at_the_second():
    figure = figures.errors_along_clip(
        {"mad": {"m": np.ones(3)}, "dtssd": {"m": np.ones(2)}}, {"mad": "MAD", "dtssd": "dtSSD"}
    )
    assert [axis.lines[0].get_xdata().tolist() for axis in figure.axes] == [[1, 2, 3], [2, 3]]


def test_arms_stand_in_the_order_of_the_table():
    found = pd.DataFrame(
        {"arm": ["first", "second"], "mse": [0.2, 0.1], "mse low": [0.1, 0.05], "mse high": [0.3, 0.2]}
    )
    figure = figures.ablation_panels(found, {"mse": "MSE"})
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["first", "second"]


def test_a_clip_is_an_animation_of_all_its_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "figures_dir", lambda run: tmp_path / run)
    frames = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    data = figures.save_clip(frames, "run", "clip")
    assert (tmp_path / "run" / "clip.webp").read_bytes() == data
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.n_frames, picture.size) == (3, (30, 20))
    assert figures.save_clip(frames, "run", "clip") == data


def sweep_ends(errors: dict[tuple[str, float], list[float]]) -> pd.DataFrame:
    """Results of a sweep of optimiser and lr: (optimiser, lr) -> an error a seed."""
    rows = [
        {"optimizer": optimizer, "lr": lr, "seed": seed, "steps": 300}
        | dict.fromkeys(sweeps.ERRORS, error)
        | dict.fromkeys(("control_all", "control_unknown"), 0.4)
        for (optimizer, lr), values in errors.items()
        for seed, error in enumerate(values)
    ]
    return pd.DataFrame(rows)


def written(figure) -> list[list[str]]:
    return [[text.get_text() for text in axis.texts] for axis in figure.axes]


def test_a_map_says_the_mean_of_seeds_that_agree_and_both_ends_of_those_that_do_not():
    errors = {
        ("sgd", 0.01): [0.3, 0.31],
        ("sgd", 0.1): [0.2, 0.22],
        ("adam", 0.01): [0.1, 0.1],
        ("adam", 0.1): [0.49, 0.09],
    }
    figure = figures.sweep(sweep_ends(errors), ["optimizer", "lr"], WORD)
    assert written(figure) == [[".305", ".210", ".100", ".09–.49"]] * 2
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["sgd", "adam"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0.01", "0.1"]


def test_what_is_drawn_is_named_beside_it():
    figure = figures.sweep(sweep_ends({("sgd", lr): [lr, lr] for lr in (0.1, 0.2)}), ["lr"], WORD)
    assert figure.axes[0].get_ylabel() == "mean |alpha error|"
    assert [text.get_text() for text in figure.legends[0].texts] == ["a seed", "mean of the seeds", "trimap as alpha"]
    figure = figures.sweep(sweep_ends({("sgd", lr): [lr, lr] for lr in (0.1, 0.2)}), ["optimizer", "lr"], WORD)
    assert figure.axes[1].get_title() == "mean |alpha error|, unknown pixels\n(trimap as alpha: 0.400)"


def test_one_varied_name_is_a_dot_a_seed_and_a_bar_at_their_mean():
    errors = {("sgd", lr): [lr, lr + 0.1] for lr in (0.1, 0.2, 0.3)}
    axis = figures.sweep(sweep_ends(errors), ["lr"], WORD).axes[1]
    dots = axis.collections[0].get_offsets()
    places = [(place, lr + more) for (place, lr), more in itertools.product(enumerate((0.1, 0.2, 0.3)), (0, 0.1))]
    np.testing.assert_allclose(np.asarray(dots), places, atol=1e-9)
    bars = [part[:, 1].tolist() for part in axis.collections[1].get_segments()]
    assert bars == [pytest.approx([lr + 0.05] * 2) for lr in (0.1, 0.2, 0.3)]


def test_yes_and_no_are_not_taken_for_a_mask():
    table = sweep_ends({("sgd", lr): [lr] for lr in (0.1, 0.2, 0.3)})
    both = pd.concat([table.assign(augment=True), table.assign(augment=False)])
    axis = figures.sweep(both, ["lr", "augment"], WORD).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["yes", "no"]
    table = sweep_ends({("sgd", 0.1): [0.1], ("sgd", 0.2): [0.2]})
    table["augment"] = table["lr"] == 0.2
    table["control_all"] = table["lr"]  # pictures of another size have another control
    axis = figures.sweep(table, ["augment"], WORD).axes[0]
    bars, dashes = (part.get_segments() for part in axis.collections[1:])
    assert [part[0, 1] for part in bars] == [part[0, 1] for part in dashes] == [0.1, 0.2]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["no", "yes"]
