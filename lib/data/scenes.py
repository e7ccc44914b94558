"""Drawn backgrounds of the included set: seven kinds of scene, from a plain studio to a street.

A scene is drawn on a grid in units (one unit is one pixel of a 600x800 portrait); the same random numbers give the same
picture at every resolution. Colours: RGB, float32, 0 to 255.
"""

import math

import cv2
import numpy as np

WIDTH, HEIGHT = 600, 800  # units; pixels of an original, as in the AISegment set


class SceneGrid:
    """Positions of a canvas's pixels in the scene: x (1, W) and y (H, 1) float32 in units; `scale` pixels a
    unit.

    shift (x, y) in units and zoom move the camera; two portraits of one scene differ in them alone.
    """

    def __init__(self, shape: tuple[int, int], scale: float, shift: tuple[float, float] = (0, 0), zoom: float = 1.0):
        self.shape, self.scale, self.shift = shape, scale * zoom, shift
        self.x = ((np.arange(shape[1], dtype=np.float32) + 0.5) / self.scale + shift[0])[None]
        self.y = ((np.arange(shape[0], dtype=np.float32) + 0.5) / self.scale + shift[1])[:, None]

    def noise(self, rng: np.random.Generator, cell: float, stretch: float = 1.0) -> np.ndarray:
        """Smooth noise (H, W) float32, mean 0, standard deviation about 1; `cell` units between the random
        values, `stretch` times as many vertically."""
        rows, columns = int(HEIGHT * 1.6 / (cell * stretch)) + 4, int(WIDTH * 1.6 / cell) + 4
        values = rng.standard_normal((rows, columns), dtype=np.float32)
        # The random values lie on a fixed lattice in the scene; the canvas is cut out of it.
        step_x, step_y = 1 / (self.scale * cell), 1 / (self.scale * cell * stretch)
        start_x, start_y = ((self.shift[0] + 0.2 * WIDTH) / cell, (self.shift[1] + 0.2 * HEIGHT) / (cell * stretch))
        cut = np.float32([[step_x, 0, start_x], [0, step_y, start_y]])
        size = (self.shape[1], self.shape[0])
        return (
            cv2.warpAffine(
                values, cut, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101
            )
            * 1.3
        )

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
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / factor), (width, height), interpolation=cv2.INTER_CUBIC)


def lerp(weight: np.ndarray, low, high) -> np.ndarray:
    """Colours (H, W, 3) float32 between two colours (or pictures), by weight (H, W) in [0, 1]."""
    low, high = np.asarray(low, np.float32), np.asarray(high, np.float32)
    return low + np.asarray(weight, np.float32)[..., None] * (high - low)


def square_wave(position: np.ndarray, softness: float) -> np.ndarray:
    """Bars of period 1 in [0, 1]: an antialiased square wave whose edges are `softness` periods wide."""
    return np.clip((0.25 - np.abs((position % 1) - 0.5)) / max(softness, 1e-3) + 0.5, 0, 1)


def random_palette(rng: np.random.Generator, n: int = 4) -> np.ndarray:
    """`n` colours that go together: hues near one or two centres, different lightness. (n, 3) float32."""
    hue = rng.uniform(0, 180) + np.where(rng.random(n) < 0.3, 80, 0) + rng.normal(0, 9, n)
    saturation = np.clip(rng.normal(rng.choice([15, 60, 110]), 25, n), 0, 210)
    value = np.clip(rng.permutation(np.linspace(60, 235, n)) + rng.normal(0, 18, n), 25, 250)
    hsv = np.stack([hue % 180, saturation, value], axis=-1).round().astype(np.uint8)
    return cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0].astype(np.float32)


def studio(grid: SceneGrid, rng: np.random.Generator, palette: np.ndarray) -> np.ndarray:
    """A backdrop lit by one lamp."""
    centre = rng.uniform([100, 100], [500, 500]).tolist()
    reach = rng.uniform(350, 700)
    light = np.exp(-((grid.x - centre[0]) ** 2 + (grid.y - centre[1]) ** 2) / reach**2)
    light = np.clip(light + 0.05 * grid.noise(rng, 120), 0, 1)
    return lerp(light, palette[0] * rng.uniform(0.3, 0.9), palette[0] * 0.4 + palette[1] * 0.6)


