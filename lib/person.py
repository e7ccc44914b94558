"""Draw one person from the waist up: foreground colours and exact alpha.

Everything is drawn without smoothing on a grid several times finer; alpha is then the share of each pixel's fine
grid that the person covers, which is what alpha means (Porter and Duff 1984).
"""

from dataclasses import dataclass

import cv2
import numpy as np

SKIN = np.array([[255, 224, 196], [241, 194, 160], [224, 172, 125], [188, 132, 92], [141, 85, 56], [92, 56, 38]], float)
HAIR = np.array([[28, 22, 20], [60, 40, 28], [104, 70, 42], [176, 134, 80], [220, 190, 130], [150, 64, 34],
                 [168, 164, 160]], float)
STYLES = ("short", "long", "bob", "curly", "bun", "bald")
SHOULDER_Y, HEAD_Y = 0.69, 0.40  # in units of the picture's height; the person stands on its lower border


@dataclass(frozen=True)
class Person:
    """What stays the same in all pictures of one person; colours RGB 0 ... 255, lengths in picture heights."""

    skin: np.ndarray
    hair: np.ndarray
    clothes: np.ndarray
    accent: np.ndarray
    style: str
    pattern: str
    collar: str
    head_width: float
    head_height: float
    shoulders: float
    glasses: bool
    beard: bool

    @classmethod
    def draw(cls, generator: np.random.Generator) -> "Person":
        """A person drawn at random."""
        position = generator.uniform(0, len(SKIN) - 1.001)
        low = int(position)
        skin = SKIN[low] + (position - low) * (SKIN[low + 1] - SKIN[low])
        hair = HAIR[generator.integers(len(HAIR))] * generator.uniform(0.8, 1.2)
        hsv = np.array([[[generator.integers(180), generator.integers(20, 190), generator.integers(40, 240)]]], np.uint8)
        clothes = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].astype(float)
        accent = np.clip(clothes * generator.uniform(0.45, 0.8) + generator.uniform(0, 90), 0, 255)
        return cls(skin, np.clip(hair, 0, 255), clothes, accent, str(generator.choice(STYLES)),
                   str(generator.choice(["plain", "plain", "stripes", "checks"])),
                   str(generator.choice(["round", "v", "shirt"])), generator.uniform(0.098, 0.118),
                   generator.uniform(0.142, 0.162), generator.uniform(0.25, 0.33),
                   bool(generator.random() < 0.25), bool(generator.random() < 0.2))

    def colours(self) -> np.ndarray:
        """Six of the person's own colours (6, 3), for a background that is hard to tell apart."""
        return np.array([self.skin, self.hair, self.clothes, self.accent, self.skin * 0.8, self.clothes * 0.8])


class Pencil:
    """Fills shapes on a fine grid, in picture heights, after the pose's turn, scale and shift."""

    def __init__(self, height: int, width: int, fine: int, pose: np.ndarray):
        self.scale, self.pose = height * fine, pose
        self.colour = np.zeros((height * fine, width * fine, 3), np.uint8)
        self.mask = np.zeros((height * fine, width * fine), np.uint8)

    def points(self, points: np.ndarray) -> np.ndarray:
        placed = np.asarray(points, float) @ self.pose[:, :2].T + self.pose[:, 2]
        return np.round(placed * self.scale).astype(np.int32)

    def fill(self, points: np.ndarray, colour: np.ndarray) -> None:
        corners = [self.points(points)]
        cv2.fillPoly(self.colour, corners, _rgb(colour))
        cv2.fillPoly(self.mask, corners, 255)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: np.ndarray, start: float = 0,
                end: float = 360) -> None:
        angle = np.deg2rad(np.linspace(start, end, 40))
        self.fill(np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], 1), colour)

    def line(self, points: np.ndarray, colour: np.ndarray, thickness: float) -> None:
        corners, pixels = [self.points(points)], max(1, round(thickness * self.scale))
        cv2.polylines(self.colour, corners, False, _rgb(colour), pixels)
        cv2.polylines(self.mask, corners, False, 255, pixels)


def _rgb(colour: np.ndarray) -> tuple[int, ...]:
    return tuple(int(c) for c in np.clip(colour, 0, 255))


