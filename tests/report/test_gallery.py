"""Galleries, looked at as the pixels that are saved: places, frames, text; and where the most hair is."""

import io

import matplotlib

matplotlib.use("Agg")

import cv2
import numpy as np
import pytest
from matplotlib import colormaps, pyplot as plt
from matplotlib.text import Text
from scipy import ndimage

from lib.report import style
from lib.report.gallery import colour_bar, error_colormap, gallery, grid, softest_window


@pytest.fixture(autouse=True)
def as_notebooks_do():
    with plt.rc_context():
        style.apply()
        yield
    plt.close("all")


def saved(figure) -> np.ndarray:
    """The pixels (h, w, 3) uint8 of the figure as it is saved."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=style.DPI)
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(buffer.getvalue(), np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def corners(figure) -> list[tuple[int, int]]:
    """x and y in pixels of each picture's upper left corner, in the order in which they were drawn."""
    extents = [image.get_extent() for axis in figure.axes for image in axis.images]
    return [(round(left), round(top)) for left, _, _, top in extents]


def texts(figure) -> dict[str, Text]:
    return {text.get_text(): text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()}


def boxes(figure) -> dict[str, tuple[float, float, float, float]]:
    """Text -> left, top, right, bottom in pixels of the saved figure."""
    figure.set_dpi(style.DPI)
    figure.draw_without_rendering()
    found = {name: text.get_window_extent() for name, text in texts(figure).items()}
    return {
        name: (box.x0, figure.bbox.height - box.y1, box.x1, figure.bbox.height - box.y0) for name, box in found.items()
    }


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("side", [29, 57, 113, 220])
def test_every_picture_is_saved_pixel_by_pixel(side):
    """At these sides, among others, rounding errors once cut a line off or doubled one."""
    rows = {
        label: {column: noise(side, side, 3) ^ np.uint8(17 * line + column) for column in range(6)}
        for line, label in enumerate(("input", "alpha", "trimap"))
    }
    figure = gallery(rows, scale=1)
    pixels, pictures = saved(figure), [picture for row in rows.values() for picture in row.values()]
    assert len(corners(figure)) == 18 and pixels.shape[1] <= 7 * style.DPI
    for (x, y), picture in zip(corners(figure), pictures, strict=True):
        np.testing.assert_array_equal(pixels[y : y + side, x : x + side], picture)


def test_white_pictures_end_in_a_frame_that_covers_none_of_them():
    white = np.full((50, 40), 255, np.uint8)
    figure = gallery({0: {0: white, 1: white}, 1: {0: white, 1: white}}, scale=1)
    pixels = saved(figure)
    for x, y in corners(figure):
        around = pixels[y - 2 : y + 52, x - 2 : x + 42, 0]
        assert (around[2:-2, 2:-2] == 255).all()
        frame = np.concatenate([around[:2].ravel(), around[-2:].ravel(), around[:, :2].ravel(), around[:, -2:].ravel()])
        assert (frame == round(255 * float(style.FRAME))).all()
    (x, y), (beside, _), (_, below), _ = corners(figure)
    assert (pixels[y : y + 50, x + 42 : beside - 2] == 255).all() and (
        pixels[y + 52 : below - 2, x : x + 40] == 255
    ).all()


def test_panels_stand_in_columns_and_lines():
    rows = {
        "a": {"wide": noise(30, 40), "narrow": noise(30, 20)},
        "b": {"wide": noise(50, 40), "narrow": noise(50, 40)},
    }
    first, narrow, below, last = corners(gallery(rows, scale=1))
    assert first[0] == below[0] and narrow[0] == last[0] + 10  # in the middle of its column
    assert first[1] == narrow[1] and below[1] == last[1] == first[1] + 30 + 8


