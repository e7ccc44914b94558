"""Drawn alphas: blobs, strands, leaves, nets, veils. Shapes of everything that is no person, for networks that must
work on photographs of other things as well.

All are drawn at the size asked for, from a generator's random numbers alone, as (side, side) float32 in [0,1].
"""

import cv2
import numpy as np

SUPERSAMPLING = 3  # strands and nets are drawn this many times finer, then averaged


def draw_alpha(side: int, rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """One alpha (side,side) float32 in [0,1] of a random kind; picture (side,side,3) uint8 lends one kind its shapes."""
    kind = rng.random()
    if kind < 0.30:
        alpha = furry(side, rng)
    elif kind < 0.45:
        alpha = blob(side, rng, _edge(side, rng))
    elif kind < 0.60:
        alpha = np.maximum(leaves(side, rng), blob(side, rng, _edge(side, rng)) * (rng.random() < 0.5))
    elif kind < 0.72:
        alpha = np.maximum(net(side, rng), blob(side, rng, 1.0) * (rng.random() < 0.5))
    elif kind < 0.88:
        alpha = from_picture(picture, rng)
    else:
        alpha = np.maximum(strands(side, rng, *_field(side, rng)), 0.0)
    if rng.random() < 0.25:
        alpha = alpha * veil(side, rng)
    if rng.random() < 0.15:  # out of focus
        alpha = cv2.GaussianBlur(alpha, (0, 0), float(rng.uniform(0.5, side / 60)))
    return np.clip(alpha, 0, 1).astype(np.float32)


def blob(side: int, rng: np.random.Generator, edge: float) -> np.ndarray:
    """A smooth outline whose edge is `edge` px wide."""
    field, cell = _field(side, rng)
    return _step(field * cell / 1.5, edge)


def furry(side: int, rng: np.random.Generator) -> np.ndarray:
    """A blob with hair growing from its outline."""
    field, cell = _field(side, rng)
    body = _step(field * cell / 1.5, rng.uniform(1, 6))
    return 1 - (1 - body) * (1 - strands(side, rng, field, cell))


def strands(side: int, rng: np.random.Generator, field: np.ndarray, cell: float) -> np.ndarray:
    """20 to 500 strands that start near the outline field = 0 and grow outwards, bending; alpha of them alone."""
    count = int(np.exp(rng.uniform(np.log(20), np.log(500))))
    near = np.flatnonzero(np.abs(field) * cell < side / 20)
    if not len(near):
        return np.zeros((side, side), np.float32)
    rows, columns = np.divmod(rng.choice(near, count), side)
    down, across = np.gradient(field)
    outward = np.arctan2(-down[rows, columns], -across[rows, columns])
    common = rng.uniform(0, 2 * np.pi)
    angle = (
        outward + rng.normal(0, rng.uniform(0.1, 0.7), count)
        if rng.random() < 0.7
        else common + rng.normal(0, 0.3, count)
    )
    length = np.exp(rng.uniform(np.log(side / 30), np.log(side / 3))) * rng.uniform(0.4, 1.3, count)
    bend, steps = rng.normal(0, rng.uniform(0.02, 0.25), count), 10
    turns = angle[:, None] + np.cumsum(np.full((count, steps), bend[:, None]), axis=1)
    step = length[:, None] / steps
    x = columns[:, None] + np.cumsum(np.cos(turns) * step, axis=1)
    y = rows[:, None] + np.cumsum(np.sin(turns) * step, axis=1)
    points = np.round(np.stack([x, y], axis=-1) * SUPERSAMPLING * 16).astype(np.int32)
    canvas = np.zeros((side * SUPERSAMPLING, side * SUPERSAMPLING), np.uint8)
    widths = rng.integers(1, rng.integers(2, 6), count)  # of a pixel's thirds
    shades = rng.integers(rng.integers(90, 255), 256, count)
    for line, width, shade in zip(points, widths.tolist(), shades.tolist(), strict=True):
        cv2.polylines(canvas, [line], False, shade, width, cv2.LINE_AA, 4)
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def leaves(side: int, rng: np.random.Generator) -> np.ndarray:
    """Many small ellipses in a heap."""
    canvas = np.zeros((side * 2, side * 2), np.uint8)
    count, size = int(rng.integers(5, 80)), np.exp(rng.uniform(np.log(side / 40), np.log(side / 6)))
    centres = rng.normal(side, side * rng.uniform(0.2, 0.7), (count, 2)).astype(int).tolist()
    long = (2 * size * rng.uniform(0.5, 1.4, count)).astype(int).tolist()
    flat, turn = rng.uniform(0.12, 0.6), rng.uniform(0, 180, count).tolist()
    for centre, axis, angle in zip(centres, long, turn, strict=True):
        cv2.ellipse(canvas, centre, (max(axis, 1), max(int(axis * flat), 1)), angle, 0, 360, 255, -1, cv2.LINE_AA)
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def net(side: int, rng: np.random.Generator) -> np.ndarray:
    """Two families of parallel threads, waved."""
    columns, rows = np.meshgrid(np.arange(side, dtype=np.float32), np.arange(side, dtype=np.float32))
    columns = columns + _noise(side, side / 3, rng) * side / 25
    period, turn = np.exp(rng.uniform(np.log(4), np.log(side / 5))), rng.uniform(0, np.pi)
    thick, alpha = max(0.6, period * rng.uniform(0.08, 0.4)), np.zeros((side, side), np.float32)
    for angle in (turn, turn + rng.uniform(1.0, 1.6))[: 1 + (rng.random() < 0.75)]:
        along = columns * np.cos(angle) + rows * np.sin(angle)
        to_thread = np.abs((along / period) % 1 - 0.5) * period
        alpha = np.maximum(alpha, np.clip(thick / 2 + 0.5 - to_thread, 0, 1))
    return alpha


def from_picture(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture's bright (or dark) parts as a shape, with an edge as soft as its tones are."""
    gray = cv2.GaussianBlur(
        picture[..., rng.integers(3)].astype(np.float32), (0, 0), float(np.exp(rng.uniform(np.log(0.4), np.log(6))))
    )
    middle = np.quantile(gray[::4, ::4], rng.uniform(0.3, 0.7))
    spread = max(4.0, float(gray[::4, ::4].std())) * np.exp(rng.uniform(np.log(0.08), np.log(1.2)))
    sign = -1 if rng.random() < 0.5 else 1
    return np.clip(0.5 + sign * (gray - middle) / spread, 0, 1)


def veil(side: int, rng: np.random.Generator) -> np.ndarray:
    """A factor below 1 in parts of the picture: glass, cloth, smoke."""
    where = _step(_field(side, rng)[0] * 20, rng.uniform(1, 40))
    thin = np.clip(rng.uniform(0.15, 0.9) + rng.uniform(0, 0.25) * _noise(side, side / 8, rng), 0.02, 1)
    return 1 - where * (1 - thin)


def _edge(side: int, rng: np.random.Generator) -> float:
    """Width of an edge in px, sharp ones and soft ones alike."""
    return float(np.exp(rng.uniform(np.log(0.7), np.log(side / 6))))


def _field(side: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Smooth noise (side,side), around 0, and the px over which it changes."""
    cell = float(np.exp(rng.uniform(np.log(side / 12), np.log(side / 1.8))))
    field = _noise(side, cell, rng) + rng.uniform(-0.4, 0.4)
    return field + rng.uniform(0, 0.35) * _noise(side, cell / 4, rng), cell


def _noise(side: int, cell: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise (side,side) float32 of deviation about 1 with `cell` px between its random values."""
    count = int(side / cell) + 4
    values = rng.standard_normal((count, count), dtype=np.float32) * 1.3
    start = rng.uniform(0, 1, 2)
    cut = np.float32([[1 / cell, 0, 1 + start[0]], [0, 1 / cell, 1 + start[1]]])
    return cv2.warpAffine(
        values, cut, (side, side), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT_101
    )


def _step(distance: np.ndarray, width: float) -> np.ndarray:
    """0 to 1 across `width` px around distance 0, smoothly."""
    t = np.clip(distance / width + 0.5, 0, 1)
    return t * t * (3 - 2 * t)
