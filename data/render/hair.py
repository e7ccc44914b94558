"""Hair as strands that grow from the scalp, lie along it, hang and clump; brows, lashes and beards.

Roots are placed by regions of the unposed average head (see template_vertices), so that they sit at the same places
on every face. A strand is marched from its root in K steps: stiffness keeps its direction, a comb and gravity turn it,
and it is pushed out of head, neck and clothes. Then clumps, waves and noise are laid over it.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from body import Body, groups, template_vertices, vertex_normals
from nodes import curves, material, math, node, ramp
from person import linear

HEAD = np.array([0, -0.055, 0.90])  # the template's middle of the skull
# Hairline of the template: height (m) by azimuth from the front (0) over the ear (90) to the nape (180), degrees.
HAIRLINE = np.array(
    [
        [0, 0.962],
        [22, 0.964],
        [38, 0.955],
        [52, 0.944],
        [62, 0.920],
        [70, 0.893],
        [78, 0.885],
        [86, 0.905],
        [104, 0.900],
        [116, 0.872],
        [130, 0.842],
        [150, 0.826],
        [180, 0.818],
    ]
)
JOINT = np.array([0, -0.045, 0.854])  # the template's head joint
UNDER = 0.0012  # roots start this far below the skin


@dataclass(frozen=True)
class Style:
    """length (m) short and long; steps; gravity (turn per metre); lift: start off the skin, 0 to 1; comb: see _comb;
    clump 0 to 1; wave (m) and its period (m); layer (m): how deep the hair lies on the head; fade: sides shorter."""

    length: tuple
    steps: int
    gravity: float
    lift: float
    comb: str
    clump: float
    wave: float = 0.001
    period: float = 0.05
    layer: float = 0.012
    fade: float = 1.0
    count: int = 15000


STYLES = {
    "crop": Style((0.012, 0.04), 7, 2, 0.55, "forward", 0.25, 0.0008, 0.03, 0.004, 0.3, 16000),
    "swept": Style((0.05, 0.10), 14, 5, 0.4, "back", 0.5, 0.0025, 0.06, 0.014, 0.25, 16000),
    "side": Style((0.05, 0.10), 14, 8, 0.25, "part", 0.5, 0.0025, 0.06, 0.011, 0.25, 16000),
    "bob": Style((0.20, 0.27), 22, 16, 0.15, "part", 0.5, 0.002, 0.12, 0.012),
    "straight": Style((0.32, 0.50), 28, 16, 0.15, "part", 0.55, 0.0025, 0.16, 0.010),
    "wavy": Style((0.28, 0.45), 36, 14, 0.2, "part", 0.7, 0.007, 0.075, 0.013),
    "curly": Style((0.20, 0.36), 44, 10, 0.4, "part", 0.75, 0.009, 0.038, 0.022, 1.0, 14000),
    "mane": Style((0.22, 0.40), 46, 8, 0.65, "part", 0.75, 0.011, 0.042, 0.045, 1.0, 16000),
    "afro": Style((0.05, 0.11), 30, 0.6, 1.0, "out", 0.35, 0.004, 0.012, 0.05, 0.85, 17000),
    "bun": Style((0.2, 0.2), 22, 0, 0.1, "target", 0.4, 0.001, 0.08, 0.006),
    "ponytail": Style((0.2, 0.2), 22, 0, 0.1, "target", 0.4, 0.001, 0.08, 0.006),
}
TARGETS = {"bun": ((0, 0.035, 1.015), (0, 0.075, 0.93)), "ponytail": ((0, 0.062, 0.955), (0, 0.072, 0.90))}


@dataclass(frozen=True)
class Hair:
    """strands: name -> (points (N, K, 3), radius (N, K)), metres, of hair, brows, lashes, beard; shade (V,): how much
    roots darken the skin at the body's vertices; top: greatest height, metres; wide: how far the hair reaches to a side
    of the head's joint, metres."""

    strands: dict
    shade: np.ndarray
    top: float
    wide: float

    @property
    def points(self) -> np.ndarray:
        """Points (N, 3) of the strands on the head."""
        return self.strands["hair"][0].reshape(-1, 3) if "hair" in self.strands else np.empty((0, 3))


