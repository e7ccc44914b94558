"""The person of a drawn portrait: what makes one, and the body, painted from back to front.

Lengths are in units (see lib.portrait_canvas), colours RGB, 0 to 255.
"""

import numpy as np

from lib.portrait_backgrounds import random_palette
from lib.portrait_canvas import Canvas, Grid, mix, smooth, wave
from lib.portrait_face import Head, paint_head
from lib.portrait_hair import Hair

SKIN = np.array(
    [
        [247, 218, 196],
        [238, 200, 172],
        [226, 184, 150],
        [208, 160, 122],
        [184, 134, 98],
        [150, 104, 74],
        [116, 78, 56],
        [82, 54, 40],
    ],
    np.float32,
)
HAIR = np.array([[24, 20, 20], [40, 28, 24], [66, 42, 28], [98, 62, 38], [142, 98, 58], [196, 156, 98],
                 [226, 198, 146], [140, 62, 30], [176, 172, 168], [228, 226, 222]], np.float32)
STYLES = ("bald", "crop", "short", "parted", "bob", "long", "wavy", "curly", "bun")
STYLE_SHARES = (0.05, 0.11, 0.15, 0.1, 0.14, 0.16, 0.13, 0.09, 0.07)
CLOTHES = ("crew", "vee", "shirt", "suit", "hood", "strap")


def traits(random: np.random.Generator) -> dict:
    """What stays the same in all pictures of one person."""
    tone = random.integers(len(SKIN))
    skin = SKIN[tone] * random.normal(1, 0.025, 3).astype(np.float32)
    hair = (
        HAIR[random.integers(4)] if tone > 4 and random.random() < 0.8 else HAIR[random.integers(len(HAIR))]
    )
    style = str(random.choice(STYLES, p=STYLE_SHARES))
    beard = (
        random.uniform(0.35, 0.95) if style in ("bald", "crop", "short") and random.random() < 0.5 else 0.0
    )
    return {
        "skin": skin,
        "hair": hair * random.uniform(0.85, 1.15),
        "style": style,
        "beard": beard,
        "jaw": random.uniform(0.2, 0.36),
        "aspect": random.uniform(0.70, 0.79),
        "volume": random.uniform(0.9, 1.12),
        "eye": random.uniform(0.9, 1.12),
        "iris": random.uniform([30, 40, 30], [110, 110, 130]),
        "brow": random.uniform(0.035, 0.075),
        "nose": random.uniform(0.85, 1.15),
        "lips": random.uniform(0.75, 1.2),
        "redness": random.uniform(0.1, 1),
        "parting": random.uniform(-0.5, 0.5),
        "length": random.uniform(1.4, 2.5),
        "fringe": random.random() < 0.3,
        "glasses": random.random() < 0.18,
        "build": random.uniform(1.75, 2.2),
        "over_shoulder": random.random() < 0.6,
    }


def outfit(random: np.random.Generator) -> dict:
    """Clothes: what changes from one occasion to the next."""
    return {"kind": str(random.choice(CLOTHES, p=(0.26, 0.18, 0.2, 0.16, 0.12, 0.08))),
            "colours": random_palette(random), "bars": random.uniform(14, 60),
            "pattern": str(random.choice(("plain", "stripes", "checks", "dots"), p=(0.55, 0.2, 0.15, 0.1)))}


def paint_person(
    canvas: Canvas, random: np.random.Generator, person: dict, clothes: dict, head: Head
) -> None:
    """The whole person, from the back of the hair to the loose strands."""
    hair = Hair(canvas, random, person, head)
    hair.paint_back()
    neck = paint_neck(canvas, person, head)
    paint_body(canvas, random, person, clothes, head, neck)
    paint_head(canvas, random, person, head)
    hair.paint_front()


def paint_neck(canvas: Canvas, person: dict, head: Head) -> np.ndarray:
    """Neck and upper chest, in the shadow of the chin. Returns the colour (H, W, 3), for what an open collar
    shows."""
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
    left = [
        [x - 0.58 * a, y - 0.02 * b],
        [x - 0.5 * wide, y + 0.3 * slope * b],
        [x - 0.84 * wide, y + slope * b],
        [x - wide, y + (slope + 0.6) * b],
        [x - 1.1 * wide, y + 2.4 * b],
        [x - 1.15 * wide, 1000],
    ]
    right = [[2 * x - px, py] for px, py in left]
    left, right = [[px, py + lean] for px, py in left], [[px, py - lean] for px, py in right]
    outline = canvas.mask(smooth(left + right[::-1]))
    shade = _folds(canvas.grid, random, x, wide, b, head)
    if straps:
        canvas.paint(outline, person["skin"] * (0.75 + 0.25 * shade)[..., None])
        left = [
            [x - 0.62 * wide, y + 0.42 * slope * b],
            [x - 0.66 * wide, y + (slope + 0.8) * b],
            [x - 0.6 * wide, 1000],
        ]
        top = [[x - 0.48 * wide, y + 0.3 * slope * b], [x - 0.36 * wide, y + 1.0 * b], [x, y + 1.15 * b]]
        left_half = [*top[::-1], *left]
        outline = np.minimum(
            outline, canvas.mask(np.array(left_half + [[2 * x - px, py] for px, py in left_half[::-1]]))
        )
    cloth = _cloth(canvas.grid, clothes, x, y) * shade[..., None]
    canvas.paint(outline, cloth)
    if not straps:
        _paint_collar(canvas, clothes, np.array([x, y]), a, b, shade, neck)


def _folds(
    grid: Grid, random: np.random.Generator, x: float, wide: float, b: float, head: Head
) -> np.ndarray:
    """Light on cloth (H, W), around 1: the roundness of the body, folds, and the gap between arm and
    chest."""
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
        return np.broadcast_to(
            first * np.float32(0.55 if clothes["kind"] == "suit" else 1.0), (*grid.shape, 3)
        )
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
    opening = [
        [-0.66, -0.3],
        [-0.6, 0.0],
        [-0.36, 0.62 * depth],
        [0, depth],
        [0.36, 0.62 * depth],
        [0.6, 0.0],
        [0.66, -0.3],
    ]
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
