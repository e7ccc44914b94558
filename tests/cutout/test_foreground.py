"""Foreground colors against the exact ones of rendered people, and against pymatting's, the authors' own code."""

import numpy as np
import pytest
from cutout.stub import disc, photo

from lib.cutout import foreground
from lib.data.portraits import Portraits


def errors(index: int) -> tuple[float, float, float]:
    """Root mean squared error, in 0 to 255, of the picture itself, of our colors and of pymatting's, where alpha is soft."""
    pymatting = pytest.importorskip("pymatting")
    sample = Portraits(12).read(index, (400, 300))
    alpha = sample.alpha.astype(np.float32) / 255
    soft = (alpha > 0.02) & (alpha < 0.98)
    authors = pymatting.estimate_foreground_ml(sample.image / np.float32(255), alpha) * 255
    colors = (sample.image, foreground.estimate(sample.image, alpha), authors)
    return tuple(float(np.sqrt(((c[soft].astype(float) - sample.foreground[soft]) ** 2).mean())) for c in colors)


def test_colors_are_much_nearer_to_a_rendered_persons_own_than_the_picture_is(record_property):
    plain, ours, theirs = np.mean([errors(index) for index in (0, 2, 4)], axis=0).tolist()
    for name, value in (("picture", plain), ("ours", ours), ("pymatting", theirs)):
        record_property(f"foreground_rmse_{name}", round(value, 2))
    assert ours < 0.6 * plain and ours < 1.1 * theirs, (plain, ours, theirs)


def test_tiles_leave_no_seams(monkeypatch):
    image, alpha = photo(300, 260), disc(300, 260)
    whole = foreground.estimate(image, alpha)
    monkeypatch.setattr(foreground, "TILE", 64)
    assert np.abs(foreground.estimate(image, alpha).astype(int) - whole).max() <= 4
    assert not foreground.estimate(image, np.zeros_like(alpha)).any()