class Obstacle:
    """Surfaces that hair doesn't enter: points with normals, dense enough to stand for the surface."""

    def __init__(self, parts: list):
        self.points = np.concatenate([points for points, _ in parts])
        self.normals = np.concatenate([normals for _, normals in parts])
        self.tree = cKDTree(self.points)

    def push(self, points: np.ndarray, gap: np.ndarray) -> tuple:
        """points (N, 3) moved to at least `gap` (N,) outside; the normals there, and how far outside they are now."""
        _, near = self.tree.query(points, distance_upper_bound=0.2)
        near = np.minimum(near, len(self.points) - 1)
        normal = self.normals[near]
        height = ((points - self.points[near]) * normal).sum(1)
        rise = np.clip(gap - height, 0, 0.05)
        return points + normal * rise[:, None], normal, height + rise


def grow(body: Body, person: dict, clothes: list) -> Hair:
    """clothes: (points, normals) of the surfaces that hair lies on."""
    hair, strands = person["hair"], {}
    random = np.random.Generator(np.random.PCG64([7, person["number"]]))
    normals = vertex_normals(body.vertices, groups()["body"][0])
    template = template_vertices()[:13380]
    scalp = _scalp(template, hair["recede"])
    shade = np.zeros(13380)
    top, wide = body.vertices[:13380, 2].max(), 0.1
    if hair["style"] != "bald":
        strands["hair"] = _head_of_hair(body, normals, scalp, person, obstacle(body, clothes), random)
        points = strands["hair"][0]
        top = max(top, np.percentile(points[..., 2], 99.5))
        wide = np.percentile(np.abs(points[..., 0] - body.joints["head"][0]), 99)
        shade = scalp * (1.0 if hair["style"] != "crop" else 0.75)
    elif hair["recede"] < 0.6:
        shade = scalp * 0.35  # shaven
    shadow = 0.3 * (hair["beard"] > 0) + 0.25 * hair["beard"]
    shade = np.maximum(shade, _beard_region(template) * shadow)
    strands["brows"] = _brows(body, normals, person, random)
    strands["lashes"] = _lashes(body, person, random)
    if hair["beard"]:
        strands["beard"] = _beard(body, normals, person, random)
    top += 0.03 * person["extras"]["hat"] + 0.02 * (person["extras"]["headphones"] or person["extras"]["veil"])
    return Hair(strands, shade, float(top), float(wide))


def add_hair(hair: Hair, person: dict) -> None:
    own = _colour(person["hair"])
    brown = own if person["hair"]["dye"] is None else _colour(person["hair"] | {"dye": None})
    black = _colour({"melanin": 1.0, "redness": 0.2, "grey": 0, "dye": None})
    colours = {"hair": own, "brows": brown, "lashes": black, "beard": brown}
    for name, (points, radius) in hair.strands.items():
        curves(name, points, radius, colours[name])


def obstacle(body: Body, clothes: list) -> Obstacle:
    """What hair lies on: skin and clothes."""
    faces = groups()["body"][0]
    normals = vertex_normals(body.vertices, faces)
    high = (template_vertices()[faces, 2] > 0.45).all(1)
    return Obstacle([_dense(body.vertices, normals, faces[high]), *clothes])