def draw_person(person: Person, height: int, width: int,
                generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Foreground colours (H, W, 3) float32 RGB 0 ... 255 and alpha (H, W) float32 in 0 ... 1, in a random pose.

    Where alpha is 0 the colours continue those of the nearest part of the person, so that resizing is safe.
    """
    fine = 4 if height <= 256 else 2
    pencil = Pencil(height, width, fine, _pose(generator))
    strands = np.random.default_rng(generator.integers(2**32))
    _back_hair(pencil, person, strands)
    _body(pencil, person)
    _head(pencil, person, generator)
    _front_hair(pencil, person, strands)
    if person.glasses:
        _glasses(pencil)
    return _shrink(pencil, height, width, generator)


def _pose(generator: np.random.Generator) -> np.ndarray:
    """Affine map (2, 3) about the middle of the lower border: small turn, scale 0.85 ... 1.15, shift; mirrored or not."""
    turn, scale = np.deg2rad(generator.uniform(-7, 7)), generator.uniform(0.85, 1.15)
    mirror = generator.choice([-1.0, 1.0])
    linear = scale * np.array([[np.cos(turn) * mirror, -np.sin(turn)], [np.sin(turn) * mirror, np.cos(turn)]])
    anchor = np.array([0.375, 1.0])
    target = anchor + [generator.uniform(-0.07, 0.07), generator.uniform(0.0, 0.04)]
    return np.column_stack([linear, target - linear @ anchor])


def _smooth(points: list[tuple[float, float]]) -> np.ndarray:
    """A closed curve through a polygon's corners, rounded by cutting corners three times (Chaikin 1974)."""
    curve = np.array(points)
    for _ in range(3):
        after = np.roll(curve, -1, axis=0)
        curve = np.stack([0.75 * curve + 0.25 * after, 0.25 * curve + 0.75 * after], 1).reshape(-1, 2)
    return curve


def _body(pencil: Pencil, person: Person) -> None:
    x, w = 0.375, person.shoulders
    neck = 0.052
    torso = _smooth([(x - neck * 1.3, SHOULDER_Y - 0.035), (x - w * 0.75, SHOULDER_Y + 0.01), (x - w, SHOULDER_Y + 0.07),
                     (x - w * 1.08, 0.85), (x - w * 1.1, 1.2), (x + w * 1.1, 1.2), (x + w * 1.08, 0.85),
                     (x + w, SHOULDER_Y + 0.07), (x + w * 0.75, SHOULDER_Y + 0.01), (x + neck * 1.3, SHOULDER_Y - 0.035)])
    pencil.fill(torso, person.clothes)
    _pattern(pencil, person, torso)
    for side in (-1, 1):  # the line between arm and chest
        pencil.line(_smooth([(x + side * w * 0.72, 0.82), (x + side * w * 0.68, 0.92), (x + side * w * 0.7, 1.1),
                             (x + side * w * 0.68, 0.92)]), person.clothes * 0.7, 0.006)
    pencil.fill(_smooth([(x - neck, 0.5), (x - neck, SHOULDER_Y - 0.03), (x - neck * 1.6, SHOULDER_Y + 0.0),
                         (x, SHOULDER_Y + (0.1 if person.collar == "v" else 0.045)), (x + neck * 1.6, SHOULDER_Y),
                         (x + neck, SHOULDER_Y - 0.03), (x + neck, 0.5)]), person.skin * 0.86)
    if person.collar == "shirt":
        for side in (-1, 1):
            pencil.fill(np.array([(x + side * neck * 1.15, SHOULDER_Y - 0.055), (x + side * neck * 2.3, SHOULDER_Y + 0.01),
                                  (x + side * neck * 1.1, SHOULDER_Y + 0.075), (x, SHOULDER_Y + 0.035)]), person.accent)


def _pattern(pencil: Pencil, person: Person, torso: np.ndarray) -> None:
    if person.pattern == "plain":
        return
    covered = np.zeros_like(pencil.mask)
    cv2.fillPoly(covered, [pencil.points(torso)], 255)
    lines = np.zeros_like(pencil.mask)
    for y in np.arange(SHOULDER_Y - 0.05, 1.2, 0.045):
        cv2.polylines(lines, [pencil.points([(-0.5, y), (1.3, y)])], False, 255, max(1, round(0.014 * pencil.scale)))
    if person.pattern == "checks":
        for x in np.arange(-0.3, 1.1, 0.055):
            cv2.polylines(lines, [pencil.points([(x, 0.5), (x, 1.3)])], False, 255, max(1, round(0.014 * pencil.scale)))
    pencil.colour[(covered & lines) > 0] = _rgb(person.accent)


def _head(pencil: Pencil, person: Person, generator: np.random.Generator) -> None:
    x, y, w, h = 0.375, HEAD_Y, person.head_width, person.head_height
    skin, dark = person.skin, person.skin * 0.72
    for side in (-1, 1):
        pencil.ellipse(x + side * w * 0.98, y + 0.01, w * 0.16, h * 0.2, skin * 0.9)
    pencil.fill(_smooth([(x - w * 0.9, y - h), (x - w * 1.2, y), (x - w * 0.85, y + h * 0.85), (x - w * 0.3, y + h * 1.13),
                         (x + w * 0.3, y + h * 1.13), (x + w * 0.85, y + h * 0.85), (x + w * 1.2, y), (x + w * 0.9, y - h)]), skin)
    pencil.fill(_smooth([(x + w * 0.55, y - h * 0.7), (x + w * 1.1, y), (x + w * 0.75, y + h * 0.75), (x + w * 0.2, y + h * 1.05),
                         (x + w * 0.7, y + h * 0.3)]), skin * 0.92)  # the side away from the light
    if person.beard:
        pencil.fill(_smooth([(x - w * 0.98, y + h * 0.2), (x - w * 0.8, y + h * 0.95), (x, y + h * 1.2), (x + w * 0.8, y + h * 0.95),
                             (x + w * 0.98, y + h * 0.2), (x + w * 0.5, y + h * 0.42), (x, y + h * 0.36), (x - w * 0.5, y + h * 0.42)]),
                    person.hair * 0.8 + skin * 0.2)
    look = generator.uniform(-0.006, 0.006)
    for side in (-1, 1):
        eye = x + side * w * 0.42
        pencil.ellipse(eye, y - h * 0.02, w * 0.2, h * 0.07, np.array([245, 242, 238]))
        pencil.ellipse(eye + look, y - h * 0.02, w * 0.09, h * 0.068, np.array([58, 42, 34]))
        pencil.line(np.array([(eye - w * 0.25, y - h * 0.19), (eye, y - h * 0.24), (eye + w * 0.25, y - h * 0.19)]),
                    person.hair * 0.75, 0.007)
        pencil.ellipse(x + side * w * 0.55, y + h * 0.35, w * 0.22, h * 0.13, skin * 0.95 + np.array([12, -4, -4]))
    pencil.fill(_smooth([(x - w * 0.05, y), (x - w * 0.18, y + h * 0.38), (x, y + h * 0.44), (x + w * 0.18, y + h * 0.38),
                         (x + w * 0.05, y)]), skin * 0.88)
    smile = generator.uniform(0.0, 0.09)
    pencil.fill(_smooth([(x - w * 0.4, y + h * 0.62), (x, y + h * (0.62 + smile)), (x + w * 0.4, y + h * 0.62),
                         (x + w * 0.2, y + h * (0.74 + smile)), (x - w * 0.2, y + h * (0.74 + smile))]),
                dark * 0.6 + np.array([90, 24, 30]))


def _back_hair(pencil: Pencil, person: Person, strands: np.random.Generator) -> None:
    """What hangs behind the face, with strands that leave it: they are what makes alpha soft."""
    x, y, w, h = 0.375, HEAD_Y, person.head_width, person.head_height
    if person.style in ("long", "bob"):
        end = 0.83 if person.style == "long" else 0.6
        pencil.fill(_smooth([(x, y - h * 1.5), (x - w * 1.5, y - h * 0.9), (x - w * 1.62, y + h * 0.6), (x - w * 1.7, end),
                             (x - w * 0.6, end + 0.04), (x + w * 0.6, end + 0.04), (x + w * 1.7, end), (x + w * 1.62, y + h * 0.6),
                             (x + w * 1.5, y - h * 0.9)]), person.hair * 0.75)
        for _ in range(90):
            side, start = strands.choice([-1, 1]), strands.uniform(y - h * 0.3, end - 0.06)
            drift = strands.normal(0, 0.02)
            root = x + side * w * strands.uniform(1.1, 1.5)
            pencil.line(np.array([(root, start), (root + side * 0.012 + drift / 2, start + 0.06),
                                  (root + drift, start + strands.uniform(0.08, 0.16))]),
                        person.hair * strands.uniform(0.6, 1.15), 0.0013)
    if person.style == "bun":
        pencil.ellipse(x, y - h * 1.35, w * 0.5, h * 0.36, person.hair * 0.85)


def _front_hair(pencil: Pencil, person: Person, strands: np.random.Generator) -> None:
    x, y, w, h = 0.375, HEAD_Y, person.head_width, person.head_height
    if person.style == "bald":
        return
    if person.style == "curly":
        for _ in range(150):
            angle, out = strands.uniform(np.pi * 0.92, np.pi * 2.08), strands.uniform(0.95, 1.4)
            pencil.ellipse(x + w * 1.15 * out * np.cos(angle), y - h * 0.15 + h * out * np.sin(angle), 0.021, 0.021,
                           person.hair * strands.uniform(0.7, 1.1))
    line = -0.42 if person.style != "short" else -0.55
    pencil.fill(_smooth([(x - w * 1.12, y + h * 0.05), (x - w * 1.22, y - h * 0.7), (x - w * 0.7, y - h * 1.28), (x, y - h * 1.36),
                         (x + w * 0.7, y - h * 1.28), (x + w * 1.22, y - h * 0.7), (x + w * 1.12, y + h * 0.05),
                         (x + w * 0.98, y - h * 0.35), (x + w * 0.5, y + h * (line - 0.2)), (x - w * 0.3, y + h * line),
                         (x - w * 0.98, y - h * 0.3)]), person.hair)
    for _ in range(70):  # strands that catch the light, and flyaways beyond the outline
        angle = strands.uniform(np.pi * 1.02, np.pi * 1.98)
        root = np.array([x + w * 1.0 * np.cos(angle), y - h * 0.2 + h * 1.0 * np.sin(angle)])
        outward = np.array([np.cos(angle), np.sin(angle)]) * strands.uniform(0.005, 0.06)
        bend = strands.normal(0, 0.012, 2)
        pencil.line(np.array([root, root + outward * 0.6 + bend / 2, root + outward + bend]),
                    person.hair * strands.uniform(0.75, 1.35), 0.0013)


def _glasses(pencil: Pencil) -> None:
    x, y, frame = 0.375, HEAD_Y - 0.003, np.array([34, 32, 36])
    angle = np.linspace(0, 2 * np.pi, 30)
    for side in (-1, 1):
        pencil.line(np.stack([x + side * 0.046 + 0.034 * np.cos(angle), y + 0.026 * np.sin(angle)], 1), frame, 0.005)
        pencil.line(np.array([(x + side * 0.08, y - 0.005), (x + side * 0.115, y - 0.008)]), frame, 0.005)
    pencil.line(np.array([(x - 0.012, y), (x + 0.012, y)]), frame, 0.005)


def _shrink(pencil: Pencil, height: int, width: int,
            generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """From the fine grid to pixels: coverage, and the mean colour of what is covered; then light from one side."""
    alpha = cv2.resize(pencil.mask, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    # Uncovered fine pixels are black, so dividing the mean by the coverage gives the covered part's own colour.
    colour = cv2.resize(pencil.colour.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    spread, weight = colour.copy(), alpha.copy()
    for cells in (height // 4, height // 16, 4):  # continue the colours outwards, nearest first
        empty = weight < 1e-3
        spread[empty], weight[empty] = _coarse(colour, cells)[empty], _coarse(alpha, cells)[empty]
    foreground = spread / np.maximum(weight, 1e-6)[..., None]
    soft = cv2.GaussianBlur(foreground, (0, 0), max(0.4, height * 0.0035))  # no camera draws edges this hard
    x = np.linspace(-1, 1, width, dtype=np.float32)
    light = 1 + generator.uniform(-0.22, 0.22) * x + generator.uniform(0, 0.15) * np.linspace(1, -1, height)[:, None]
    return np.clip(soft * light[..., None], 0, 255).astype(np.float32), alpha


def _coarse(picture: np.ndarray, cells: int) -> np.ndarray:
    """The means over a grid of `cells` rows, spread smoothly over the picture again."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (max(1, cells * width // height), cells), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
