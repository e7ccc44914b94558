"""Where the pictures of hair are cut."""

import numpy as np

from lib.output.plot_refinement import hair_square


def test_the_square_holds_the_most_soft_pixels():
    random = np.random.default_rng(0)
    alpha = np.where(random.random((40, 31)) < 0.3, 128, 255).astype(np.uint8)
    soft = (alpha > 12) & (alpha < 242)
    rows, columns = hair_square(alpha, 9)
    assert rows.stop - rows.start == columns.stop - columns.start == 9
    counts = [soft[r:r + 9, c:c + 9].sum() for r in range(32) for c in range(23)]
    assert soft[rows, columns].sum() == max(counts)


def test_a_small_picture_is_taken_whole_in_its_short_side():
    rows, columns = hair_square(np.zeros((10, 6), np.uint8), 80)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (6, 6)
