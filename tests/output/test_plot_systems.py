"""Dots, lines, arms, and the animated clip."""

import io

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from PIL import Image

from lib.output import plot_systems


def summary(values: dict[str, float]) -> pd.DataFrame:
    rows = [{"method": m, "measure": "mse", "value": v, "low": v / 2, "high": 2 * v} for m, v in values.items()]
    return pd.DataFrame(rows)


def test_a_dot_for_each_method_and_condition_at_its_value():
    figure = plot_systems.dots({"a": summary({"x": 0.1, "y": 0.2}), "b": summary({"x": 0.3})}, "mse", "MSE", ["x", "y"])
    axis = figure.axes[0]
    assert [text.get_text() for text in axis.get_yticklabels()] == ["x", "y"] and axis.get_xscale() == "log"
    assert sorted(float(line[0].get_xdata()[0]) for line in axis.containers) == [0.1, 0.2, 0.3]
    plt.close(figure)


def test_lines_begin_at_the_first_frame_and_changes_at_the_second():
    figure = plot_systems.along(
        {"mad": {"m": np.ones(3)}, "dtssd": {"m": np.ones(2)}}, {"mad": "MAD", "dtssd": "dtSSD"}
    )
    assert [axis.lines[0].get_xdata().tolist() for axis in figure.axes] == [[1, 2, 3], [2, 3]]
    plt.close(figure)


def test_arms_stand_in_the_order_of_the_table():
    found = pd.DataFrame(
        {"arm": ["first", "second"], "mse": [0.2, 0.1], "mse low": [0.1, 0.05], "mse high": [0.3, 0.2]}
    )
    figure = plot_systems.arms(found, {"mse": "MSE"})
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["first", "second"]
    plt.close(figure)


def test_a_clip_is_an_animation_of_all_its_frames(tmp_path, monkeypatch):
    monkeypatch.setattr(plot_systems, "figures_dir", lambda run: tmp_path / run)
    frames = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    data = plot_systems.save_clip(frames, "run", "clip")
    assert (tmp_path / "run" / "clip.webp").read_bytes() == data
    with Image.open(io.BytesIO(data)) as picture:
        assert (picture.n_frames, picture.size) == (3, (30, 20))
    assert plot_systems.save_clip(frames, "run", "clip") == data
