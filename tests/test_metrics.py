"""The errors of matting against mmeval, mmagic, GNU Octave, definitions written out, and closed forms.

golden_metrics.json holds what mmeval 0.2.1 says of `GOLDEN`. It was made, and is made again, by

    python3 -m venv OTHER; OTHER/bin/pip install mmeval==0.2.1 opencv-python numpy pytest
    OTHER/bin/python -m tests.test_metrics

in an environment of its own, as mmeval depends on opencv-python, which overwrites opencv-python-headless.
"""

import json
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error

from benchmarks import metrics as benchmark
from lib import metrics
from lib.base import UserError

FOUR = ("sad", "mse", "grad", "conn")
FILE = Path(__file__).with_name("golden_metrics.json")
CASES = ("noise", "shift", "specks", "fifths", "narrow", "wrong", "constant", "equal", "line")
GOLDEN = [f"{name}, known pixels {known}" for name in CASES for known in ("kept", "predicted")]


def case(name, shape=(60, 48)):
    """pred, true, trimap, uint8 (H,W): a soft disc and a prediction. Integers only: the same everywhere."""
    name, _, known = name.partition(", known pixels ")
    rows, columns = np.indices(shape)
    inside = 17**2 - (rows - 30) ** 2 - (columns - 23) ** 2
    true = np.clip(128 + inside, 0, 255).astype(np.uint8)
    trimap = np.where(inside > 200, 255, np.where(inside < -200, 0, 128)).astype(np.uint8)
    random = np.random.default_rng(list(name.encode()))
    if name in ("specks", "fifths"):  # many parts, many of one size; fifths lie at thresholds exactly
        true = random.integers(0, 6, shape) * 51 if name == "fifths" else random.integers(0, 256, shape)
        true = np.where(random.random(shape) < 0.5, np.uint8(255), true.astype(np.uint8))
    pred = {
        "noise": np.clip(true + random.integers(-60, 61, shape), 0, 255),
        "shift": np.roll(true, (3, 2), (0, 1)),
        "specks": np.where(random.random(shape) < 0.8, true, random.integers(0, 256, shape)),
        "fifths": np.maximum(true, 51) - 51 * random.integers(0, 2, shape),
        "narrow": 60 + true // 3,
        "wrong": 255 - true,
        "constant": np.full(shape, 153),
        "equal": true,
        "line": np.where(columns % 7 == 0, true // 2, true),
    }[name].astype(np.uint8)
    return np.where(trimap == 128, pred, true) if known == "kept" else pred, true, trimap


@pytest.mark.parametrize("name", GOLDEN)
def test_four_errors_are_those_of_mmeval(name):
    found, expected = metrics.official(*case(name)), json.loads(FILE.read_text())[name]
    if name.endswith("predicted"):  # mmeval's SAD and MSE count known pixels too; MSE divides by |unknown|
        pred, true, trimap = case(name)
        found["sad"] = metrics.sad(pred, true)
        found["mse"] = metrics.mse(pred, true) * trimap.size / np.count_nonzero(trimap == 128)
    assert found == pytest.approx(expected, rel=2e-6, abs=1e-9)


def test_golden_cases_differ_in_every_error():
    """So that no error could stand in for another."""
    values = pd.DataFrame(json.loads(FILE.read_text())).T
    values = values[~values.index.str.startswith("equal")]
    assert (values > 0).all(axis=None) and values.round(6).nunique().min() >= 10


def test_published_values_of_mmagic():
    """Its test's images: SAD and Grad there count every pixel, or have no known pixel in reach."""
    pred, trimap = np.zeros((2, 32, 32), np.uint8)
    true = np.full((32, 32), 255, np.uint8)
    trimap[:16, :16], trimap[16:, 16:], pred[16:, 16:] = 128, 255, 255
    assert metrics.sad(pred, true) == pytest.approx(0.768)
    assert metrics.mse(pred, true) * trimap.size / 256 == pytest.approx(3.0)
    assert metrics.grad(pred, true, trimap) == pytest.approx(0.0028887, abs=5e-8)
    assert metrics.conn(pred, true, trimap) == pytest.approx(0.256)
    assert metrics.sad(pred, true, trimap) == pytest.approx(0.256) and metrics.mse(pred, true, trimap) == 1


def test_octave_agrees(tmp_path):
    """The official definitions by Octave's own imfilter, mat2gray and bwconncomp, from PNG files."""
    octave = shutil.which("octave")
    if octave is None:
        pytest.skip("GNU Octave is not on PATH; with it and its package image this test runs")
    for number, name in enumerate(GOLDEN):
        for kind, array in zip(("pred", "true", "trimap"), case(name), strict=True):
            cv2.imwrite(str(tmp_path / f"{number:02}-{kind}.png"), array)
    script = Path(__file__).with_name("official_metrics.m")
    command = [octave, "--no-gui", "--quiet", str(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip("GNU Octave lacks its package image; with it this test runs")
    assert done.returncode == 0, done.stderr
    table = np.array([line.split()[1:] for line in done.stdout.splitlines()], float)
    ours = [list(metrics.official(*case(name)).values()) for name in GOLDEN]
    np.testing.assert_allclose(ours, table, rtol=1e-7, atol=2e-9)  # float32 against uint8 in Grad


def direct_slope(alpha):
    """Length of the gradient by the definition: one 9x9 sum a pixel, in float64, borders repeated."""
    sigma, reach = 1.4, 4
    steps = range(-reach, reach + 1)
    kernel = np.array([[x * np.exp(-(x * x + y * y) / (2 * sigma**2)) for x in steps] for y in steps])
    kernel /= np.sqrt((kernel**2).sum())
    alpha = (alpha - alpha.min()) / (alpha.max() - alpha.min())
    padded = np.pad(alpha, reach, mode="edge")
    length = np.empty(alpha.shape)
    for row, column in np.ndindex(alpha.shape):
        window = padded[row : row + 9, column : column + 9]
        length[row, column] = np.hypot((window * kernel).sum(), (window * kernel.T).sum())
    return length


@pytest.mark.parametrize("unknown", [np.s_[:, :], np.s_[3:5, 6:9], np.s_[0:1, 10:11], np.s_[11:13, 0:14]])
def test_grad_is_the_direct_convolution(unknown):
    random = np.random.default_rng(1)
    pred, true = (0.1 + 0.7 * random.random((13, 14)) for _ in range(2))
    trimap = np.full(pred.shape, 255, np.uint8)
    trimap[unknown] = 128
    expected = (
        (direct_slope(pred.astype(np.float32).astype(float)) - direct_slope(true.astype(np.float32).astype(float)))[
            unknown
        ]
        ** 2
    ).sum() / 1000
    assert metrics.grad(pred, true, trimap) == pytest.approx(expected, rel=1e-9)


def test_filter_is_cut_where_the_definition_cuts_it():
    assert len(metrics.SMOOTH) == len(metrics.DERIVATIVE) == 9
    assert np.linalg.norm(np.outer(metrics.SMOOTH, metrics.DERIVATIVE)) == pytest.approx(1)


def test_grad_of_ramps_and_of_stretched_alpha():
    ramp = np.linspace(0, 1, 40) * np.ones((40, 1))
    inner = np.zeros(ramp.shape, np.uint8)
    inner[10:30, 10:30] = 128
    assert metrics.grad(ramp, ramp.T, inner) == pytest.approx(0, abs=1e-12)  # as steep, in another direction
    pred, true, trimap = case("noise")
    expected = pytest.approx(metrics.grad(pred, true, trimap), rel=1e-5)
    assert metrics.grad(0.2 + 0.5 * (pred / 255), true, trimap) == expected


def flooded_parts(mask):
    """Sets of pixels, 4-connected, in the order of their first pixel column by column."""
    left, parts = {(column, row) for row, column in np.argwhere(mask)}, []
    while left:
        todo, part = [min(left)], set()
        while todo:
            column, row = pixel = todo.pop()
            if pixel in left:
                left.remove(pixel)
                part.add(pixel)
                todo += [(column + 1, row), (column - 1, row), (column, row + 1), (column, row - 1)]
        parts.append(part)
    return parts


def brute_conn(pred, true, trimap):
    """Conn pixel by pixel, in float32 like the official evaluation."""
    pred, true, level = pred.astype(np.float32), true.astype(np.float32), {}
    for step in range(1, 11):
        threshold = np.float32(step / 10)
        parts = flooded_parts((pred >= threshold) & (true >= threshold))
        largest = max(parts, key=len, default=set())  # the first of equal ones
        for row, column in np.ndindex(pred.shape):
            if (column, row) not in largest:
                level.setdefault((row, column), np.float32((step - 1) / 10))
    total = 0.0
    for row, column in np.argwhere(trimap == 128):
        above = [alpha[row, column] - level.get((row, column), np.float32(1)) for alpha in (pred, true)]
        phi = [1 - one * (one >= np.float32(0.15)) for one in above]
        total += float(abs(phi[0] - phi[1]))
    return total / 1000


@pytest.mark.parametrize("values", ["thresholds", "eighths", "any", "large"])
def test_conn_is_the_flood_fill_pixel_by_pixel(values):
    random = np.random.default_rng(list(values.encode()))
    for _ in range(60):
        shape = tuple(random.integers(1, 10, 2))
        draw = {
            "thresholds": lambda: random.integers(0, 11, shape) / 10,  # each alpha lies at a threshold
            "eighths": lambda: np.where(random.random(shape) < 0.5, 1, random.integers(0, 9, shape) / 8),
            "any": lambda: random.random(shape),
            "large": lambda: np.minimum(1, 0.6 + random.random(shape)),
        }[values]
        pred, true, trimap = draw(), draw(), random.choice([0, 128, 255], shape).astype(np.uint8)
        assert metrics.conn(pred, true, trimap) == pytest.approx(brute_conn(pred, true, trimap), rel=1e-12)


def test_of_equal_parts_the_first_column_by_column_counts():
    """Two single pixels: row by row the upper one comes first, column by column the left one."""
    alpha = np.zeros((3, 5))
    alpha[0, 4] = alpha[2, 0] = 1
    trimap = np.zeros(alpha.shape, np.uint8)
    trimap[0, 4] = 128
    pred = np.where(trimap == 128, 0.9, alpha)  # the upper right pixel is left out: level 0, 0.9 against 1
    assert metrics.conn(pred, alpha, trimap) == pytest.approx(0.1 / 1000, rel=1e-6)
    trimap[2, 0], trimap[0, 4] = 128, 0
    pred = np.where(trimap == 128, 0.9, alpha)  # the left one belongs up to 0.9, where d is below 0.15
    assert metrics.conn(pred, alpha, trimap) == 0


def test_153_reaches_the_threshold_of_point_6():
    """Only in float32: in float64 153/255 is smaller than the sixth tenth of 0:0.1:1."""
    true, trimap = np.full((4, 4), 153, np.uint8), np.full((4, 4), 128, np.uint8)
    pred = np.full((4, 4), 200, np.uint8)  # level 0.6: d = 0 and 0.184
    assert metrics.conn(pred, true, trimap) == pytest.approx(16 * (200 / 255 - 0.6) / 1000, rel=1e-5)


def test_constant_error():
    true, trimap = np.full((10, 12), 0.25), np.zeros((10, 12), np.uint8)
    trimap[2:7, 3:9] = 128
    pred = np.where(trimap == 128, 0.75, 0.25 + 0.125)
    assert metrics.sad(pred, true, trimap) == 30 * 0.5 / 1000
    assert metrics.mse(pred, true, trimap) == 0.25 and metrics.mad(pred, true, trimap) == 0.5
    assert metrics.mad(pred, true) == pytest.approx((30 * 0.5 + 90 * 0.125) / 120)
    assert metrics.mse(pred, true) == pytest.approx((30 * 0.25 + 90 * 0.125**2) / 120)


@pytest.mark.parametrize("name", CASES)
def test_identical_alphas_have_no_error(name):
    pred, _, trimap = case(name)
    assert set(metrics.official(pred, pred, trimap).values()) == {0}


@pytest.mark.parametrize("name", CASES)
def test_errors_keep_under_exchange_and_eight_bits_under_scaling(name):
    pred, true, trimap = case(name)
    found = metrics.official(pred, true, trimap)
    assert metrics.official(true, pred, trimap) == pytest.approx(found, rel=1e-12)
    for kind in (np.float32, np.float64):
        scaled = metrics.official(pred.astype(kind) / 255, true, trimap)
        assert scaled == pytest.approx(found, rel=1e-12)


def test_no_trimap_is_a_trimap_without_known_pixels():
    pred, true, _ = case("noise")
    for measure in (metrics.sad, metrics.mse, metrics.mad, metrics.grad, metrics.conn):
        assert measure(pred, true) == measure(pred, true, np.full(pred.shape, 128, np.uint8)) > 0


def test_sad_and_mse_ignore_known_pixels_and_conn_does_not():
    kept, predicted = (metrics.official(*case(f"noise, known pixels {known}")) for known in ("kept", "predicted"))
    assert kept["sad"] == predicted["sad"] and kept["mse"] == predicted["mse"] and kept["conn"] != predicted["conn"]


def test_trimap_without_unknown_pixels_is_0_or_nan_and_no_warning(recwarn):
    pred, true, trimap = case("noise")
    found = metrics.official(pred, true, np.where(trimap == 128, np.uint8(0), trimap))
    assert found["sad"] == found["grad"] == found["conn"] == 0 and np.isnan(found["mse"]) and not recwarn.list


GOOD = np.full((4, 5), 0.5)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"pred": GOOD[None]}, "pred: expected the shape (H,W), found (1, 4, 5); measure one picture at a time."),
        ({"true": GOOD.T}, "true: expected the shape (4, 5) of pred, found (5, 4); resize one."),
        ({"trimap": np.zeros((4, 6))}, "trimap: expected the shape (4, 5) of pred, found (4, 6); resize one."),
        ({"pred": GOOD * 255}, "pred: expected values in [0,1], found 127.5 to 127.5; scale or clip it."),
        ({"true": GOOD * np.nan}, "true: expected values in [0,1], found nan to nan; scale or clip it."),
        ({"pred": GOOD + 0.500002}, "pred: expected values in [0,1], found 1.000002 to 1.000002; scale or clip it."),
        ({"trimap": np.full((4, 5), 127, np.uint8)}, "trimap: expected 0, 128 and 255 only, found 127; recode it."),
    ],
)
def test_bad_input_ends_in_one_sentence(bad, message):
    arguments = {"pred": GOOD, "true": GOOD, "trimap": np.full((4, 5), 128, np.uint8)} | bad
    with pytest.raises(UserError) as stopped:
        metrics.official(**arguments)
    assert str(stopped.value) == message


