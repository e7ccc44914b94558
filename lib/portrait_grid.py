"""What backgrounds are painted on: a grid of positions, noise, blur and bars.

Lengths are in units (one unit is one pixel of a 600x800 portrait). The same random numbers give the same
picture at every resolution. Colours are RGB, 0 to 255.
"""

import cv2
import numpy as np

WIDTH, HEIGHT = 600, 800  # units; pixels of an original, as in the AISegment set


class Grid:
    """Positions of a canvas's pixels in the scene: x (1, W) and y (H, 1) float32 in units; `scale` pixels a
    unit.

    shift (x, y) in units and zoom move the camera; two portraits of one scene differ in them alone.
    """

    def __init__(
        self, shape: tuple[int, int], scale: float, shift: tuple[float, float] = (0, 0), zoom: float = 1.0
    ):
        self.shape, self.scale, self.shift = shape, scale * zoom, shift
        self.x = ((np.arange(shape[1], dtype=np.float32) + 0.5) / self.scale + shift[0])[None]
        self.y = ((np.arange(shape[0], dtype=np.float32) + 0.5) / self.scale + shift[1])[:, None]

    def noise(self, random: np.random.Generator, cell: float, stretch: float = 1.0) -> np.ndarray:
        """Smooth noise (H, W) float32, mean 0, standard deviation about 1; `cell` units between the random
        values, `stretch` times as many vertically."""
        rows, columns = int(HEIGHT * 1.6 / (cell * stretch)) + 4, int(WIDTH * 1.6 / cell) + 4
        values = random.standard_normal((rows, columns), dtype=np.float32)
        # The random values lie on a fixed lattice in the scene; the canvas is cut out of it.
        step_x, step_y = 1 / (self.scale * cell), 1 / (self.scale * cell * stretch)
        start_x, start_y = (
            (self.shift[0] + 0.2 * WIDTH) / cell,
            (self.shift[1] + 0.2 * HEIGHT) / (cell * stretch),
        )
        cut = np.float32([[step_x, 0, start_x], [0, step_y, start_y]])
        size = (self.shape[1], self.shape[0])
        return cv2.warpAffine(values, cut, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
                              borderMode=cv2.BORDER_REFLECT_101) * 1.3

    def pixels(self, points) -> np.ndarray:
        """Points (..., 2) in units as cv2's fixed-point numbers with 4 fractional bits."""
        points = (np.asarray(points, np.float32) - self.shift) * self.scale - 0.5
        return np.round(points * 16).astype(np.int32)

    def length(self, units: float) -> int:
        """A length in cv2's fixed-point numbers."""
        return max(1, round(units * self.scale * 16))


def blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur, `sigma` in pixels; large ones at a reduced scale, where they cost little."""
    if sigma < 0.3:
        return picture
    factor = int(sigma / 4)
    if factor < 2:
        return cv2.GaussianBlur(picture, (0, 0), sigma)
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA)
    return cv2.resize(
        cv2.GaussianBlur(small, (0, 0), sigma / factor), (width, height), interpolation=cv2.INTER_CUBIC
    )


def mix(weight: np.ndarray, low, high) -> np.ndarray:
    """Colours (H, W, 3) float32 between two colours (or pictures), by weight (H, W) in [0, 1]."""
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    return low + np.asarray(weight, np.float32)[..., None] * (high - low)


def wave(position: np.ndarray, softness: float) -> np.ndarray:
    """Bars of period 1 in [0, 1]: an antialiased square wave whose edges are `softness` periods wide."""
    return np.clip((0.25 - np.abs((position % 1) - 0.5)) / max(softness, 1e-3) + 0.5, 0, 1)