def stripes(grid: SceneGrid, rng: np.random.Generator, palette: np.ndarray) -> np.ndarray:
    """Wallpaper, blinds or planks, at any angle."""
    angle, period = ((0.0, math.pi / 2, rng.uniform(0, math.pi))[rng.integers(3)], rng.uniform(40, 150))
    along = grid.x * math.cos(angle) + grid.y * math.sin(angle)
    picture = lerp(square_wave(along / period, 1 / (grid.scale * period)), palette[0], palette[1])
    fine = square_wave(along / period * 2 + 0.25, 1 / (grid.scale * period))
    return lerp(fine * (0.5 * rng.integers(2)), picture, palette[2]) * _light(grid, rng)


def bricks(grid: SceneGrid, rng: np.random.Generator, palette: np.ndarray) -> np.ndarray:
    """Bricks or tiles, each of its palette_drawn shade."""
    height = rng.uniform(28, 70)
    width = height * (1.0, 2.2)[rng.integers(2)]
    row = grid.y / height
    column = (grid.x + (0.0, 0.5 * width)[rng.integers(2)] * np.floor(row)) / width
    shades = rng.standard_normal((64, 64)).astype(np.float32)
    shade = shades[np.floor(row).astype(int) % 64, np.floor(column).astype(int) % 64]
    joint = 3.0 + 1 / grid.scale
    edge = np.minimum(np.minimum(row % 1, 1 - row % 1) * height, np.minimum(column % 1, 1 - column % 1) * width)
    stones = lerp(np.clip(0.5 + 0.3 * shade, 0, 1), palette[0], palette[1]) + 6 * grid.noise(rng, 9)[..., None]
    return lerp(np.clip(edge / joint, 0, 1), palette[2], stones) * _light(grid, rng)


def foliage(grid: SceneGrid, rng: np.random.Generator, palette: np.ndarray) -> np.ndarray:
    """Leaves in three depths over mottled light."""
    coarse, fine = grid.noise(rng, 110), grid.noise(rng, 26)
    picture = lerp(np.clip(0.45 + 0.25 * coarse + 0.12 * fine, 0, 1), palette[0] * 0.45, palette[1])
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    for depth in range(3):
        centres = rng.uniform([-120, -160], [720, 960], (60, 2))
        angles, sizes = rng.uniform(0, 180, 60), rng.uniform(12, 34, 60) * (1 + 0.5 * depth)
        colors = np.clip(palette[rng.integers(0, 4, 60)] * rng.uniform(0.5, 1.2, (60, 1)), 0, 255)
        for centre, angle, size, color in zip(
            grid.pixels(centres).tolist(), angles, sizes, colors.tolist(), strict=True
        ):
            cv2.ellipse(
                picture, centre, (grid.length(size), grid.length(size * 0.42)), angle, 0, 360, color, -1, cv2.LINE_AA, 4
            )
    return picture.astype(np.float32)


def room(grid: SceneGrid, rng: np.random.Generator, palette: np.ndarray) -> np.ndarray:
    """A wall with a window, pictures and a shelf of books."""
    wall = palette[0] * 0.7 + 60
    picture = np.clip(np.broadcast_to(wall, (*grid.shape, 3)) * _light(grid, rng), 0, 255).astype(np.uint8)

    def box(x, y, width, height, color):
        low, high = grid.pixels([[x, y], [x + width, y + height]]).tolist()
        cv2.rectangle(picture, low, high, np.clip(color, 0, 255).tolist(), -1, cv2.LINE_AA, 4)

    side = rng.choice([-60, 330])
    box(side - 12, 20, 324, 424, palette[1] * 0.6)
    bright = np.array([235, 240, 250]) * rng.uniform(0.7, 1.0)
    for column in range(2):
        for row in range(2):
            box(side + 155 * column, 34 + 205 * row, 145, 192, bright + rng.normal(0, 8, 3))
    shelf = 350 if side < 0 else -40
    for level, y in enumerate((130, 300, 470)):
        x = float(shelf)
        while x < shelf + 270:
            width, height = rng.uniform(14, 34), rng.uniform(70, 120)
            box(x, y - height, width, height, palette[rng.integers(0, 4)] * rng.uniform(0.5, 1.1))
            x += width + 2
        box(shelf, y, 280, 14, palette[2] * (0.5 + 0.1 * level))
    box(-300, 720, 1200, 300, palette[3] * 0.5)
    return picture.astype(np.float32)