def roots(body: Body, normals: np.ndarray, weight: np.ndarray, count: int, random) -> tuple:
    """`count` places on the skin, as likely as `weight` (13380,) of the vertices and the area: points, normals and the
    places on the template, each (count, 3)."""
    faces = groups()["body"][0]
    template = template_vertices()
    triangles = np.concatenate([faces[:, :3], faces[:, [0, 2, 3]]])
    triangles = triangles[weight[triangles].max(1) > 0]
    a, b, c = (body.vertices[triangles[:, i]] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    ratio = weight[triangles].max(1) * area
    found = []
    while sum(len(f[0]) for f in found) < count:
        pick = random.choice(len(triangles), 2 * count, p=ratio / ratio.sum())
        share = random.dirichlet([1, 1, 1], 2 * count)
        chosen = triangles[pick]
        keep = random.random(2 * count) * weight[chosen].max(1) < (weight[chosen] * share).sum(1)
        chosen, share = chosen[keep], share[keep, :, None]
        found.append([(array[chosen] * share).sum(1) for array in (body.vertices, normals, template)])
    points, normal, place = (np.concatenate(parts)[:count] for parts in zip(*found))
    return points, normal / np.linalg.norm(normal, axis=1, keepdims=True), place


def _scalp(template: np.ndarray, recede: float) -> np.ndarray:
    """Where head hair grows, (13380,) in [0, 1], soft over about 5 mm."""
    away = template - HEAD
    azimuth = np.degrees(np.arctan2(np.abs(away[:, 0]), -away[:, 1]))
    line = np.interp(azimuth, HAIRLINE[:, 0], HAIRLINE[:, 1])
    line = line + recede * 0.035 * np.clip(1 - azimuth / 50, 0, 1) * (0.4 + 0.6 * np.minimum(1, azimuth / 25))
    ear = (np.abs(template[:, 0]) > 0.0765) & (template[:, 2] < 0.915) & (template[:, 1] > -0.062)
    ear &= template[:, 1] < 0.0
    neck = template[:, 2] < 0.80
    return np.clip((template[:, 2] - line) / 0.006 + 0.5, 0, 1) * ~ear * ~neck


def _beard_region(template: np.ndarray) -> np.ndarray:
    x, y, z = np.abs(template[:, 0]), template[:, 1], template[:, 2]
    upper = np.interp(x, [0, 0.012, 0.03, 0.045, 0.06, 0.075], [0.842, 0.842, 0.832, 0.835, 0.862, 0.885])
    lower = np.interp(x, [0, 0.04, 0.07], [0.772, 0.785, 0.81])
    mouth = (((x / 0.027) ** 2 + ((z - 0.822) / 0.0105) ** 2) < 1) & (y < -0.12)
    front = (y < -0.045) & (z > 0.74)
    soft = np.clip((upper - z) / 0.006, 0, 1) * np.clip((z - lower) / 0.012, 0, 1)
    return soft * front * ~mouth


def _head_of_hair(body: Body, normals, scalp, person, obstacle, random) -> tuple:
    hair = person["hair"]
    style = STYLES[hair["style"]]
    place, normal, template = roots(body, normals, scalp, style.count, random)
    low, high = style.length
    length = (low + (high - low) * hair["length"]) * random.uniform(0.8, 1.05, style.count)
    side = np.interp(template[:, 2], [0.85, 0.90, 0.945, 0.97], [style.fade * 0.6, style.fade, 0.8, 1])
    length *= side if style.fade < 1 else 1.0
    fringe = _fringe(hair, template)
    length[fringe] = 0.046 + 0.014 * random.random(fringe.sum())
    layer = style.layer * random.random(style.count) ** 1.3 + 0.0005
    aim = None
    if style.comb == "target":
        aim = body.from_head(np.array(TARGETS[hair["style"]][hair["length"] > 0.5]) + body.origin - JOINT)
        length = np.linalg.norm(aim - place, axis=1) * 1.17
        length[fringe] = 0.052
    comb = _comb(body, style.comb, hair, template, place, normal, fringe, aim)
    points = _march(body, place, normal, comb, length, style, layer, fringe, hair, obstacle, aim, random)
    points = _clumped(points, place, style, random)
    points = _waved(points, length, style, hair, random)
    if hair["style"] in ("curly", "mane"):
        points = points[~_across_face(body, points)]
    extra = _bun(aim, body, style, hair["style"], obstacle, random) if aim is not None else None
    width = np.full(points.shape[:2], 0.00011 if len(points) > 12000 else 0.00013)
    width *= np.linspace(1, 0.45, points.shape[1])[None] * random.uniform(0.7, 1.2, (len(points), 1))
    if extra is not None:
        points, width = np.concatenate([points, extra]), np.concatenate([width, np.full(extra.shape[:2], 0.00012)])
    return points, width


def _fringe(hair: dict, template: np.ndarray) -> np.ndarray:
    if not hair["fringe"]:
        return np.zeros(len(template), bool)
    away = template - HEAD
    azimuth = np.degrees(np.arctan2(np.abs(away[:, 0]), -away[:, 1]))
    return (azimuth < 48) & (template[:, 1] < -0.085)


def _comb(body, kind: str, hair: dict, template, place, normal, fringe, aim) -> np.ndarray:
    """The direction in which hair is combed at its root, (N, 3) unit vectors along the skin. part: to both sides of the
    parting; back; forward; out: none; target: to a knot."""
    x, y, z = (template - [0, -0.055, 0.9]).T
    if kind == "part":
        wander = 0.0025 * np.sin(template[:, 1] / 0.006) + 0.0015 * np.sin(template[:, 1] / 0.0023)
        side = np.tanh((template[:, 0] - hair["part"] - wander) / 0.003)
        ahead = -0.5 if hair["style"] == "side" else 0.2
        way = np.stack([side, ahead + 0.9 * np.clip((y + 0.05) / 0.06, 0, 1), -0.35 - 2 * np.clip(-z / 0.08, 0, 1)], 1)
    elif kind == "back":
        way = np.stack([0.25 * np.sign(x), 1.0 + 0 * x, 0.35 - 3 * np.clip(0.05 - z, 0, 0.1) / 0.1], 1)
    elif kind == "forward":
        aside = 0.15 * np.sign(hair["part"] + 1e-6)
        way = np.stack([aside + 0 * x, -1.0 + 0 * x, -3 * np.clip(0.045 - z, 0, 0.1) / 0.1], 1)
    elif kind == "target":
        way = (aim - place) @ body.head
    else:
        way = normal @ body.head
    way[fringe] = np.stack([0.25 * x[fringe] / 0.05, np.full(fringe.sum(), -1.0), np.full(fringe.sum(), -0.2)], 1)
    way = way @ body.head.T
    if kind != "out":
        way -= normal * (way * normal).sum(1, keepdims=True)
    return way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)