def test_rounding_of_a_resized_alpha_is_clipped():
    trimap = np.full((4, 5), 128, np.uint8)
    for sample, clipped in ((1 + 1e-7, 1), (-1e-7, 0)):
        found = metrics.official(np.full((4, 5), sample), GOOD, trimap)
        assert found == metrics.official(np.full((4, 5), clipped, float), GOOD, trimap)


def test_bench_measures_the_same_work():
    [row] = benchmark.rates(images=2, side=(64, 48))
    assert row["ours"] > 0 and row["ratio"] == row["ours"] / row["reference"]
    pred, true, trimap = benchmark.draw(1, (64, 48))[0]
    found = metrics.official(pred, true, trimap)
    assert benchmark.plain(pred, true, trimap) == pytest.approx([found[one] for one in FOUR], rel=1e-4)


# ------------------------------------------------------------------------------------- regions, masks, colours, clips


def test_errors_by_region_are_mean_absolute_errors_of_scikit_learn():
    random = np.random.default_rng(1)
    pred = random.random((3, 1, 5, 4), dtype=np.float32)
    true = random.integers(0, 256, (3, 1, 5, 4), dtype=np.uint8)
    trimap = random.choice(np.array([0, 128, 255], np.uint8), (3, 1, 5, 4))
    trimap[2] = 0
    errors = metrics.errors_by_region(pred, true, trimap)
    for number in range(3):
        unknown = trimap[number] == 128
        pasted = np.where(unknown, pred[number], trimap[number] / 255)
        pairs = {"all": (true[number], pred[number]), "pasted": (true[number], pasted)}
        if number < 2:  # else there is no unknown pixel
            pairs["unknown"] = true[number][unknown], pred[number][unknown]
        for region, (alpha, guess) in pairs.items():
            expected = mean_absolute_error(alpha.ravel() / 255, guess.ravel())
            assert errors[region][number] == pytest.approx(expected)
    assert np.isnan(errors["unknown"][2])


