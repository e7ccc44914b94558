"""One frame of scores: what goes in comes out, means and pairs as by hand."""

import numpy as np
import pandas as pd
import pytest

from lib.evaluation import scores, stats
from lib.experiments.thumbnail import TRIMAP_CONTROL


def frame(errors: dict[str, list[list[float]]]) -> pd.DataFrame:
    parts = [
        scores.frame(method, seed, ["z", "b", "a"][: len(row)], {"all": row, "unknown": 2 * np.array(row)})
        for method, rows in errors.items()
        for seed, row in enumerate(rows)
    ]
    return pd.concat(parts, ignore_index=True)


def test_matrix_keeps_the_order_of_images_and_seeds():
    found = frame({"m": [[0.3, 0.1, 0.2], [0.6, 0.4, 0.5]], "other": [[9, 9, 9]]})
    assert scores.matrix(found, "m", "all").tolist() == [[0.3, 0.1, 0.2], [0.6, 0.4, 0.5]]
    assert scores.matrix(found, "m", "unknown").tolist() == [[0.6, 0.2, 0.4], [1.2, 0.8, 1.0]]


def test_a_summary_is_the_estimate_of_each_method_and_measure():
    rows = [[0.3, 0.1, 0.2], [0.6, 0.4, 0.5]]
    found = scores.summarise(frame({"m": rows, "n": rows}), 0)
    assert list(zip(found.method, found.measure, strict=True)) == [
        ("m", "all"),
        ("m", "unknown"),
        ("n", "all"),
        ("n", "unknown"),
    ]
    expected = stats.estimate(np.array(rows), 0)
    assert found.iloc[0][list(expected)].to_dict() == expected
    assert scores.named(found)["all"]["m"] == expected


def test_pairs_meet_by_image_and_a_method_without_seeds_meets_all():
    found = frame({"sgd": [[0.3, 0.5], [0.4, 0.6]], "adam": [[0.2, 0.4], [0.3, 0.5]], TRIMAP_CONTROL: [[0.2, 0.3]]})
    compared = scores.compare(found, [("adam", "sgd"), ("sgd", TRIMAP_CONTROL)], 0)
    by_name = scores.named_pairs(compared, {TRIMAP_CONTROL: "trimap"})
    assert by_name["all"]["adam minus sgd"]["value"] == pytest.approx(-0.1)
    assert by_name["all"]["adam minus sgd"]["high"] == pytest.approx(-0.1)
    assert by_name["unknown"]["sgd minus trimap"]["value"] == pytest.approx(2 * 0.2)


def test_renamed_takes_the_named_methods_in_their_order():
    found = scores.renamed(frame({"a": [[1]], "b": [[2]], "c": [[3]]}), {"c": "last", "a": "first"})
    assert found.method.unique().tolist() == ["last", "first"]
    assert scores.matrix(found, "last", "all").item() == 3


def test_the_best_has_the_smallest_mean_and_nan_is_none_in_a_value():
    summed = scores.summarise(frame({"a": [[0.3, 0.1]], "b": [[0.1, 0.1]]}), 0)
    assert scores.best(summed) == {"all": "b", "unknown": "b"}
    assert scores.named(summed)["all"]["a"]["sd"] is None
