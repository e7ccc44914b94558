"""The person of a drawn portrait: clothes, neck, head and hair, painted from back to front on a canvas.

Lengths are in units (one unit is one pixel of a 600x800 portrait). Head coordinates (u, v) run from the middle of the
face: u = +-1 at the cheeks, v = -1 at the top of the skull, v = +1 at the chin. Colours are RGB, 0 to 255.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from lib.portrait_backgrounds import Grid, mix, random_palette, wave

SKIN = np.array([[247, 218, 196], [238, 200, 172], [226, 184, 150], [208, 160, 122], [184, 134, 98], [150, 104, 74],
                 [116, 78, 56], [82, 54, 40]], np.float32)
HAIR = np.array([[24, 20, 20], [40, 28, 24], [66, 42, 28], [98, 62, 38], [142, 98, 58], [196, 156, 98],
                 [226, 198, 146], [140, 62, 30], [176, 172, 168], [228, 226, 222]], np.float32)
STYLES = ("bald", "crop", "short", "parted", "bob", "long", "wavy", "curly", "bun")
STYLE_SHARES = (0.05, 0.11, 0.15, 0.1, 0.14, 0.16, 0.13, 0.09, 0.07)
CLOTHES = ("crew", "vee", "shirt", "suit", "hood", "strap")
CURVE = np.linspace(0, 1, 12, dtype=np.float32)  # where a strand of hair is drawn
TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
CIRCLE = np.stack([np.cos(TURN), np.sin(TURN)], -1).astype(np.float32)


@dataclass
class Canvas:
    """What is painted so far: colour (H, W, 3) uint8, coverage (H, W) float32 in [0, 1], and where paint lies."""

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
        """Coverage (H, W) uint8 of curves (n, k, 2) of `width` units; a line thinner than a pixel covers part of it."""
        mask = np.zeros(self.grid.shape, np.uint8)
        pixels = width * self.grid.scale
        thickness = max(1, int(pixels + 0.3))
        strength = round(255 * min(1.0, pixels / thickness))
        cv2.polylines(mask, list(self.grid.pixels(curves)), False, strength, thickness, cv2.LINE_AA, 4)
        return mask

    def cover(self, mask: np.ndarray) -> None:
        """Porter and Duff's "over" for the coverage alone."""
        self.coverage += (1 - self.coverage) * (mask * np.float32(1 / 255))
        self.painted |= mask

    def paint(self, mask: np.ndarray, colour: np.ndarray) -> None:
        """Opaque paint, (3,) or (H, W, 3), wherever the mask touches a pixel; its fractions go into the coverage.

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
        cv2.polylines(self.colour, list(self.grid.pixels(curves)), False, bounded(colour), thickness, cv2.LINE_8, 4)


def bounded(colour) -> list[float]:
    """A colour as cv2 takes it, within 0 to 255."""
    return [min(max(float(value), 0.0), 255.0) for value in colour]


def smooth(points, n: int = 6, closed: bool = True) -> np.ndarray:
    """Catmull-Rom curve through points (k, 2), `n` steps between two of them, float32: (n k, 2) when closed, else
    (n (k - 1) + 1, 2)."""
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
    """Smooth open curve through points (k, 2), at `n` places evenly spaced by arc length."""
    curve = smooth(points, 8, closed=False)
    length = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    at = np.linspace(0, length[-1], n)
    return np.stack([np.interp(at, length, curve[:, i]) for i in range(2)], axis=-1).astype(np.float32)


def traits(random: np.random.Generator) -> dict:
    """What stays the same in all pictures of one person."""
    tone = random.integers(len(SKIN))
    skin = SKIN[tone] + random.normal(0, 4, 3).astype(np.float32)
    hair = HAIR[random.integers(4)] if tone > 4 and random.random() < 0.8 else HAIR[random.integers(len(HAIR))]
    style = str(random.choice(STYLES, p=STYLE_SHARES))
    beard = random.uniform(0.35, 0.95) if style in ("bald", "crop", "short") and random.random() < 0.5 else 0.0
    return {"skin": skin, "hair": hair * random.uniform(0.85, 1.15), "style": style, "beard": beard,
            "jaw": random.uniform(0.2, 0.36), "aspect": random.uniform(0.70, 0.79), "volume": random.uniform(0.9, 1.12),
            "eye": random.uniform(0.9, 1.12), "iris": random.uniform([30, 40, 30], [110, 110, 130]),
            "brow": random.uniform(0.035, 0.075), "nose": random.uniform(0.85, 1.15), "lips": random.uniform(0.75, 1.2),
            "redness": random.uniform(0.1, 1), "parting": random.uniform(-0.5, 0.5), "length": random.uniform(1.4, 2.5),
            "fringe": random.random() < 0.3, "glasses": random.random() < 0.18, "build": random.uniform(1.75, 2.2),
            "over_shoulder": random.random() < 0.6}


def outfit(random: np.random.Generator) -> dict:
    """Clothes: what changes from one occasion to the next."""
    return {"kind": str(random.choice(CLOTHES, p=(0.26, 0.18, 0.2, 0.16, 0.12, 0.08))),
            "colours": random_palette(random), "bars": random.uniform(14, 60),
            "pattern": str(random.choice(("plain", "stripes", "checks", "dots"), p=(0.55, 0.2, 0.15, 0.1)))}


@dataclass
class Head:
    """Where the head is: centre and half height in units, tilt and turn in radians."""

    centre: np.ndarray
    half_height: float
    half_width: float
    tilt: float
    turn: float
    light: np.ndarray  # unit vector towards the lamp: right, down, towards the camera

    def units(self, uv) -> np.ndarray:
        """Head coordinates (..., 2) to units."""
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        axes = [[self.half_width * cos, self.half_width * sin], [-self.half_height * sin, self.half_height * cos]]
        return np.asarray(uv, np.float32) @ np.array(axes, np.float32) + self.centre.astype(np.float32)

    def feature(self, uv) -> np.ndarray:
        """Like `units`, for points on the front of the face, which move sideways when the head turns."""
        uv = np.array(uv, np.float32)
        uv[..., 0] = np.sin(0.97 * np.arcsin(np.clip(uv[..., 0], -0.98, 0.98)) + self.turn)
        return self.units(uv)

    def coordinates(self, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        """u and v (H, W) of every pixel."""
        x, y = grid.x - self.centre[0], grid.y - self.centre[1]
        cos, sin = math.cos(self.tilt), math.sin(self.tilt)
        return (x * cos + y * sin) / self.half_width, (y * cos - x * sin) / self.half_height


def pose(random: np.random.Generator, person: dict, light: np.ndarray) -> Head:
    """A head for one picture."""
    half = random.uniform(108, 196)
    centre = np.array([300 + random.normal(0, 38), random.uniform(120, 190) + 1.1 * half], np.float32)
    return Head(centre, half, half * person["aspect"], float(random.normal(0, 0.09)), float(random.normal(0, 0.2)), light)


def paint_person(canvas: Canvas, random: np.random.Generator, person: dict, clothes: dict, head: Head) -> None:
    """The whole person, from the back of the hair to the loose strands."""
    hair = Hair(canvas, random, person, head)
    hair.paint_back()
    neck = paint_neck(canvas, person, head)
    paint_body(canvas, random, person, clothes, head, neck)
    paint_head(canvas, random, person, head)
    hair.paint_front()


def paint_neck(canvas: Canvas, person: dict, head: Head) -> np.ndarray:
    """Neck and upper chest, in the shadow of the chin. Returns the colour (H, W, 3), for what an open collar shows."""
    a, b = head.half_width, head.half_height
    x, y = head.units([0, 0.6]).tolist()
    sides = [[x - 0.56 * a, y - 0.3 * b], [x - 0.54 * a, y + 0.55 * b], [x - 0.85 * a, y + 1.0 * b],
             [x - 1.1 * a, y + 2.2 * b]]
    polygon = smooth(sides + [[2 * x - px, py] for px, py in sides[::-1]])
    grid = canvas.grid
    shadow = np.exp(-(((grid.x - x - 0.2 * a * head.light[0]) / (0.75 * a)) ** 2
                      + ((grid.y - y - 0.42 * b) / (0.42 * b)) ** 2))
    side = np.clip((grid.x - x) / a, -1, 1) * head.light[0] + 0 * grid.y
    colour = person["skin"] * (0.92 + 0.16 * side - 0.38 * shadow)[..., None]
    canvas.paint(canvas.mask(polygon), colour)
    return colour


def paint_body(canvas: Canvas, random: np.random.Generator, person: dict, clothes: dict, head: Head,
               neck: np.ndarray) -> None:
    """Shoulders, chest and arms down to the lower border, in the clothes' cut and pattern."""
    a, b = head.half_width, head.half_height
    x, y = (head.units([0, 0.9]) * (0.75, 1) + (0.25 * head.centre[0], 0.28 * b)).tolist()
    wide, slope = person["build"] * b * random.uniform(0.92, 1.05), random.uniform(0.35, 0.6)
    lean = random.normal(0, 0.06) * b
    straps = clothes["kind"] == "strap"
    left = [[x - 0.58 * a, y - 0.02 * b], [x - 0.5 * wide, y + 0.3 * slope * b],
            [x - 0.84 * wide, y + slope * b], [x - wide, y + (slope + 0.6) * b], [x - 1.1 * wide, y + 2.4 * b],
            [x - 1.15 * wide, 1000]]
    right = [[2 * x - px, py] for px, py in left]
    left, right = [[px, py + lean] for px, py in left], [[px, py - lean] for px, py in right]
    outline = canvas.mask(smooth(left + right[::-1]))
    shade = _folds(canvas.grid, random, x, wide, b, head)
    if straps:
        canvas.paint(outline, person["skin"] * (0.75 + 0.25 * shade)[..., None])
        left = [[x - 0.62 * wide, y + 0.42 * slope * b], [x - 0.66 * wide, y + (slope + 0.8) * b], [x - 0.6 * wide, 1000]]
        top = [[x - 0.48 * wide, y + 0.3 * slope * b], [x - 0.36 * wide, y + 1.0 * b], [x, y + 1.15 * b]]
        left_half = [*top[::-1], *left]
        outline = np.minimum(outline, canvas.mask(np.array(left_half + [[2 * x - px, py] for px, py in left_half[::-1]])))
    cloth = _cloth(canvas.grid, clothes, x, y) * shade[..., None]
    canvas.paint(outline, cloth)
    if not straps:
        _paint_collar(canvas, clothes, np.array([x, y]), a, b, shade, neck)


