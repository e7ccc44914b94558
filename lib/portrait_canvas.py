"""What the drawn portraits are painted on: positions, paint, coverage, and curves.

Lengths are in units (one unit is one pixel of a 600x800 portrait). The same random numbers give the same
picture at every resolution. Colours are RGB, 0 to 255.
"""

from dataclasses import dataclass

import cv2
import numpy as np

WIDTH, HEIGHT = 600, 800  # units; pixels of an original, as in the AISegment set
TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
CIRCLE = np.stack([np.cos(TURN), np.sin(TURN)], -1).astype(np.float32)  # (20, 2), radius 1


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

    def crop(self, rows: slice, columns: slice) -> "Grid":
        """The grid of a part of the canvas."""
        shift = (self.shift[0] + columns.start / self.scale, self.shift[1] + rows.start / self.scale)
        part = Grid.__new__(Grid)
        part.scale, part.shift, part.x, part.y = self.scale, shift, self.x[:, columns], self.y[rows]
        part.shape = (part.y.shape[0], part.x.shape[1])
        return part

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


@dataclass
class Canvas:
    """What is painted so far: colour (H, W, 3) uint8, coverage (H, W) float32 in [0, 1], and where paint
    lies."""

    grid: Grid
    colour: np.ndarray
    coverage: np.ndarray
    painted: np.ndarray

    @classmethod
    def empty(cls, grid: Grid) -> "Canvas":
        return cls(grid, np.zeros((*grid.shape, 3), np.uint8), np.zeros(grid.shape, np.float32),
                   np.zeros(grid.shape, np.uint8))

    def crop(self, points: np.ndarray) -> "Canvas":
        """The part around some points (n, 2) in units, sharing the paint: small things cost little there."""
        margin = 2 / self.grid.scale
        low, high = self.grid.pixels([points.min(0) - margin, points.max(0) + margin]) // 16
        (left, top), (right, bottom) = np.clip(low, 0, None), np.clip(high + 2, 1, None)
        rows, columns = slice(top, bottom), slice(left, right)
        return Canvas(self.grid.crop(rows, columns), self.colour[rows, columns], self.coverage[rows, columns],
                      self.painted[rows, columns])

    def mask(self, polygon: np.ndarray) -> np.ndarray:
        """Antialiased coverage (H, W) uint8 of a polygon with corners (n, 2) in units."""
        mask = np.zeros(self.grid.shape, np.uint8)
        cv2.fillPoly(mask, [self.grid.pixels(polygon)], 255, cv2.LINE_AA, 4)
        return mask

    def lines(self, curves: np.ndarray, width: float) -> np.ndarray:
        """Coverage (H, W) uint8 of curves (n, k, 2) of `width` units; a line thinner than a pixel covers part
        of it."""
        mask = np.zeros(self.grid.shape, np.uint8)
        pixels = width * self.grid.scale
        thickness = max(1, int(pixels + 0.3))
        # cv2's antialiased line of one pixel covers about two; thinner ones get what they should cover.
        strength = round(255 * (min(1.0, 0.55 * pixels) if thickness == 1 else 1.0))
        cv2.polylines(mask, list(self.grid.pixels(curves)), False, strength, thickness, cv2.LINE_AA, 4)
        return mask

    def cover(self, mask: np.ndarray) -> None:
        """Porter and Duff's "over" for the coverage alone."""
        self.coverage += (1 - self.coverage) * (mask * np.float32(1 / 255))
        self.painted |= mask

    def paint(self, mask: np.ndarray, colour: np.ndarray) -> None:
        """Opaque paint, (3,) or (H, W, 3), wherever the mask touches a pixel; its fractions go into the
        coverage.

        The canvas is several times finer than the picture, so hard edges between two paints average out.
        """
        if colour.ndim == 1:
            self.colour[mask > 0] = bounded(colour)
        else:
            cv2.copyTo(cv2.convertScaleAbs(np.maximum(colour, 0)), mask, self.colour)
        self.cover(mask)

    def fill(self, polygon: np.ndarray, colour: np.ndarray) -> None:
        """One colour inside a polygon in units, on what is painted; the coverage stays."""
        cv2.fillPoly(self.colour, [self.grid.pixels(polygon)], bounded(colour), cv2.LINE_AA, 4)

    def draw(self, curves: np.ndarray, colour: np.ndarray, width: float) -> None:
        """Lines (n, k, 2) of one colour on what is painted; the coverage stays."""
        thickness = max(1, round(width * self.grid.scale))
        cv2.polylines(
            self.colour, list(self.grid.pixels(curves)), False, bounded(colour), thickness, cv2.LINE_8, 4
        )


def bounded(colour) -> list[float]:
    """A colour as cv2 takes it, within 0 to 255."""
    return [min(max(float(value), 0.0), 255.0) for value in colour]


def smooth(points, n: int = 6, closed: bool = True) -> np.ndarray:
    """Catmull-Rom curve through points (k, 2), `n` steps between two of them, float32: (n k, 2) when closed,
    else (n (k - 1) + 1, 2)."""
    points = np.asarray(points, np.float32)
    k = len(points)
    if not closed:
        points = np.concatenate([points, 2 * points[-1:] - points[-2:-1], 2 * points[:1] - points[1:2]])
    t = np.arange(n, dtype=np.float32)[:, None] / n
    weights = 0.5 * np.concatenate([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3,
                                    t**3 - t**2], axis=1)
    spans = k if closed else k - 1
    near = (np.arange(spans)[:, None] + np.array([-1, 0, 1, 2])) % len(points)
    curve = (weights @ points[near]).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[k - 1:k]])


def resample(points, n: int) -> np.ndarray:
    """Smooth open curve through points (k, 2), at `n` places along it, closer together near its beginning."""
    curve = smooth(points, 8, closed=False)
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    at = length[-1] * np.linspace(0, 1, n) ** 1.4
    return np.stack([np.interp(at, length, curve[:, i]) for i in range(2)], axis=-1).astype(np.float32)