def _march(body, place, normal, comb, length, style, layer, fringe, hair, obstacle, aim, random) -> np.ndarray:
    count, step = len(place), (length / (style.steps - 1))[:, None]
    lift = style.lift * random.uniform(0.5, 1.3, (count, 1))
    lift[fringe] = 0.25
    direction = _unit(comb + normal * lift + random.normal(0, 0.06, (count, 3)))
    point = place - normal * UNDER
    points, s = [point], np.zeros((count, 1))
    gravity = np.where(fringe, 26.0, style.gravity)[:, None]
    for _ in range(style.steps - 1):
        pull = np.zeros((count, 3))
        pull[:, 2] = -1
        low = point[:, 2] < body.joints["head"][2] - 0.03
        for sign, front in zip((1, -1), hair["front"], strict=True):
            pull[low & (np.sign(point[:, 0]) == sign) & ~fringe, 1] = -0.12 if front else 0.75
        turn = gravity * pull
        if aim is not None:
            turn = turn + np.where(fringe[:, None], 0, 70) * _unit(aim - point)
        else:
            turn = turn + (40 * np.exp(-s / 0.03)) * comb * (style.comb != "out")
        direction = _unit(direction + step * turn + random.normal(0, 0.02, (count, 3)))
        ahead = point + direction * step
        s = s + step
        gap = np.minimum(layer, 0.0005 + s[:, 0] * 0.6)
        pushed, out, height = obstacle.push(ahead, gap)
        if style.comb != "out":
            excess = np.where(_on_skull(body, pushed) & ~fringe & (height < 0.05), height - layer - 0.004, 0)
            pushed = pushed - 0.6 * np.maximum(excess, 0)[:, None] * out
        if aim is None:
            pushed = np.where(fringe[:, None], pushed, _off_face(body, pushed))
        direction = _unit(0.5 * direction + 0.5 * _unit(pushed - point))
        point = pushed
        points.append(point)
    return np.stack(points, axis=1)


