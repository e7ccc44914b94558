"""Foreground colours against the exact ones of rendered people, and against pymatting's, the authors' own code."""

import numpy as np
import pytest
from cutout.stub import RED, disc, photo

from lib.cutout import foreground
from lib.data.portraits import Portraits


def errors(index: int) -> tuple[float, float, float]:
    """Root mean squared error, in 0 to 255, of the picture itself, of our colours and of pymatting's, where alpha is
    soft."""
    pymatting = pytest.importorskip("pymatting")
    sample = Portraits(12).read(index, (400, 300))
    alpha = sample.alpha.astype(np.float32) / 255
    soft = (alpha > 0.02) & (alpha < 0.98)
    theirs = foreground.clean(sample.image, alpha, pymatting.estimate_foreground_ml)
    found = (sample.image, foreground.clean(sample.image, alpha), theirs)
    return tuple(float(np.sqrt(((f[soft].astype(float) - sample.foreground[soft]) ** 2).mean())) for f in found)


def test_colours_are_much_nearer_to_a_rendered_persons_own_than_the_picture_is(record_property):
    plain, ours, theirs = np.mean([errors(index) for index in (0, 2, 4)], axis=0).tolist()
    for name, value in (("picture", plain), ("ours", ours), ("pymatting", theirs)):
        record_property(f"foreground_rmse_{name}", round(value, 2))
    assert ours < 0.6 * plain and ours < 1.1 * theirs, (plain, ours, theirs)


def test_tiles_leave_no_seams(monkeypatch):
    image, alpha = photo(300, 260), disc(300, 260)
    whole = foreground.clean(image, alpha)
    monkeypatch.setattr(foreground, "TILE", 64)
    assert np.abs(foreground.clean(image, alpha).astype(int) - whole).max() <= 4


def test_known_pixels_are_the_pictures_and_nothing_is_left_of_the_background():
    image, alpha = photo(), disc(120, 90)
    colours = foreground.clean(image, alpha)
    assert np.array_equal(colours[alpha == 1], image[alpha == 1]) and not colours[alpha == 0].any()
    assert np.abs(colours[alpha > 0.2].astype(int) - RED).max() < 40
    assert not foreground.clean(image, np.zeros_like(alpha)).any()
