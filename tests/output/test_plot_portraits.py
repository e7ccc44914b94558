"""Pictures of portraits: hair is shown pixel by pixel where it is softest; the two numbers of difficulty."""

import io

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from scipy import ndimage

from lib.data.portraits import Portraits
from lib.output import data_tables, plot_portraits


def test_softest_window_against_scipys_sliding_sum():
    alpha = np.random.default_rng(0).choice(np.array([0, 100, 255], np.uint8), (37, 29), p=[0.5, 0.2, 0.3])
    rows, columns = plot_portraits.softest(alpha, 9)
    sums = ndimage.uniform_filter((alpha == 100).astype(float), 9, mode="constant")[4:-4, 4:-4] * 81
    assert rows.stop - rows.start == columns.stop - columns.start == 9
    assert (alpha[rows, columns] == 100).sum() == round(sums.max())


def test_softest_window_of_a_small_picture_is_all_of_it():
    assert plot_portraits.softest(np.zeros((20, 30), np.uint8), 50) == (slice(0, 20), slice(0, 30))


def test_hair_is_saved_pixel_by_pixel():
    noise = [np.random.default_rng(i).integers(0, 256, (60, 60, 3), np.uint8) for i in range(3)]
    figure = plot_portraits.hair({"input": noise, "alpha": [one[..., 0] for one in noise]})
    buffer = io.BytesIO()
    figure.savefig(buffer, format="raw", dpi=plot_portraits.DPI)
    width, height = np.round(figure.get_size_inches() * plot_portraits.DPI).astype(int)
    pixels = np.frombuffer(buffer.getvalue(), np.uint8).reshape(-1, int(width), 4)[..., :3]
    plt.close(figure)
    shown = pixels[2:58, 46:102]  # inside of the first cut-out: its border may fall between pixels
    found = min(np.abs(shown.astype(int) - noise[0][2 + i:58 + i, 2 + j:58 + j]).mean() for i in (-1, 0, 1)
                for j in (-1, 0, 1))
    assert found < 1 and pixels.shape[0] == height


def test_settings_of_the_rendered_portraits_move_the_numbers_they_name():
    table = data_tables.tuned_portraits(seed=0, count=40)
    settings = table.set_index(["camouflage", "texture setting"])
    shared, detail = settings["colours shared (share)"], settings["texture (grey levels a pixel)"]
    assert shared[1.0, 1.0] > shared[0.0, 1.0] and shared[0.0, 1.0] <= shared.iloc[0] <= shared[1.0, 1.0]
    assert detail[:, 0.0].iloc[0] < detail.iloc[0] < detail[:, 2.0].iloc[0]


def test_wall_and_clip_show_every_picture():
    samples = [Portraits(10).read(i, (40, 30)) for i in range(10)]
    figure = plot_portraits.wall(samples)
    assert sum(bool(axis.images) for axis in figure.axes) == 10
    figure = plot_portraits.clip([samples[:6], samples[4:]], every=3)
    assert [axis.images[0].get_array().ndim for axis in figure.axes] == [3, 3, 2, 2, 3, 3, 2, 2]
    plt.close("all")


def test_labels_of_the_difficulty_stay_inside_the_figure():
    figure = plot_portraits.difficulty(np.linspace(0, 1, 50), np.linspace(0, 20, 50))
    figure.draw_without_rendering()
    width = figure.bbox.width
    boxes = [axis.xaxis.label.get_window_extent() for axis in figure.axes]
    plt.close(figure)
    assert all(box.x0 >= 0 and box.x1 <= width for box in boxes) and boxes[0].x1 < boxes[1].x0


def test_the_data_card_names_its_licences():
    card = data_tables.data_card()
    assert "Apache-2.0" in card and "CC0" in card and "unrealism" in card and "\n# " not in card