def test_iou_of_squares_is_the_ratio_of_areas():
    inside, outside = np.zeros((2, 20, 20), np.uint8)
    inside[:10, :10], outside[:10, 5:15] = 255, 255
    assert metrics.iou(inside / 255.0, outside) == 50 / 150 and metrics.iou(inside / 255.0, inside) == 1
    assert metrics.iou(np.zeros((20, 20)), inside) == 0
    assert metrics.iou(np.zeros((20, 20)), np.zeros((20, 20), np.uint8)) == 1  # nobody there, nobody found


def test_colours_count_where_there_is_a_person():
    alpha, true = np.uint8([[0, 1, 255]]), np.random.default_rng(0).integers(0, 256, (1, 3, 3), dtype=np.uint8)
    pred = np.where((alpha > 0)[..., None], true / 255.0 + 0.1, 7.0)
    assert metrics.foreground_mse(pred, true, alpha) == pytest.approx(0.01)
    assert np.isnan(metrics.foreground_mse(None, true, alpha))


def test_dtssd_of_two_frames_by_hand():
    true, pred = np.zeros((2, 2, 2), np.uint8), np.zeros((2, 2, 2))
    true[1, 0, 0], pred[1, 1, 1] = 255, 0.6  # the truth changes in one pixel by 1, the prediction in another by 0.6
    assert metrics.clip_errors(pred, true)["dtssd"] == pytest.approx(100 * np.sqrt((1.0**2 + 0.6**2) / 4))
    assert metrics.clip_errors(pred[:1], true[:1])["dtssd"] == 0


