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

from benchmarks import metrics as benchmark
from lib.base import UserError
from lib.evaluation import metrics

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
    found, expected = metrics.all_metrics(*case(name)), json.loads(FILE.read_text())[name]
    if name.endswith("predicted"):  # mmeval's SAD and MSE count known pixels too; MSE divides by |unknown|
        pred, true, trimap = case(name)
        found["sad"] = metrics.sad(pred, true)
        found["mse"] = metrics.mse(pred, true) * trimap.size / np.count_nonzero(trimap == 128)
    assert {one: found[one] for one in FOUR} == pytest.approx(expected, rel=2e-6, abs=1e-9)


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
    ours = [[metrics.all_metrics(*case(name))[one] for one in FOUR] for name in GOLDEN]
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
    found = metrics.all_metrics(pred, true, trimap)
    assert found["sad"] == 30 * 0.5 / 1000 and found["mse"] == 0.25
    assert found["whole_mad"] == pytest.approx((30 * 0.5 + 90 * 0.125) / 120) == metrics.mad(pred, true)
    assert found["whole_mse"] == pytest.approx((30 * 0.25 + 90 * 0.125**2) / 120) == metrics.mse(pred, true)
    assert metrics.mad(pred, true, trimap) == 0.5
    assert list(found) == list(metrics.UNITS)


@pytest.mark.parametrize("name", CASES)
def test_identical_alphas_have_no_error(name):
    pred, _, trimap = case(name)
    assert set(metrics.all_metrics(pred, pred, trimap).values()) == {0}


@pytest.mark.parametrize("name", CASES)
def test_errors_keep_under_exchange_and_eight_bits_under_scaling(name):
    pred, true, trimap = case(name)
    found = metrics.all_metrics(pred, true, trimap)
    assert metrics.all_metrics(true, pred, trimap) == pytest.approx(found, rel=1e-12)
    for kind in (np.float32, np.float64):
        scaled = metrics.all_metrics(pred.astype(kind) / 255, true, trimap)
        assert scaled == pytest.approx(found, rel=1e-12)


def test_no_trimap_is_a_trimap_without_known_pixels():
    pred, true, _ = case("noise")
    for measure in (metrics.sad, metrics.mse, metrics.mad, metrics.grad, metrics.conn):
        assert measure(pred, true) == measure(pred, true, np.full(pred.shape, 128, np.uint8)) > 0


def test_sad_and_mse_ignore_known_pixels():
    kept = metrics.all_metrics(*case("noise, known pixels kept"))
    predicted = metrics.all_metrics(*case("noise, known pixels predicted"))
    assert kept["sad"] == predicted["sad"] and kept["mse"] == predicted["mse"]
    assert kept["conn"] != predicted["conn"] and kept["whole_mad"] < predicted["whole_mad"]


def test_batch_is_a_table_of_its_images():
    cases = [case(name) for name in CASES]
    batch = [np.stack(arrays)[:, None] for arrays in zip(*cases, strict=True)]
    before = [array.copy() for array in batch]
    table = pd.DataFrame(metrics.all_metrics(*batch))
    assert table.shape == (len(CASES), 6) and (table.dtypes == np.float64).all()
    assert table.to_dict("records") == [metrics.all_metrics(*one) for one in cases]
    assert np.array_equal(metrics.conn(*batch), table["conn"]) and metrics.sad(*batch).shape == (len(CASES),)
    assert all(map(np.array_equal, batch, before))


def test_trimap_without_unknown_pixels_is_0_or_nan_and_no_warning(recwarn):
    pred, true, trimap = case("noise")
    found = metrics.all_metrics(pred, true, np.where(trimap == 128, np.uint8(0), trimap))
    assert found["sad"] == found["grad"] == found["conn"] == 0 and np.isnan(found["mse"])
    assert found["whole_mad"] > 0 and not recwarn.list


GOOD = np.full((4, 5), 0.5)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"pred": GOOD.tolist()}, "pred: expected a NumPy array, found list; convert it."),
        ({"pred": GOOD[None]}, "pred: expected the shape (H,W) or (N,1,H,W), found (1, 4, 5); reshape it."),
        ({"pred": GOOD[:0]}, "pred: expected the shape (H,W) or (N,1,H,W), found (0, 5); reshape it."),
        ({"true": GOOD.T}, "true: expected the shape (4, 5) of pred, found (5, 4); resize one."),
        (
            {"trimap": np.zeros((4, 6), np.uint8)},
            "trimap: expected the shape (4, 5) of pred, found (4, 6); resize one.",
        ),
        ({"pred": GOOD * 255}, "pred: expected values in [0,1], found 127.5 to 127.5; scale or clip it."),
        ({"true": GOOD - 0.6}, "true: expected values in [0,1], found -0.1 to -0.1; scale or clip it."),
        (
            {"true": np.where(np.eye(4, 5), np.nan, 0.5)},
            "true: expected values in [0,1], found nan to nan; scale or clip it.",
        ),
        ({"pred": GOOD + 0.500002}, "pred: expected values in [0,1], found 1.000002 to 1.000002; scale or clip it."),
        ({"true": GOOD.astype(int)}, "true: expected uint8 or float, found int64; convert it."),
        ({"trimap": np.full((4, 5), 127, np.uint8)}, "trimap: expected 0, 128 and 255 only, found 127; recode it."),
        ({"trimap": GOOD}, "trimap: expected 0, 128 and 255 only, found 0.5; recode it."),
    ],
)
def test_bad_input_ends_in_one_sentence(bad, message):
    arguments = {"pred": GOOD, "true": GOOD, "trimap": np.full((4, 5), 128, np.uint8)} | bad
    with pytest.raises(UserError) as stopped:
        metrics.all_metrics(**arguments)
    assert str(stopped.value) == message


def test_rounding_of_a_resized_alpha_is_clipped():
    trimap = np.full((4, 5), 128, np.uint8)
    for sample, clipped in ((1 + 1e-7, 1), (-1e-7, 0)):
        found = metrics.all_metrics(np.full((4, 5), sample), GOOD, trimap)
        assert found == metrics.all_metrics(np.full((4, 5), clipped, float), GOOD, trimap)


def test_bench_measures_the_same_work():
    [row] = benchmark.rates(images=2, side=(64, 48))
    assert row["ours"] > 0 and row["ratio"] == row["ours"] / row["reference"]
    pred, true, trimap = benchmark.draw(1, (64, 48))[0]
    found = metrics.all_metrics(pred, true, trimap)
    assert benchmark.plain(pred, true, trimap) == pytest.approx([found[one] for one in FOUR], rel=1e-4)


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