def _on_skull(body: Body, points: np.ndarray) -> np.ndarray:
    """Above the ears: there hair that would stand off settles on the hair below it; lower down it falls freely."""
    return (body.to_head(points) - body.origin)[:, 2] > 0.031


def _off_face(body: Body, points: np.ndarray) -> np.ndarray:
    """Points in front of the face moved aside: out of an ellipsoid around it."""
    centre, radii = np.array([0, -0.165, 0.868]), np.array([0.063, 0.085, 0.098])
    away = (body.to_head(points) - body.origin + JOINT - centre) / radii
    far = np.linalg.norm(away, axis=1, keepdims=True)
    away[:, :1] = np.where(
        far < 1,
        np.sign(away[:, :1]) * np.sqrt(np.clip(1 - (away[:, 1:] ** 2).sum(1, keepdims=True), 0, 1)),
        away[:, :1],
    )
    back = body.from_head(away * radii + centre - JOINT + body.origin)
    return np.where(far < 1, 0.5 * points + 0.5 * back, points)


def _across_face(body: Body, points: np.ndarray) -> np.ndarray:
    """Strands (N,) bool that lie before forehead, eyes or cheeks: curls would make a web of them there."""
    x, y, z = np.moveaxis(body.to_head(points) - body.origin + JOINT, -1, 0)
    half = np.interp(z, [0.83, 0.87, 0.93, 0.955], [0.05, 0.062, 0.058, 0.03])
    return ((np.abs(x) < half) & (y < -0.105) & (z > 0.83) & (z < 0.955)).sum(1) > 1