def test_a_still_error_does_not_flicker():
    true = np.random.default_rng(0).integers(0, 256, (5, 6, 7), dtype=np.uint8)
    assert metrics.clip_errors(true / 255, true)["dtssd"] == 0
    assert metrics.clip_errors(np.full(true.shape, 0.3), true[:1].repeat(5, 0))["dtssd"] == pytest.approx(0, abs=1e-12)


def test_clip_errors_are_means_over_all_frames():
    pred = np.stack([np.full((4, 4), level) for level in (0.0, 0.5, 1.0)])
    errors = metrics.clip_errors(pred, np.zeros((3, 4, 4), np.uint8))
    assert errors == {"mad": pytest.approx(0.5), "mse": pytest.approx(1.25 / 3), "dtssd": pytest.approx(50)}


def write_golden():
    """Ask mmeval: float32 alpha in [0,1], as with uint8 it does not divide by 255, and differences wrap."""
    from mmeval.metrics import ConnectivityError, GradientError, MattingMeanSquaredError, SumAbsoluteDifferences

    golden = {}
    for name in GOLDEN:
        pred, true, trimap = case(name)
        alphas = [[(alpha / np.float32(255)).astype(np.float32)] for alpha in (pred, true)]
        golden[name] = {
            one: float(next(iter(measure()(*alphas, *[[trimap]] * (one != "sad")).values())))
            for one, measure in zip(
                FOUR, (SumAbsoluteDifferences, MattingMeanSquaredError, GradientError, ConnectivityError), strict=True
            )
        }
    FILE.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    write_golden()
