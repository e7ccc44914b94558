"""The comparison by size, with a method that knows the truth and one that is lost beyond a width."""

import numpy as np
import pytest

from lib.cutout import scale
from lib.experiments import enlarged


def picture(side: int = 900, half: int = 30):
    """Black above white; the unknown band runs around their border."""
    alpha = np.zeros((side, side), np.uint8)
    alpha[side // 2 :] = 255
    trimap = alpha.copy()
    trimap[side // 2 - half : side // 2 + half] = 128
    return "one", np.repeat(alpha[..., None], 3, axis=2).astype(np.float32) / 255, trimap, alpha


def test_who_reads_alpha_off_the_picture_is_right_at_every_size_and_way():
    found = enlarged.compare([picture()], lambda image, trimap: image[..., 0].astype(np.float32) / 255, (1, 2))
    assert found["size"].tolist() == ["900x900", "1800x1800"]
    assert found["unknown band"].tolist() == [30, 60] and found.megapixels.tolist() == pytest.approx([0.81, 3.24])
    for way in enlarged.WAYS:
        assert found[way].max() < 1e-3


def test_who_is_lost_in_a_wide_band_is_so_in_tiles_alone():
    def narrow(image, trimap):
        lost = scale.reach(trimap == 128) > 50
        return np.full(trimap.shape, 0.5, np.float32) if lost else image[..., 0].astype(np.float32) / 255

    found = enlarged.compare([picture()], narrow, (1, 2)).set_index("size")
    tiled, known = (found[way] for way in enlarged.WAYS)
    assert tiled["900x900"] == known["900x900"] < 1e-3
    assert tiled["1800x1800"] > 0.2 and known["1800x1800"] < 5e-3