def _clumped(points, place, style, random) -> np.ndarray:
    """Strands drawn towards the middle strand of their clump, more so at the tip."""
    count, steps = points.shape[:2]
    t = np.linspace(0, 1, steps)[None, :, None]
    for number, strength, power in ((count // 14, style.clump, 1.3), (count // 90, 0.45 * style.clump, 1.0)):
        middle = random.choice(count, max(number, 1), replace=False)
        own = middle[cKDTree(place[middle]).query(place)[1]]
        rate = strength * random.uniform(0.3, 1.0, (count, 1, 1)) * t**power
        points = points + rate * (points[own] - points)
    return points


def _waved(points, length, style, hair, random) -> np.ndarray:
    """Waves and curls, in step within a neighbourhood; frizz; a few flyaways."""
    count, steps = points.shape[:2]
    t = np.linspace(0, 1, steps)[None, :]
    s = t * length[:, None]
    middle = random.choice(count, max(count // 25, 1), replace=False)
    own = cKDTree(points[middle, 0]).query(points[:, 0])[1]
    phase = random.uniform(0, 2 * np.pi, len(middle))[own] + random.normal(0, 0.25, count)
    period = style.period * random.uniform(0.75, 1.3, len(middle))[own]
    along = _unit(np.gradient(points, axis=1))
    across = _unit(np.cross(along, _unit(random.normal(size=(len(middle), 3)))[own][:, None]))
    other = np.cross(along, across)
    angle = 2 * np.pi * s / period[:, None] + phase[:, None]
    size = style.wave * random.uniform(0.6, 1.3, (count, 1)) * np.minimum(1, s / 0.03)
    flat = 1.0 if hair["style"] in ("curly", "mane", "afro") else 0.35
    points = points + (size * np.cos(angle))[..., None] * across + (flat * size * np.sin(angle))[..., None] * other
    loose = np.where(random.random((count, 1)) < 0.035 * hair["flyaway"], 0.012, 0.0007) * hair["flyaway"]
    walk = np.cumsum(random.normal(0, 1, (count, steps, 3)), axis=1) / np.sqrt(steps)
    return points + (loose * t)[..., None] * walk * np.minimum(1, length / 0.1)[:, None, None]


def _bun(aim, body, style, kind: str, obstacle, random) -> np.ndarray:
    """A knot wound around the target; for a ponytail a bundle that hangs from it."""
    count, steps = 3500, style.steps
    t = np.linspace(0, 1, steps)[None, :, None]
    if kind == "bun":
        axis = _unit(np.array([0, 1.0, 0.5]) @ body.head.T + random.normal(0, 0.35, (count, 3)))
        a = _unit(np.cross(axis, random.normal(size=(count, 3))))
        b = np.cross(axis, a)
        turn = 2 * np.pi * (random.random((count, 1, 1)) + t * random.uniform(0.4, 1.1, (count, 1, 1)))
        radius = 0.034 * random.uniform(0.75, 1.0, (count, 1, 1)) * (1 + 0.03 * np.sin(3 * turn))
        ball = radius * (np.cos(turn) * a[:, None] + np.sin(turn) * b[:, None])
        return aim + np.array([0, 0.012, 0.004]) @ body.head.T + ball * [1, 0.85, 0.9]
    start = aim + random.normal(0, 0.006, (count, 3))
    direction = np.array([0, 1.0, 0.5]) @ body.head.T + random.normal(0, 0.12, (count, 3))
    length = 0.32 * random.uniform(0.7, 1, (count, 1))
    points, point = [start], start
    for _ in range(steps - 1):
        direction = _unit(direction + length / steps * np.array([0, 0, -17.0]))
        gap = 0.008 + 0.012 * random.random(count)
        point, _, _ = obstacle.push(point + direction * length / steps, gap)
        points.append(point)
    return np.stack(points, 1) + random.normal(0, 0.0006, (count, steps, 3)).cumsum(1)


def _brows(body, normals, person, random) -> tuple:
    """Hairs along an arch over each eye, from inside and below to outside."""
    template = template_vertices()[:13380]
    x, z = np.abs(template[:, 0]), template[:, 2]
    weight = ((x > 0.006) & (x < 0.065) & (np.abs(z - 0.918) < 0.02) & (template[:, 1] < -0.11)).astype(float)
    place, normal, where = roots(body, normals, weight, 40000, random)
    x, z, side = np.abs(where[:, 0]), where[:, 2], np.sign(where[:, 0])
    middle = np.interp(x, [0.010, 0.02, 0.036, 0.046, 0.058], [0.9110, 0.9140, 0.9175, 0.9168, 0.9115])
    thick = np.interp(x, [0.009, 0.014, 0.035, 0.058], [0.0026, 0.0042, 0.0034, 0.0008])
    thick *= 0.75 if person["woman"] else 1.1
    keep = (np.abs(z - middle + random.normal(0, 0.0006, len(z))) < thick) & (x > 0.0105) & (x < 0.057)
    count = int((560 if person["woman"] else 700) * person["hair"]["brow"])
    keep = np.flatnonzero(keep)[: count * 2]
    place, normal, x, z, side, middle = (a[keep] for a in (place, normal, x, z, side, middle))
    up = np.interp(x, [0.01, 0.02, 0.05], [1.3, 0.5, -0.25]) - 60 * (z - middle)
    way = np.stack([side * 1.0, 0.15 + 0 * x, up], 1) @ body.head.T
    way = _unit(way - normal * (way * normal).sum(1, keepdims=True) + 0.25 * normal + random.normal(0, 0.16, way.shape))
    length = random.uniform(0.005, 0.0095, (len(x), 1))
    return _short(place - normal * 0.0006, way, -0.5 * normal, length, 5), _taper(len(x), 5, 0.00011)


def _lashes(body: Body, person, random) -> tuple:
    """Hairs along MakeHuman's lash strips, from the edge near the eyeball outwards."""
    points = []
    template = template_vertices()
    for side, eye in (("l", 14598), ("r", 14670)):
        ball = template[eye : eye + 72].mean(0)
        for part, number in (("1", 1), ("2", 2)):
            faces = groups()[f"helper-{side}-eyelashes-{part}"][0]
            far = np.linalg.norm(template[faces] - ball, axis=2)
            keep = far.min(1) < 0.0172
            for face, distance in zip(faces[keep], far[keep], strict=True):
                order = np.argsort(distance)
                near, tips = face[order[:2]], face[order[2:]]
                if np.diff(np.linalg.norm(template[near[0]] - template[tips], axis=1)) < 0:
                    tips = tips[::-1]
                t = random.random((2 + 3 * number, 1))
                root = body.vertices[near[0]] * t + body.vertices[near[1]] * (1 - t)
                way = body.vertices[tips[0]] * t + body.vertices[tips[1]] * (1 - t) - root
                points.append((root, way))
    root, way = (np.concatenate(parts) for parts in zip(*points))
    longer = (0.008 if person["woman"] else 0.0065) * random.uniform(0.6, 1.1, (len(root), 1))
    way = _unit(_unit(way) + random.normal(0, 0.12, way.shape))
    return _short(root, way, np.array([0, 0, 0.25]), longer, 5), _taper(len(root), 5, 0.00007)


def _beard(body, normals, person, random) -> tuple:
    amount = person["hair"]["beard"]
    weight = _beard_region(template_vertices()[:13380])
    count = 6000 if amount < 0.3 else 9000
    place, normal, where = roots(body, normals, weight, count, random)
    chin = np.clip(1 - np.abs(where[:, 0]) / 0.06, 0.25, 1) * np.clip((0.84 - where[:, 2]) / 0.04, 0.35, 1)
    length = (0.0012 + 0.034 * max(0, amount - 0.12) * chin) * random.uniform(0.6, 1.2, count)
    way = np.stack([0.4 * np.sign(where[:, 0]), 0 * chin, -1.0 + 0 * chin], 1) @ body.head.T
    way -= normal * (way * normal).sum(1, keepdims=True)
    way = _unit(_unit(way) + 0.8 * normal + random.normal(0, 0.3, way.shape))
    points = _short(place - normal * 0.0008, way, np.array([0, 0, -0.7]), length[:, None], 6)
    return points, _taper(count, 6, 0.00009)


def _short(root, way, bend, length, steps: int) -> np.ndarray:
    t = np.linspace(0, 1, steps)[None, :, None]
    bend = np.broadcast_to(bend, root.shape)[:, None]
    return root[:, None] + length[:, None] * (t * way[:, None] + 0.5 * t**2 * bend)


def _taper(count: int, steps: int, width: float) -> np.ndarray:
    return np.broadcast_to(width * np.linspace(1, 0.25, steps), (count, steps)).copy()


def _dense(vertices, normals, faces) -> tuple:
    """Vertices, centres of edges and of faces, with their normals."""
    used = np.unique(faces)
    parts = [(vertices[used], normals[used])]
    for corners in ([0, 1], [1, 2], [0, 1, 2, 3]):
        parts.append((vertices[faces[:, corners]].mean(1), _unit(normals[faces[:, corners]].mean(1))))
    return tuple(np.concatenate(both) for both in zip(*parts))


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _colour(hair: dict):
    """Cycles' hair shader (Chiang et al. 2016): pigment, some strands grey, tips a little fairer."""
    made, tree, out = material("hair")
    info = node(tree, "ShaderNodeHairInfo")
    common = {"Roughness": 0.32, "Radial Roughness": 0.4, "Random Roughness": 0.2, "Random": info.outputs["Random"]}
    if hair["dye"] is not None:
        colours, kind = {"Color": (*linear(np.array(hair["dye"])), 1)}, "COLOR"
    else:
        pigment = 1 - 0.8 * (1 - hair["melanin"])
        tips = ramp(tree, info.outputs["Intercept"], 0.1, 1.0, pigment, pigment * 0.94)
        white = math(tree, "LESS_THAN", info.outputs["Random"], float(hair["grey"]))
        kept = math(tree, "SUBTRACT", 1.0, math(tree, "MULTIPLY", white, 0.97))
        colours = {
            "Melanin": math(tree, "MULTIPLY", tips, kept),
            "Melanin Redness": hair["redness"],
            "Random Color": 0.25,
        }
        kind = "MELANIN"
    shader = node(tree, "ShaderNodeBsdfHairPrincipled", common | colours, model="CHIANG", parametrization=kind)
    tree.links.new(shader.outputs[0], out.inputs[0])
    return made