def lights(grid: SceneGrid, rng: np.random.Generator, palette: np.ndarray) -> np.ndarray:
    """Lamps at night, out of focus: discs of light over a dark gradient."""
    level = np.clip(grid.y / HEIGHT + 0.12 * grid.noise(rng, 150), 0, 1)
    picture = np.clip(lerp(level, palette[0] * 0.35, palette[1] * 0.2), 0, 255).astype(np.uint8)
    for _ in range(3):
        glow = np.zeros_like(picture)
        centres, radii = rng.uniform([-100, -100], [700, 700], (16, 2)), rng.uniform(14, 62, 16)
        colors = np.clip(palette[rng.integers(0, 4, 16)] * rng.uniform(0.3, 0.8, (16, 1)), 0, 255)
        for centre, radius, color in zip(grid.pixels(centres).tolist(), radii, colors.tolist(), strict=True):
            cv2.circle(glow, centre, grid.length(radius), color, -1, cv2.LINE_AA, 4)
        picture = cv2.add(picture, glow)
    return picture.astype(np.float32)


def street(grid: SceneGrid, rng: np.random.Generator, palette: np.ndarray) -> np.ndarray:
    """Sky, houses with windows, and ground."""
    clouds = np.clip(0.35 + 0.3 * grid.noise(rng, 160, 0.5) + grid.y / 1600, 0, 1)
    sky = np.array([90, 145, 215]) * rng.uniform(0.6, 1.1)
    picture = np.clip(lerp(clouds, sky, [238, 240, 244]), 0, 255).astype(np.uint8)
    x = -150.0
    while x < 750:
        width, top = rng.uniform(110, 220), rng.uniform(90, 400)
        color = palette[rng.integers(0, 4)] * rng.uniform(0.6, 1.1)
        low, high = grid.pixels([[x, top], [x + width, 1100]]).tolist()
        cv2.rectangle(picture, low, high, np.clip(color, 0, 255).tolist(), -1, cv2.LINE_AA, 4)
        for window_x in np.arange(x + 14, x + width - 30, 38):
            for window_y in np.arange(top + 20, 620, 58):
                low, high = grid.pixels([[window_x, window_y], [window_x + 20, window_y + 34]]).tolist()
                glass = color * rng.choice([0.35, 0.5, 1.3])
                cv2.rectangle(picture, low, high, np.clip(glass, 0, 255).tolist(), -1, cv2.LINE_AA, 4)
        x += width
    ground = np.clip((grid.y - 620) / 60, 0, 1) + 0 * grid.x
    return lerp(ground, picture, palette[3] * 0.6) + 4 * grid.noise(rng, 12)[..., None]


def _light(grid: SceneGrid, rng: np.random.Generator) -> np.ndarray:
    """Uneven light on a wall, (H, W, 1), around 1."""
    slope = rng.uniform(-0.3, 0.3, 2).tolist()
    return (1 + slope[0] * (grid.x / WIDTH - 0.5) + slope[1] * (grid.y / HEIGHT - 0.5))[..., None]


SCENES = (studio, stripes, bricks, foliage, room, lights, street)
GREENS = np.array([[52, 78, 38], [112, 140, 62], [70, 104, 50], [150, 160, 84]], np.float32)


def draw_background(grid: SceneGrid, rng: np.random.Generator, palette: np.ndarray | None) -> np.ndarray:
    """A random scene (H, W, 3) float32, 0 to 255. palette (4, 3): its colours; None draws them too."""
    scene = SCENES[rng.integers(len(SCENES))]
    palette_drawn = random_palette(rng)
    if scene is foliage and rng.random() < 0.75:
        palette_drawn = GREENS * rng.uniform(0.7, 1.3) + rng.normal(0, 8, (4, 3))
    focus = rng.choice([0.0, 2.0, 5.0, 12.0], p=[0.2, 0.25, 0.3, 0.25])  # the lens's blur, units
    picture = scene(grid, rng, palette_drawn if palette is None else palette)
    return blur(np.clip(picture, 0, 255).astype(np.float32), focus * grid.scale)
