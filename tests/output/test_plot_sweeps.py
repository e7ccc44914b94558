"""Figures of sweeps: what is written in a map, and where a mean would be nobody's."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from lib.experiments import sweeps
from lib.output import plot_sweeps


def found(errors: dict[tuple[str, float], list[float]]) -> pd.DataFrame:
    """Results of a sweep of optimiser and lr: (optimiser, lr) -> an error a seed."""
    rows = [
        {"optimizer": optimizer, "lr": lr, "seed": seed, "steps": 300}
        | dict.fromkeys(sweeps.TOLD, error)
        | dict.fromkeys(sweeps.CONTROL, 0.4)
        for (optimizer, lr), values in errors.items()
        for seed, error in enumerate(values)
    ]
    return pd.DataFrame(rows)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def written(figure) -> list[list[str]]:
    return [[text.get_text() for text in axis.texts] for axis in figure.axes]


def test_a_map_says_the_mean_of_seeds_that_agree_and_both_ends_of_those_that_do_not():
    errors = {
        ("sgd", 0.01): [0.3, 0.31],
        ("sgd", 0.1): [0.2, 0.22],
        ("adam", 0.01): [0.1, 0.1],
        ("adam", 0.1): [0.49, 0.09],
    }
    figure = plot_sweeps.sweep(found(errors), ["optimizer", "lr"])
    assert written(figure) == [[".305", ".210", ".100", ".09–.49"]] * 2
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["sgd", "adam"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0.01", "0.1"]


def test_what_is_drawn_is_named_beside_it():
    figure = plot_sweeps.sweep(found({("sgd", lr): [lr, lr] for lr in (0.1, 0.2)}), ["lr"])
    assert figure.axes[0].get_ylabel() == "mean |alpha error|"
    assert [text.get_text() for text in figure.legends[0].texts] == ["a seed", "mean of the seeds", "trimap as alpha"]
    figure = plot_sweeps.sweep(found({("sgd", lr): [lr, lr] for lr in (0.1, 0.2)}), ["optimizer", "lr"])
    assert figure.axes[1].get_title() == "mean |alpha error|, unknown pixels\n(trimap as alpha: 0.400)"


def test_one_varied_name_is_a_dot_a_seed_and_a_bar_at_their_mean():
    errors = {("sgd", lr): [lr, lr + 0.1] for lr in (0.1, 0.2, 0.3)}
    axis = plot_sweeps.sweep(found(errors), ["lr"]).axes[1]
    dots = axis.collections[0].get_offsets()
    places = [(place, lr + more) for (place, lr), more in itertools.product(enumerate((0.1, 0.2, 0.3)), (0, 0.1))]
    np.testing.assert_allclose(np.asarray(dots), places, atol=1e-9)
    bars = [part[:, 1].tolist() for part in axis.collections[1].get_segments()]
    assert bars == [pytest.approx([lr + 0.05] * 2) for lr in (0.1, 0.2, 0.3)]


def test_values_that_are_yes_and_no_are_not_taken_for_a_mask():
    table = found({("sgd", 0.1): [0.1], ("sgd", 0.2): [0.2]})
    table["augment"] = table["lr"] == 0.2
    table["control_all"] = table["lr"]  # pictures of another size have another control
    axis = plot_sweeps.sweep(table, ["augment"]).axes[0]
    bars, dashes = (part.get_segments() for part in axis.collections[1:])
    assert [part[0, 1] for part in bars] == [part[0, 1] for part in dashes] == [0.1, 0.2]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["no", "yes"]
