"""The frames of a training as the page reads them, against the arrays that they were made of."""

import base64

import cv2
import numpy as np

from lib.output.frames import MOST_SIDE, MOST_STEPS, frames


def bytes_of(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, shape, np.uint8)


def test_small_pictures_come_back_byte_for_byte():
    image, alpha, trimap, alphas = noise(2, 3, 5, 4), noise(2, 1, 5, 4), noise(2, 1, 5, 4) // 128, noise(3, 2, 5, 4)
    found = frames(image, alpha, trimap, {"SGD": ([6, 12, 30], alphas)})
    assert found["kind"] == "frames" and found["size"] == [5, 4]
    (line,) = found["lines"]
    assert line["label"] == "SGD" and line["x"] == [6, 12, 30]
    np.testing.assert_array_equal(bytes_of(line["alphas"]).reshape(3, 2, 5, 4), alphas)
    second = found["images"][1]
    np.testing.assert_array_equal(bytes_of(second["picture"]).reshape(5, 4, 3), image[1].transpose(1, 2, 0))
    np.testing.assert_array_equal(bytes_of(second["truth"]).reshape(5, 4), alpha[1, 0])


def test_long_trainings_are_thinned_and_large_pictures_averaged():
    steps, side = 3 * MOST_STEPS, 2 * MOST_SIDE
    alphas = np.repeat(noise(1, 1, side, side), steps, axis=0)
    found = frames(noise(1, 3, side, side), alphas[:1], alphas[:1], {"SGD": (list(range(1, steps + 1)), alphas)})
    (line,) = found["lines"]
    assert len(line["x"]) == MOST_STEPS and (line["x"][0], line["x"][-1]) == (1, steps)
    assert found["size"] == [MOST_SIDE, MOST_SIDE]
    mean = cv2.resize(alphas[0, 0], (MOST_SIDE, MOST_SIDE), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(bytes_of(line["alphas"]).reshape(-1, MOST_SIDE, MOST_SIDE)[-1], mean)