def _folds(grid: Grid, random: np.random.Generator, x: float, wide: float, b: float, head: Head) -> np.ndarray:
    """Light on cloth (H, W), around 1: the roundness of the body, folds, and the gap between arm and chest."""
    across = np.clip((grid.x - x) / wide, -1.2, 1.2)
    shade = 1.0 + 0.2 * across * head.light[0] - 0.13 * across**2 + 0 * grid.y
    shade = shade + 0.055 * grid.noise(random, 46, 2.5) + 0.03 * grid.noise(random, 14, 3.0)
    for side in (-1, 1):
        gap = (grid.x - x - side * (0.7 * wide + 0.04 * (grid.y - 700))) / (0.045 * wide)
        shade -= 0.24 * np.exp(-gap**2) * np.clip((grid.y - head.centre[1] - 2.1 * b) / (0.5 * b), 0, 1)
    return np.clip(shade, 0.3, 1.4)


def _cloth(grid: Grid, clothes: dict, x: float, y: float) -> np.ndarray:
    """Colour (H, W, 3) of the unlit cloth."""
    first, second = clothes["colours"][0], clothes["colours"][1]
    bars, soft = clothes["bars"], 1 / (grid.scale * clothes["bars"])
    across = wave((grid.x - x + 0.05 * (grid.y - y)) / bars, soft) + 0 * grid.y
    down = wave((grid.y - y + 0.12 * np.abs(grid.x - x)) / bars, soft) + 0 * grid.x
    if clothes["kind"] == "suit" or clothes["pattern"] == "plain":
        return np.broadcast_to(first * np.float32(0.55 if clothes["kind"] == "suit" else 1.0), (*grid.shape, 3))
    if clothes["pattern"] == "stripes":
        return mix(across if clothes["kind"] == "shirt" else down, first, second)
    if clothes["pattern"] == "checks":
        return mix(0.4 * across + 0.4 * down, first, second)
    row = np.floor((grid.y - y) / bars)
    dx = ((grid.x - x) / bars + 0.5 * (row % 2)) % 1 - 0.5
    dy = (grid.y - y) / bars % 1 - 0.5
    return mix(np.clip((0.24 - np.hypot(dx, dy)) / soft + 0.5, 0, 1), first, second)