@pytest.mark.parametrize("columns", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("width", [7.0, 5.6])
def test_panels_fill_the_width(columns, width):
    figure = gallery({"row": {str(column): noise(28, 28) for column in range(columns)}}, width=width)
    assert width * style.DPI - columns < saved(figure).shape[1] <= width * style.DPI


def test_enlarged_pixels_are_sharp_squares():
    picture = noise(7, 9, 3)
    figure = gallery({0: {0: picture}}, scale=5)
    ((x, y),) = corners(figure)
    expected = np.kron(picture, np.ones((5, 5, 1), np.uint8))
    np.testing.assert_array_equal(saved(figure)[y : y + 35, x : x + 45], expected)
    figure = gallery({0: {0: picture}}, width=1.1)  # no whole number of times: still no colour that wasn't there
    ((x, y),) = corners(figure)
    shown = saved(figure)[y:-2, x:-2].reshape(-1, 3)
    assert {tuple(colour) for colour in shown} == {tuple(colour) for colour in picture.reshape(-1, 3)}


def test_a_picture_that_is_shrunk_loses_no_hair():
    hair = np.zeros((60, 90), np.uint8)
    hair[:, ::3] = 255  # every second or third column left out would make it all hair, or none
    figure = gallery({0: {0: hair}}, scale=1 / 3)
    ((x, y),) = corners(figure)
    assert (saved(figure)[y : y + 20, x : x + 30] == 85).all()


def test_floats_from_0_to_1_are_the_levels_of_bytes():
    alpha = np.arange(256, dtype=np.uint8).reshape(16, 16)
    figure = gallery(
        {0: {0: alpha, 1: alpha / 255, 2: (alpha / 255).astype(np.float32), 3: (2.0 * alpha - 128) / 255}}, scale=1
    )
    pixels = saved(figure)
    shown = [pixels[y : y + 16, x : x + 16, 0] for x, y in corners(figure)]
    np.testing.assert_array_equal(shown[1], alpha)
    np.testing.assert_array_equal(shown[2], alpha)
    np.testing.assert_array_equal(shown[3], np.clip(2 * alpha.astype(int) - 128, 0, 255))


def test_labels_titles_and_notes_stand_at_their_panels():
    white = np.full((28, 28), 255, np.uint8)
    rows = {case: {"input": white, "two\nlines": white, "truth": white} for case in ("best", "worst")}
    figure = gallery(rows, {"best": {"input": "0.125", "truth": "0.250"}, "worst": {"two\nlines": "mean\n0.500"}})
    places, found = corners(figure), boxes(figure)
    side = round(figure.axes[0].images[0].get_extent()[1]) - places[0][0]
    assert set(found) == {"best", "worst", "input", "two\nlines", "truth", "0.125", "0.250", "mean\n0.500"}
    assert min(text.get_fontsize() for text in texts(figure).values()) >= 8
    middle = {name: ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for name, box in found.items()}
    for name, (x, y) in (("0.125", places[0]), ("0.250", places[2]), ("mean\n0.500", places[4])):
        assert middle[name][0] == pytest.approx(x + side / 2, abs=1) and 0 < found[name][1] - (y + side) < 12
    assert found["0.125"][3] < places[3][1] - 4  # ends before the next row
    for name, (x, y) in (("input", places[0]), ("two\nlines", places[1]), ("truth", places[2])):
        assert middle[name][0] == pytest.approx(x + side / 2, abs=1) and 0 < y - found[name][3] < 14
    for name, (x, y) in (("best", places[0]), ("worst", places[3])):
        assert middle[name][1] == pytest.approx(y + side / 2, abs=1) and 0 < x - found[name][2] < 14
    height, width = saved(figure).shape[:2]
    assert all(
        left >= 0 and top >= 0 and right <= width and bottom <= height for left, top, right, bottom in found.values()
    )


def test_a_lacking_picture_leaves_its_place_to_its_note():
    white = np.full((40, 40), 255, np.uint8)
    figure = gallery(
        {1: {"input": white, "alpha": white}, 2: {"alpha": white}}, {2: {"input": "best case\nrank 1"}}, scale=4
    )
    (x, _), (second, _), (third, y) = corners(figure)
    left, top, right, bottom = boxes(figure)["best case\nrank 1"]
    assert third == second and left == pytest.approx(x, abs=2) and right < second
    assert y - 2 <= top and bottom < y + 160


def test_a_grid_shows_every_picture_without_labels():
    figure = gallery(grid([noise(40, 30, 3) for _ in range(10)], 8), scale=1)
    assert len(corners(figure)) == 10 and not texts(figure)
    assert grid(["a", "b", "c"], 2) == {0: {0: "a", 1: "b"}, 2: {0: "c"}}


def test_colours_of_errors_are_those_of_the_bar():
    error = np.array([[0.0, 0.25], [0.5, 0.125]])
    picture = error_colormap(error, top=0.5)
    expected = [colormaps[style.ERROR_MAP](share)[:3] for share in (0.0, 0.5, 1.0, 0.25)]
    np.testing.assert_allclose(picture.reshape(4, 3), expected)
    plain = gallery({0: {0: picture}}, scale=40, width=3)
    pixels, place = saved(plain), corners(plain)
    barred = colour_bar(gallery({0: {0: picture} | dict.fromkeys(range(1, 9), picture)}, scale=40), "error", 0.5)
    bar = barred.axes[1]
    assert bar.get_xlim() == (0, 0.5) and bar.get_xlabel() == "error" and corners(barred)[0] == place[0]
    (x, y), both = place[0], saved(barred)  # the bar moves no picture off its pixels
    np.testing.assert_array_equal(both[y : y + 80, x : x + 80], pixels[y : y + 80, x : x + 80])
    height, width = both.shape[:2]
    assert all(box[0] >= 0 and box[2] <= width and box[3] <= height for box in boxes(barred).values())


def test_saving_one_kind_of_file_does_not_move_what_the_next_shows(recwarn):
    figure = colour_bar(gallery({"row": {"title": noise(50, 50), "other": noise(50, 50)}}, scale=2), "error")
    first = saved(figure)
    figure.savefig(io.BytesIO(), format="pdf", dpi=style.DPI)
    np.testing.assert_array_equal(saved(figure), first)
    assert not [warning for warning in recwarn if "layout" in str(warning.message)]


def test_softest_window_against_scipys_sliding_sum():
    alpha = np.random.default_rng(0).choice(np.array([0, 100, 255], np.uint8), (37, 29), p=[0.5, 0.2, 0.3])
    rows, columns = softest_window(alpha, 9)
    sums = ndimage.uniform_filter((alpha == 100).astype(float), 9, mode="constant")[4:-4, 4:-4] * 81
    assert rows.stop - rows.start == columns.stop - columns.start == 9
    assert (alpha[rows, columns] == 100).sum() == round(sums.max())


def test_softest_square_is_the_first_of_those_with_the_most_soft_pixels():
    random = np.random.default_rng(0)
    alpha = np.where(random.random((40, 31)) < 0.3, 128, 255).astype(np.uint8)
    counts = {(r, c): (alpha[r : r + 9, c : c + 9] == 128).sum() for r in range(32) for c in range(23)}
    rows, columns = softest_window(alpha, 9)
    assert (rows.start, columns.start) == max(counts, key=counts.get)  # max takes the first of equals
    assert softest_window(np.full((40, 31), 128, np.uint8), 9) == (slice(0, 9), slice(0, 9))


def test_softest_counts_neither_what_is_sure_nor_the_thresholds():
    alpha = np.full((30, 30), 12, np.uint8)
    alpha[:8, :8], alpha[20:24, 20:24] = 242, 13
    assert softest_window(alpha, 4) == (slice(20, 24), slice(20, 24))


def test_softest_window_of_a_small_picture_is_all_of_it_and_square_where_its_short_side_is_asked_for():
    assert softest_window(np.zeros((20, 30), np.uint8), 50) == (slice(0, 20), slice(0, 30))
    small = np.zeros((10, 6), np.uint8)
    assert softest_window(small, min(80, *small.shape)) == (slice(0, 6), slice(0, 6))
