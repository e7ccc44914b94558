"""The head of a drawn portrait: its pose, the shaded face and its features.

Head coordinates (u, v) run from the middle of the face: u = +-1 at the cheeks, v = -1 at the top of the
skull, v = +1 at the chin. Lengths are in units (see lib.portrait_canvas), colours RGB, 0 to 255.
"""

import math
from dataclasses import dataclass

import numpy as np

from lib.portrait_canvas import CIRCLE, Canvas, Grid, mix, smooth


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
        axes = [
            [self.half_width * cos, self.half_width * sin],
            [-self.half_height * sin, self.half_height * cos],
        ]
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
    return Head(
        centre,
        half,
        half * person["aspect"],
        float(random.normal(0, 0.09)),
        float(random.normal(0, 0.2)),
        light,
    )


def head_outline(person: dict) -> np.ndarray:
    """Contour of skull and jaw in head coordinates, (n, 2)."""
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    u, v = np.sin(t), -np.cos(t)
    u = (
        np.sign(u)
        * np.abs(u) ** 0.88
        * np.where(v > 0, 1 - person["jaw"] * np.abs(v) ** 1.7, 1 - 0.04 * v**2)
    )
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
    """Colour (H, W, 3) of the face: skin under one lamp, with sockets, cheeks, the ridge of the nose, a
    beard."""
    u, v = head.coordinates(grid)
    depth = np.sqrt(np.clip(1 - (0.93 * u) ** 2 - (0.85 * v) ** 2, 0.02, 1))
    lamp = np.clip(u * head.light[0] + 0.75 * v * head.light[1] + depth * head.light[2], 0, 1)
    front = u - math.sin(head.turn) * depth  # u of the feature that lies here

    def spot(u0, v0, wide, high):
        return np.exp(-((np.abs(front) - u0) / wide) ** 2 - ((v - v0) / high) ** 2)

    side = np.sign(head.light[0]) * front  # > 0 on the lamp's side
    nose = np.exp(-((v - 0.2) / 0.24) ** 2)
    shade = 0.6 + 0.48 * lamp - 0.20 * spot(0.38, -0.05, 0.2, 0.11) - 0.13 * spot(0, 0.49, 0.2, 0.05)
    shade += 0.09 * nose * np.exp(-((front / 0.07) ** 2)) - 0.15 * nose * np.exp(
        -(((side + 0.16) / 0.09) ** 2)
    )
    shade += (
        -0.08 * spot(0, 0.83, 0.26, 0.045)
        + 0.06 * spot(0.5, 0.26, 0.22, 0.16)
        + 0.05 * spot(0, -0.5, 0.5, 0.2)
    )
    shade += -0.05 * np.exp(
        -(((np.abs(front) - 0.36 - 0.3 * (v - 0.45)) / 0.05) ** 2) - ((v - 0.47) / 0.13) ** 2
    )
    shade += 0.012 * grid.noise(random, 18)
    red = 0.10 * person["redness"] * (spot(0.52, 0.3, 0.24, 0.17) + 0.6 * spot(0, 0.36, 0.14, 0.12))
    colour = (
        person["skin"]
        * np.clip(shade, 0.2, 1.25)[..., None]
        * (1 - red[..., None] * np.float32([-0.2, 1, 0.9]))
    )
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
        canvas.fill(
            head.feature(disc(0.015, 0.02 * np.sign(head.light[0]), -0.024) + centre), np.array([250] * 3)
        )
        upper, lower = almond[len(almond) // 2:] + centre, almond[:len(almond) // 2 + 1] + centre
        canvas.draw(head.feature(upper)[None], skin * 0.25, 4.2)
        canvas.draw(head.feature(upper + (0, -0.05))[None], skin * 0.66, 2.5)
        canvas.draw(head.feature(lower + (0, 0.004))[None], skin * 0.62, 2)
        top = np.array([[-0.2, -0.225], [-0.07, -0.265], [0.09, -0.27], [0.22, -0.215]]) * (side, 1) + (
            centre[0],
            0,
        )
        bottom = top + person["brow"] * np.array([[0, 1.0], [0, 1.0], [0, 0.7], [0, 0.2]])
        canvas.fill(
            head.feature(np.concatenate([smooth(top, 3, False), smooth(bottom, 3, False)[::-1]])), dark
        )


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
    middle, upper, lower = (
        smooth(head.feature([[-wide, high], *row, [wide, high]]), 4, closed=False) for row in rows
    )
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
        canvas.draw(
            np.stack([head.feature([0.69 * side, -0.03]), head.units([1.0 * side, -0.02])])[None], frame, 5
        )
    canvas.draw(head.feature([[[-0.11, -0.03], [0.11, -0.03]]]), frame, 5)