def _paint_collar(canvas: Canvas, clothes: dict, base: np.ndarray, a: float, b: float, shade: np.ndarray,
                  skin: np.ndarray) -> None:
    """The neckline: skin in the opening, then collar, lapels and tie, or hood."""
    def at(points):
        return base + np.asarray(points, np.float32) * (a, b)

    def both(points):
        points = np.asarray(points, np.float32)
        return [at(points), at(points * (-1, 1))]

    first, second, third = clothes["colours"][:3]
    kind = clothes["kind"]
    depth = {"crew": 0.34, "vee": 0.85, "shirt": 0.6, "suit": 0.95, "hood": 0.42}[kind]
    opening = [[-0.66, -0.3], [-0.6, 0.0], [-0.36, 0.62 * depth], [0, depth], [0.36, 0.62 * depth], [0.6, 0.0],
               [0.66, -0.3]]
    if kind in ("vee", "shirt", "suit"):
        opening = [[-0.66, -0.3], [-0.6, 0], [0, depth], [0.6, 0], [0.66, -0.3]]
    inside = canvas.mask(at(opening) if len(opening) == 5 else smooth(at(opening), closed=False))
    if kind == "suit":
        canvas.paint(inside, (0.35 * second + 150) * shade[..., None])
        canvas.paint(canvas.mask(at([[-0.4, -0.2], [0, 0.26], [0.4, -0.2]])), skin)
        tie = at([[-0.12, 0.24], [0.12, 0.24], [0.09, 0.38], [0.2, 1.6], [-0.2, 1.6], [-0.09, 0.38]])
        canvas.paint(np.minimum(canvas.mask(tie), inside), third * (0.8 * shade)[..., None])
        for lapel in both([[0.62, -0.22], [0.8, 0.1], [0.86, 0.42], [0.02, 1.5], [0.0, 0.98]]):
            canvas.paint(canvas.mask(lapel), first * (0.46 * shade)[..., None])
            canvas.draw(lapel[None, 2:], first * 0.3, 3)
        collars, cloth = both([[0.55, -0.3], [0.0, 0.26], [0.3, 0.46], [0.72, -0.1]]), 0.35 * second + 160
    elif kind == "shirt":
        canvas.paint(inside, skin)
        collars, cloth = both([[0.6, -0.32], [0.08, 0.5], [0.5, 0.74], [0.86, -0.02]]), first * 1.08 + 8
        canvas.draw(at([[[0, depth], [0.02, 5]]]), first * 0.6, 2.5)
    else:
        canvas.paint(inside, skin)
        rim = at(opening) if len(opening) == 5 else smooth(at(opening), closed=False)
        canvas.draw(rim[None], first * (0.62 if kind != "crew" else 0.75), 9 if kind == "hood" else 6)
        collars, cloth = [], first
        if kind == "hood":
            collars = both([[0.6, -0.42], [1.15, -0.1], [1.2, 0.35], [0.5, 0.78], [0.2, 0.52], [0.56, 0.1]])
            collars, cloth = [smooth(collar) for collar in collars], first * 0.88
    for collar in collars:
        canvas.paint(canvas.mask(collar), cloth * shade[..., None])
        canvas.draw(np.concatenate([collar, collar[:1]])[None], cloth * 0.62, 2)


