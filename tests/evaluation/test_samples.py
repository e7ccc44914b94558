"""Errors as text: base64 of float32, as NumPy and a shell would read them."""

import base64

import numpy as np
import pandas as pd
import pytest

from lib.evaluation import samples, scores, stats


def test_errors_come_back_to_the_last_bit_of_a_float32():
    errors = np.random.default_rng(0).random((2, 5))
    errors[1, 3] = np.nan
    text = samples.packed(errors)
    assert np.array_equal(samples.unpacked(text, 2), errors.astype(np.float32), equal_nan=True)
    assert np.frombuffer(base64.b64decode(text), "<f4")[5] == np.float32(errors[1, 0])


def test_many_errors_take_half_the_place_and_keep_their_mean():
    errors = np.random.default_rng(0).exponential(0.1, (3, samples.MANY))
    errors[0, 0] = np.nan
    text = samples.packed(errors)
    assert len(samples.content(text)) == 2 * errors.size and text.startswith(samples.HALF)
    found = samples.unpacked(text, 3)
    assert np.isnan(found[0, 0]) and np.nanmean(found) == pytest.approx(np.nanmean(errors), abs=1e-6)


def test_text_that_is_no_whole_number_of_errors_is_refused():
    with pytest.raises(ValueError):
        samples.unpacked(samples.packed(np.ones((1, 3))), 2)


def test_the_errors_behind_a_summary_and_a_difference_go_with_them():
    """Through frames, too: what `scores` names has the matrix that it is the mean of."""
    a, b = np.random.default_rng(1).random((2, 2, 4))
    frame = [
        scores.frame(name, seed, range(4), {"all": row})
        for name, rows in (("a", a), ("b", b))
        for seed, row in enumerate(rows)
    ]
    frame = pd.concat(frame)
    leaf = scores.named(scores.summarise(frame, 0))["all"]["a"]
    assert samples.unpacked(leaf["sample"], 2) == pytest.approx(a, rel=1e-7)
    leaf = scores.named_pairs(scores.compare(frame, [("a", "b")], 0))["all"]["a minus b"]
    assert samples.unpacked(leaf["sample"], 2) == pytest.approx(a - b, abs=1e-7)
    assert stats.estimate(np.ones((1, 1)), 0)["sample"] is None
