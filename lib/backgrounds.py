"""Drawn backgrounds, from plain walls to foliage: the study's 'similar colours' and 'complex textures'."""

import cv2
import numpy as np

KINDS = ("wall", "gradient", "stripes", "checks", "clouds", "foliage", "room", "bokeh")


def draw_background(height: int, width: int, generator: np.random.Generator,
                    palette: np.ndarray | None = None) -> np.ndarray:
    """A background (H, W, 3) float32 RGB in 0 ... 255, of a kind drawn from KINDS.

    palette: (k, 3) colours to use instead of random ones, to make it look like the foreground.
    """
    colours = _random_colours(generator) if palette is None else generator.permutation(palette).astype(np.float32)
    kind = KINDS[generator.integers(len(KINDS))]
    picture = DRAW[kind](height, width, colours, generator)
    shade = 1 + generator.uniform(-0.25, 0.25) * np.linspace(-1, 1, width, dtype=np.float32)
    return np.clip(picture * shade[:, None], 0, 255).astype(np.float32)


def _random_colours(generator: np.random.Generator) -> np.ndarray:
    """Six RGB colours (6, 3) around one hue, of moderate saturation, dark to light."""
    hue = (generator.uniform(0, 180) + generator.normal(0, 18, 6)) % 180
    hsv = np.stack([hue, generator.uniform(15, 150, 6), generator.uniform(50, 235, 6)], 1).astype(np.uint8)
    return cv2.cvtColor(hsv[None], cv2.COLOR_HSV2RGB)[0].astype(np.float32)


def _axes(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates y (H, 1) and x (1, W) in units of the height."""
    return (np.arange(height, dtype=np.float32)[:, None] / height, np.arange(width, dtype=np.float32)[None] / height)


def _mix(share: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return share[..., None] * first + (1 - share[..., None]) * second


def _clouds(height: int, width: int, generator: np.random.Generator, octaves: tuple[int, ...]) -> np.ndarray:
    """Smooth noise (H, W) in 0 ... 1: random grids of the given numbers of cells, enlarged and added."""
    total = np.zeros((height, width), np.float32)
    for cells in octaves:
        grid = generator.random((cells + 1, cells * 3 // 4 + 1), dtype=np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) / len(octaves)
    low, high = total.min(), total.max()
    return (total - low) / max(high - low, 1e-6)


def _wall(height, width, colours, generator):
    return _mix(0.85 + 0.15 * _clouds(height, width, generator, (3, 40)), colours[0], colours[1])


def _gradient(height, width, colours, generator):
    y, x = _axes(height, width)
    angle = generator.uniform(0, 2 * np.pi)
    return _mix(np.clip(0.5 + np.cos(angle) * (x - 0.375) + np.sin(angle) * (y - 0.5), 0, 1), colours[0], colours[1])


def _stripes(height, width, colours, generator):
    y, x = _axes(height, width)
    angle, lines = generator.uniform(0, np.pi), generator.uniform(5, 22)
    wave = np.sin(2 * np.pi * lines * (np.cos(angle) * x + np.sin(angle) * y))
    return _mix(np.clip(0.5 + wave * 2, 0, 1), colours[0], colours[1])


def _checks(height, width, colours, generator):
    y, x = _axes(height, width)
    cells = generator.uniform(5, 16)
    wave = np.sin(np.pi * cells * (x + 0.1 * y)) * np.sin(np.pi * cells * (y - 0.1 * x))
    return _mix(np.clip(0.5 + wave * 6, 0, 1), colours[0], colours[1])


def _noise(height, width, colours, generator):
    return _mix(_clouds(height, width, generator, (3, 7, 15, 31)), colours[0], colours[1])


def _foliage(height, width, colours, generator):
    picture = _mix(_clouds(height, width, generator, (4, 9)), colours[0] * 0.5, colours[1] * 0.6)
    for _ in range(180):
        centre = (int(generator.uniform(0, width)), int(generator.uniform(0, height)))
        axes = (max(1, int(height * generator.uniform(0.012, 0.035))), max(1, int(height * generator.uniform(0.004, 0.014))))
        colour = colours[generator.integers(len(colours))] * generator.uniform(0.5, 1.1)
        cv2.ellipse(picture, centre, axes, generator.uniform(0, 180), 0, 360, colour.tolist(), -1, cv2.LINE_AA)
    return _blur(picture, height * generator.uniform(0, 0.006))


def _room(height, width, colours, generator):
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = colours[0]
    picture[int(height * 0.72):] = colours[1] * 0.7
    for colour in colours[2:]:
        left, top = generator.uniform(-0.1, 0.65) * height, generator.uniform(0, 0.6) * height
        size = height * generator.uniform(0.08, 0.4, 2)
        corner = (int(left + size[0]), int(top + size[1]))
        cv2.rectangle(picture, (int(left), int(top)), corner, colour.tolist(), -1)
    return _blur(picture, height * generator.uniform(0.004, 0.03))


def _bokeh(height, width, colours, generator):
    picture = _blur(_mix(_clouds(height, width, generator, (3, 6)), colours[0] * 0.4, colours[1] * 0.5), height * 0.02)
    for _ in range(45):
        layer = picture.copy()
        centre = (int(generator.uniform(0, width)), int(generator.uniform(0, height)))
        colour = np.clip(colours[generator.integers(len(colours))] * 1.4, 0, 255)
        cv2.circle(layer, centre, max(1, int(height * generator.uniform(0.01, 0.05))), colour.tolist(), -1, cv2.LINE_AA)
        picture = cv2.addWeighted(picture, 0.55, layer, 0.45, 0)
    return picture


def _blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), sigma) if sigma > 0.3 else picture


DRAW = {"wall": _wall, "gradient": _gradient, "stripes": _stripes, "checks": _checks, "clouds": _noise,
        "foliage": _foliage, "room": _room, "bokeh": _bokeh}