def head_outline(person: dict) -> np.ndarray:
    """Contour of skull and jaw in head coordinates, (n, 2)."""
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    u, v = np.sin(t), -np.cos(t)
    u = np.sign(u) * np.abs(u) ** 0.88 * np.where(v > 0, 1 - person["jaw"] * np.abs(v) ** 1.7, 1 - 0.04 * v**2)
    return np.stack([u, v], -1).astype(np.float32)


def paint_head(canvas: Canvas, random: np.random.Generator, person: dict, head: Head) -> None:
    """Ears, the shaded face, and its features."""
    canvas = canvas.crop(head.units([[-1.4, -1.3], [1.4, -1.3], [1.4, 1.2], [-1.4, 1.2]]))
    for side in (-1, 1):
        ear = CIRCLE * (0.11, 0.2) + (side * 0.99 - 0.25 * head.turn, 0.1)
        colour = person["skin"] * (0.86 + 0.1 * side * head.light[0]) * (1, 0.95, 0.94)
        canvas.paint(canvas.mask(head.units(ear)), colour)
        canvas.draw(head.units(ear.mean(0) + 0.5 * (ear - ear.mean(0)))[None], colour * 0.75, 3)
    canvas.paint(canvas.mask(head.units(head_outline(person))), _face(canvas.grid, random, person, head))
    smile = random.uniform(-0.02, 0.09)
    _paint_eyes(canvas, random, person, head)
    _paint_nose(canvas, person, head)
    _paint_mouth(canvas, person, head, smile, teeth=smile > 0.045 and random.random() < 0.7)
    if person["glasses"]:
        _paint_glasses(canvas, head)


def _face(grid: Grid, random: np.random.Generator, person: dict, head: Head) -> np.ndarray:
    """Colour (H, W, 3) of the face: skin under one lamp, with sockets, cheeks, the ridge of the nose, a beard."""
    u, v = head.coordinates(grid)
    depth = np.sqrt(np.clip(1 - (0.93 * u) ** 2 - (0.85 * v) ** 2, 0.02, 1))
    lamp = np.clip(u * head.light[0] + 0.75 * v * head.light[1] + depth * head.light[2], 0, 1)
    front = u - math.sin(head.turn) * depth  # u of the feature that lies here

    def spot(u0, v0, wide, high):
        return np.exp(-((np.abs(front) - u0) / wide) ** 2 - ((v - v0) / high) ** 2)

    side = np.sign(head.light[0]) * front  # > 0 on the lamp's side
    nose = np.exp(-((v - 0.2) / 0.24) ** 2)
    shade = 0.6 + 0.48 * lamp - 0.20 * spot(0.38, -0.05, 0.2, 0.11) - 0.13 * spot(0, 0.49, 0.2, 0.05)
    shade += 0.09 * nose * np.exp(-((front / 0.07) ** 2)) - 0.15 * nose * np.exp(-(((side + 0.16) / 0.09) ** 2))
    shade += -0.08 * spot(0, 0.83, 0.26, 0.045) + 0.06 * spot(0.5, 0.26, 0.22, 0.16) + 0.05 * spot(0, -0.5, 0.5, 0.2)
    shade += -0.05 * np.exp(-((np.abs(front) - 0.36 - 0.3 * (v - 0.45)) / 0.05) ** 2 - ((v - 0.47) / 0.13) ** 2)
    shade += 0.012 * grid.noise(random, 18)
    red = 0.10 * person["redness"] * (spot(0.52, 0.3, 0.24, 0.17) + 0.6 * spot(0, 0.36, 0.14, 0.12))
    colour = person["skin"] * np.clip(shade, 0.2, 1.25)[..., None] * (1 - red[..., None] * np.float32([-0.2, 1, 0.9]))
    if person["beard"]:
        lower = np.clip(np.maximum((v - 0.48) / 0.08, (np.abs(u) - 0.78) / 0.1), 0, 1) * (v > -0.05)
        grain = np.clip(0.85 + 0.25 * grid.noise(random, 6), 0.3, 1)
        weight = np.clip(lower - spot(0, 0.66, 0.22, 0.05), 0, 1) * person["beard"] * grain
        colour = mix(weight, colour, person["hair"] * 0.9)
    return colour


def _paint_eyes(canvas: Canvas, random: np.random.Generator, person: dict, head: Head) -> None:
    look, high = random.normal(0, 0.025), 0.062 * person["eye"] * random.uniform(0.75, 1.1)
    wide, skin = 0.175 * person["eye"], person["skin"]
    almond = np.stack([wide * CIRCLE[:, 0], high * CIRCLE[:, 1] * (1 - 0.35 * np.abs(CIRCLE[:, 0]) ** 3)], -1)

    def disc(radius, dx=0.0, dy=-0.006):  # kept between the lids
        points = CIRCLE * (radius, 0.76 * radius) * person["eye"] + (look + dx, dy)
        return np.clip(points, [-1, -0.96 * high], [1, 0.96 * high])

    dark = np.minimum(person["hair"], skin) * 0.55 + 0.12 * skin
    for side in (-1, 1):
        centre = (0.4 * side, -0.02)
        canvas.fill(head.feature(almond + centre), np.array([236, 232, 228]) * (0.66 + 0.22 * head.light[2]))
        canvas.fill(head.feature(disc(0.078) + centre), person["iris"])
        canvas.fill(head.feature(disc(0.037) + centre), np.array([16, 14, 14]))
        canvas.fill(head.feature(disc(0.015, 0.02 * np.sign(head.light[0]), -0.024) + centre), np.array([250] * 3))
        upper, lower = almond[len(almond) // 2:] + centre, almond[:len(almond) // 2 + 1] + centre
        canvas.draw(head.feature(upper)[None], skin * 0.25, 4.2)
        canvas.draw(head.feature(upper + (0, -0.05))[None], skin * 0.66, 2.5)
        canvas.draw(head.feature(lower + (0, 0.004))[None], skin * 0.62, 2)
        top = np.array([[-0.2, -0.225], [-0.07, -0.265], [0.09, -0.27], [0.22, -0.215]]) * (side, 1) + (centre[0], 0)
        bottom = top + person["brow"] * np.array([[0, 1.0], [0, 1.0], [0, 0.7], [0, 0.2]])
        canvas.fill(head.feature(np.concatenate([smooth(top, 3, False), smooth(bottom, 3, False)[::-1]])), dark)


def _paint_nose(canvas: Canvas, person: dict, head: Head) -> None:
    wide = 0.15 * person["nose"]
    for side in (-1, 1):
        canvas.fill(head.feature(CIRCLE * (0.045, 0.016) + (side * 0.6 * wide, 0.415)), person["skin"] * 0.38)
        wing = np.array([[side * wide * 0.95, 0.3], [side * wide * 1.2, 0.37], [side * wide * 1.02, 0.42]])
        canvas.draw(smooth(head.feature(wing), 3, closed=False)[None], person["skin"] * 0.66, 2.5)


def _paint_mouth(canvas: Canvas, person: dict, head: Head, smile: float, teeth: bool) -> None:
    wide, high, full = 0.29 + 0.9 * max(smile, 0), 0.645 - smile, person["lips"]
    lips, y = person["skin"] * (0.86, 0.58, 0.56), 0.655
    low = y + 0.085 * full + (0.05 if teeth else 0)
    rows = [[[-0.12, y], [0, y + 0.008], [0.12, y]],
            [[-0.1, y - 0.058 * full], [0, y - 0.04 * full], [0.1, y - 0.058 * full]],
            [[-0.15, low - 0.02], [0, low], [0.15, low - 0.02]]]
    middle, upper, lower = (smooth(head.feature([[-wide, high], *row, [wide, high]]), 4, closed=False) for row in rows)
    canvas.fill(np.concatenate([upper, lower[::-1]]), lips)
    canvas.fill(np.concatenate([upper, middle[::-1]]), lips * 0.84)
    if teeth:
        bottom = middle + (lower - middle) * 0.45
        canvas.fill(np.concatenate([middle, bottom[::-1]]), np.array([219, 213, 206]))
        canvas.draw(bottom[None], lips * 0.5, 2)
    canvas.draw(middle[None], lips * 0.42, 2.6)


def _paint_glasses(canvas: Canvas, head: Head) -> None:
    frame = np.array([34, 28, 28])
    rim = np.sign(CIRCLE) * np.abs(CIRCLE) ** 0.7 * (0.29, 0.17)
    for side in (-1, 1):
        around = head.feature(rim + (0.4 * side, 0))
        canvas.draw(np.concatenate([around, around[:1]])[None], frame, 5)
        canvas.draw(np.stack([head.feature([0.69 * side, -0.03]), head.units([1.0 * side, -0.02])])[None], frame, 5)
    canvas.draw(head.feature([[[-0.11, -0.03], [0.11, -0.03]]]), frame, 5)


class Hair:
    """Hair as two curtains that fall from the parting, each between an inner and an outer guide curve.

    Strands run between the guides. Those near the outer guide, the ends, and loose ones beyond it cover only part
    of a pixel: they are the soft pixels of the alpha.
    """

    def __init__(self, canvas: Canvas, random: np.random.Generator, person: dict, head: Head):
        self.canvas, self.random, self.person, self.head = canvas, random, person, head
        self.style = person["style"]
        volume = person["volume"]
        # Reach of the outer guide (u at the side), its end (u, v), and the end of the inner guide.
        shape = {"crop": (1.04, (1.03, 0.0), (0.98, 0.02)), "short": (1.1, (1.06, 0.05), (0.97, 0.06)),
                 "parted": (1.14, (1.08, 0.16), (0.96, 0.1)), "bob": (1.3, (1.2, 1.05), (0.74, 1.0)),
                 "long": (1.26, (1.42, person["length"]), (0.7, person["length"])),
                 "wavy": (1.4, (1.6, person["length"]), (0.66, person["length"])),
                 "curly": (1.5, (1.4, 0.95), (0.86, 0.7)), "bun": (1.05, (1.03, 0.05), (0.98, 0.06))}
        self.reach, self.end, self.inner_end = shape.get(self.style, shape["crop"])
        self.reach = 1 + (self.reach - 1) * volume
        self.top = {"crop": -1.06, "bun": -1.06, "curly": -1.4}.get(self.style, -1.15) * (0.5 + 0.5 * volume)
        self.falls = self.style in ("bob", "long", "wavy", "curly")
        self.wave = {"wavy": 0.08, "curly": 0.12, "short": 0.02, "bob": 0.02}.get(self.style, 0.012)
        self.guides = [self._guides(side) for side in (-1, 1)]

    def _guides(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Inner and outer guide of one curtain in head coordinates, each (12, 2)."""
        part, turn = self.person["parting"], self.head.turn
        if self.style in ("crop", "curly", "bun"):
            part = 0.0
        reach, end, inner_end = self.reach, self.end, self.inner_end
        arc = np.array([[part * 0.4, 1], [side * 0.5 * reach, 0.87], [side * 0.87 * reach, 0.5], [side * reach, 0]])
        outer = [*(arc * (1, self.top + 0.3) - (0, 0.3)), [side * reach * 1.02, max(0.4 * min(end[1], 0.8), -0.1)],
                 [side * end[0], max(end[1], 0.1)]]
        line = -0.6 if self.style == "crop" else -0.66
        low = -0.3 if self.person["fringe"] and self.style != "crop" else line + 0.1
        inner = [[part + 0.4 * turn, line], [part * 0.4 + side * 0.5 + 0.4 * turn, low],
                 [side * 0.86 + 0.15 * turn, -0.28], [side * inner_end[0], 0.6 * inner_end[1]],
                 [side * inner_end[0], inner_end[1]]]
        return resample(inner, len(CURVE)), resample(outer, len(CURVE))

    def _strands(self, guides: tuple, low: float, high: float, count: int, fray: float = 0.0) -> np.ndarray:
        """`count` strands in units, (count, 12, 2), between `low` and `high` on the way from the inner guide (0) to
        the outer one (1), or beyond it; `fray` spreads their ends."""
        random, (inner, outer) = self.random, guides
        across = random.uniform(low, high, (count, 1, 1)).astype(np.float32)
        strands = inner + across * (outer - inner)
        phase, speed = random.uniform(0, 2 * np.pi, (2, count, 1)).astype(np.float32)
        speed = (1.5 + 0.24 * speed) * (2 if self.style == "curly" else 1)
        drift = random.normal(0, 0.02, (count, 1)).astype(np.float32)
        strands[..., 0] += self.wave * np.sin(phase + 6.28 * speed * CURVE) * (0.3 + CURVE) + drift * CURVE
        if self.wave > 0.05:
            strands[..., 1] += 0.6 * self.wave * np.cos(1.7 * phase + 6.28 * speed * CURVE)
        if fray:
            strands += random.normal(0, fray, (count, 1, 2)) * (CURVE**2)[:, None]
        if self.falls:  # ends at different heights
            below = np.maximum(strands[..., 1] - 0.3, 0)
            strands[..., 1] -= below * random.uniform(-0.04, 0.16, (count, 1))
        return self.head.units(strands)

    def _tones(self, low: float = 0.66, high: float = 1.28, n: int = 4) -> np.ndarray:
        """Shades of the hair, (n, 3), dark to light."""
        return self.person["hair"] * np.linspace(low, high, n)[:, None] + 6

    def _texture(self, guides: tuple) -> None:
        """Strands inside the mass, and where light is reflected on them."""
        count = 240
        strands = self._strands(guides, 0.0, 0.98, count)
        for tone, some in zip(self._tones(), np.split(strands, 4), strict=True):
            self.canvas.draw(some, tone, 2.2)
        if self.falls:
            self.canvas.cover(self.canvas.lines(strands, 2.2))
        for start in (1, 2, 3):
            self.canvas.draw(strands[start::9, 2 * start - 1:2 * start + 3], self.person["hair"] * 1.2 + 16, 1.4)

    def _soft_edge(self, guides: tuple) -> None:
        """Strands along and beyond the outer guide, with partial coverage."""
        count = 30 if self.style in ("crop", "bun") else 60
        layers = ((0.88, 1.02, 2.4), (0.95, 1.05, 1.8), (0.97, 1.09, 1.4))
        for tone, (low, high, width) in zip(self._tones(0.76, 1.0, 3), layers, strict=True):
            strands = self._strands(guides, low, high, count, fray=0.05 if self.falls else 0.03)
            self.canvas.draw(strands, tone, 2.0)
            self.canvas.cover(self.canvas.lines(strands, width))

    def _outline(self) -> np.ndarray:
        return np.concatenate([self.guides[0][1][::-1], self.guides[1][1]])

    def _loose(self) -> None:
        """Flyaways: short curved hairs that leave the outline."""
        random, count = self.random, {"crop": 14, "curly": 60, "wavy": 46}.get(self.style, 30)
        length = {"crop": 0.07, "curly": 0.26, "short": 0.16, "bun": 0.14}.get(self.style, 0.26)
        outline = self._outline()
        for tone, width in zip(self._tones(0.8, 1.1, 3), (1.5, 1.2, 0.9), strict=True):
            place, along = random.integers(0, len(outline) - 1, count), random.random((count, 1))
            root = outline[place] * (1 - along) + outline[place + 1] * along
            angle = np.arctan2(root[:, 1:] + 0.1, root[:, :1]) + random.normal(0, 0.9, (count, 1))
            angle = angle + random.normal(0, 1.4, (count, 1)) * CURVE
            steps = np.stack([np.cos(angle), np.sin(angle)], -1) * (random.gamma(2.0, 0.5, (count, 1, 1)) * length / len(CURVE))
            strands = self.head.units(root[:, None] * 0.96 + np.cumsum(steps, axis=1))
            self.canvas.draw(strands, tone, 1.4)
            self.canvas.cover(self.canvas.lines(strands, width))

    def _curls(self, inside: bool) -> None:
        """Small rings of hair over the mass (colour only) or around its edge (coverage as well)."""
        random, count = self.random, 60 if inside else 40
        arc = 1.6 * np.pi * CURVE
        for tone in self._tones(0.72, 1.15):
            centre = self._outline()[random.integers(0, 2 * len(CURVE), count)]
            centre = centre * random.uniform(0.72 if inside else 0.97, 1.0, (count, 1)) + random.normal(0, 0.05, (count, 2))
            start, radius = random.uniform(0, 2 * np.pi, (count, 1)), random.uniform(0.04, 0.11, (count, 1, 1))
            rings = np.stack([np.cos(arc + start), 0.8 * np.sin(arc + start)], -1) * radius
            curls = self.head.units(centre[:, None] + rings)
            self.canvas.draw(curls, tone, 2.6)
            if not inside:
                self.canvas.cover(self.canvas.lines(curls, 3.0))

    def paint_back(self) -> None:
        """What lies behind neck and shoulders, and the loose hairs, whose roots the mass will cover."""
        if self.style == "bald":
            return
        canvas, head, hair = self.canvas, self.head, self.person["hair"]
        self._loose()
        if self.style == "curly":
            self._curls(inside=False)
        if self.falls:
            left, right = (smooth(self._shortened(outer), 3, closed=False) for _, outer in self.guides)
            canvas.paint(canvas.mask(head.units(np.concatenate([left[::-1], right]))), hair * 0.5)
            for guides in self.guides:
                self._soft_edge(guides)
        if self.style == "bun":
            ball, middle = CIRCLE * (0.36, 0.26), np.array([-0.5 * head.turn, -1.2])
            canvas.paint(canvas.mask(head.units(ball + middle)), hair * 0.75)
            for tone in self._tones():
                strands = head.units(ball[:16] * self.random.uniform(0.3, 1.06, (9, 1, 1)) + middle)
                canvas.draw(strands, tone, 2.2)
                canvas.cover(canvas.lines(strands, 1.4))

    def paint_front(self) -> None:
        """The cap over the skull, side locks and their soft edge."""
        if self.style == "bald":
            return
        behind = self.falls and self.end[1] > 1.2 and not self.person["over_shoulder"]
        for inner, outer in self.guides:
            if behind:  # only what lies above the shoulders
                inner, outer = (resample(guide[guide[:, 1] < 0.85], len(CURVE)) for guide in (inner, outer))
            edge = [smooth(self._shortened(guide), 3, closed=False) for guide in (inner, outer)]
            mask = self.canvas.mask(self.head.units(np.concatenate([edge[0], edge[1][::-1]])))
            self.canvas.paint(mask, self.person["hair"] * 0.84)
            self._soft_edge((inner, outer))
            self._texture((inner, outer))
        if self.style == "curly":
            self._curls(inside=True)

    def _shortened(self, guide: np.ndarray) -> np.ndarray:
        """A guide that ends where the shortest strands end."""
        if not self.falls:
            return guide
        return np.stack([guide[:, 0], guide[:, 1] - 0.13 * np.maximum(guide[:, 1] - 0.3, 0)], -1)
