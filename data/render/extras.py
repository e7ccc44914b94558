"""Glasses, hats, headphones and earrings."""

import numpy as np

from body import Body, groups, template_vertices, vertex_normals
from clothes import _fabric
from nodes import attribute, material, mesh, node

HAT = 0.014  # metres off the skull
LOBE = np.array([0.0799, -0.0518, 0.8453])  # the lowest point of the template's left ear


def add_extras(body: Body, person: dict, hair: np.ndarray) -> list:
    """hair (N, 3): points of the strands on the head. Returns points (N, 3) of what is worn above it."""
    if person["extras"]["glasses"]:
        _glasses(body, person["extras"])
    worn = []
    if person["extras"]["hat"]:
        worn.append(_hat(body, person))
    elif person.get("axes", {}).get("hat"):
        worn.append((_band if person["axes"]["hat"] == "band" else _brimmed)(body, person, hair))
    elif person["extras"]["headphones"]:
        _headphones(body, person["extras"], hair)
    if person["extras"]["earrings"]:
        _earrings(body, person["extras"])
    return worn


def _glasses(body: Body, extras: dict) -> None:
    """Rims, bridge and temples. No lenses: clear glass barely shows, and alpha has no place for it."""
    frame, tree, out = material("frame")
    metal = extras["glasses_shape"] > 0.6
    tree.links.new(
        node(
            tree,
            "ShaderNodeBsdfPrincipled",
            {
                "Base Color": (0.5, 0.42, 0.3, 1) if metal else (*extras["colours"][0], 1),
                "Metallic": float(metal),
                "Roughness": 0.25,
            },
        ).outputs[0],
        out.inputs[0],
    )
    thick = 0.0009 if metal else 0.0018
    shape = 2.0 + 2.2 * extras["glasses_shape"]  # of a superellipse: round to square
    t = np.linspace(0, 2 * np.pi, 49)
    template = template_vertices()
    ends = []
    for side, eye in ((1, 14598), (-1, 14670)):
        ball = body.to_head(body.vertices[eye : eye + 72]).mean(0)
        c, s = np.cos(t), np.sin(t)
        x, z = (np.sign(v) * np.abs(v) ** (2 / shape) for v in (c, s))
        rim = ball + [side * 0.003, -0.031, -0.004] + np.stack([0.0255 * x, 0.006 * c * side, 0.0205 * z], 1)
        _tube(body.from_head(rim), thick, frame)
        ear = body.vertices[np.argmin(((template[:13380] - [side * 0.083, -0.028, 0.905]) ** 2).sum(1))]
        outer = body.from_head(rim[[0 if side > 0 else 24]])
        _tube(np.concatenate([outer, [ear + [side * 0.004, 0, 0.004]]]), thick, frame)
        ends.append(rim[24 if side > 0 else 0])
    middle = (ends[0] + ends[1]) / 2 + [0, -0.003, 0.004]
    _tube(body.from_head(np.array([ends[0], middle, ends[1]])), thick, frame)


def _headphones(body: Body, extras: dict, hair: np.ndarray) -> None:
    """A band over skull and hair, and a cup with a pad on each ear."""
    made_of = _plastic("headphones", extras["colour"], 0.35)
    soft = _plastic("pad", np.array(extras["colour"]) * 0.3 + 0.02, 0.8)
    points = body.to_head(np.concatenate([hair, body.vertices[:13380]])) - body.origin
    points = points[(np.abs(points[:, 1] - 0.005) < 0.012) & (points[:, 2] > 0.02)]
    angle = np.arctan2(points[:, 0], points[:, 2] - 0.03)
    bins = np.radians(np.arange(-96, 97, 6))
    near = [np.hypot(points[:, 0], points[:, 2] - 0.03)[np.abs(angle - at) < 0.08] for at in bins]
    radius = np.array([np.percentile(r, 97) if len(r) else 0.09 for r in near]) + 0.004
    radius = np.convolve(np.pad(radius, 3, "edge"), np.ones(7) / 7, "valid")
    radius = np.maximum(radius, np.interp(np.abs(np.degrees(bins)), [0, 60, 96], [0.08, 0.092, 0.095]))
    arc = np.stack([radius * np.sin(bins), np.full(len(bins), 0.005), 0.03 + radius * np.cos(bins)], 1)
    rows = np.stack([arc + [0, y, -abs(y) * 0.2] for y in (-0.011, -0.004, 0.004, 0.011)])
    _sheet("band", body.from_head(rows + body.origin), made_of, 0.006)
    for end, sign in ((arc[0], -1), (arc[-1], 1)):
        for thick, wide, inward, of in ((0.014, 0.034, 0.005, made_of), (0.012, 0.037, 0.017, soft)):
            centre = end - [sign * inward, -0.004, 0.03]
            _ball(body, centre + body.origin, (thick, wide, wide * 1.15), of)


def _earrings(body: Body, extras: dict) -> None:
    """Small studs or hoops, by `size`."""
    made_of = _plastic("gold", (0.9, 0.62, 0.25) if extras["side"] > 0 else (0.75, 0.75, 0.76), 0.2, metal=1.0)
    template = template_vertices()[:13380]
    for sign in (-1, 1):
        lobe = body.vertices[np.argmin(((template - LOBE * [sign, 1, 1]) ** 2).sum(1))]
        lobe = body.to_head(lobe[None])[0]
        if extras["size"] < 0.4:
            _ball(body, lobe + [sign * 0.002, -0.002, 0.004], (0.003, 0.003, 0.003), made_of)
            continue
        radius, turn = 0.006 + 0.014 * (extras["size"] - 0.4), np.linspace(0, 2 * np.pi, 33)
        hoop = np.stack([0 * turn, radius * np.sin(turn), radius * np.cos(turn) - radius + 0.004], 1)
        _tube(body.from_head(lobe + hoop + [sign * 0.001, 0, 0]), 0.0009, made_of)


def _plastic(name: str, colour, rough: float, metal: float = 0.0):
    made, tree, out = material(name)
    tree.links.new(
        node(
            tree,
            "ShaderNodeBsdfPrincipled",
            {"Base Color": (*[float(c) for c in colour], 1), "Metallic": metal, "Roughness": rough},
        ).outputs[0],
        out.inputs[0],
    )
    return made


def _ball(body: Body, centre: np.ndarray, radii: tuple, made_of) -> None:
    """An ellipsoid with its axes along the head's, its ends a little flat; centre with the head unturned."""
    u, v = np.meshgrid(np.linspace(0, 2 * np.pi, 33), np.linspace(-np.pi / 2, np.pi / 2, 17))
    across = np.sign(np.sin(v)) * np.abs(np.sin(v)) ** 0.7
    points = np.stack([across, np.cos(v) * np.cos(u), np.cos(v) * np.sin(u)], -1) * radii
    _sheet("ball", body.from_head(points.reshape(-1, 3) + centre).reshape(points.shape), made_of)


def _sheet(name: str, points: np.ndarray, made_of, thick: float = 0.0):
    """A mesh from a grid of points (M, N, 3), as a shell of thickness `thick`."""
    index = np.arange(points.shape[0] * points.shape[1]).reshape(points.shape[:2])
    faces = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1).reshape(-1, 4)
    made = mesh(name, points.reshape(-1, 3), faces, made_of, subdivide=1)
    if thick:
        shell = made.modifiers.new("thick", "SOLIDIFY")
        shell.thickness, shell.offset = thick, 0
    return made


def _hat(body: Body, person: dict) -> np.ndarray:
    """A knitted hat: the skull above a line over the ears, pushed out, with a turned-up rim."""
    template = template_vertices()[:13380]
    faces = groups()["body"][0]
    normals = vertex_normals(body.vertices, faces)
    line = 0.916 - 0.22 * (template[:, 1] + 0.05)
    kept = faces[(template[faces, 2] > line[faces]).all(1)]
    used, local = np.unique(kept, return_inverse=True)
    height = (template[used, 2] - line[used]) / 0.08
    rim = np.where(height < 0.35, 0.004, 0)
    points = body.vertices[used] + normals[used] * (HAT + rim + 0.012 * np.clip(height, 0, 1))[:, None]
    clothes = person["clothes"] | {"colours": person["extras"]["colours"] * 2, "pattern": "plain"}
    made = mesh("hat", points, local.reshape(kept.shape), _fabric("jumper", clothes, 0, ribs=True), subdivide=2)
    around = np.arctan2(template[used, 0], -(template[used, 1] + 0.055)) * 0.09
    attribute(made, "rest", np.stack([around, 0 * around, template[used, 2]], 1))
    thick = made.modifiers.new("thick", "SOLIDIFY")
    thick.thickness, thick.offset = 0.004, -1
    return points


def _brimmed(body: Body, person: dict, hair: np.ndarray) -> np.ndarray:
    """A cap with a visor, or a hat with a brim all around and a higher crown: the skull above a line over the ears,
    pushed out. Returns the crown's points."""
    cap, size = person["axes"]["hat"] == "cap", person["extras"]["size"]
    template, faces = template_vertices()[:13380], groups()["body"][0]
    line = 0.922 - 0.16 * (template[:, 1] + 0.05)
    kept = faces[(template[faces, 2] > line[faces]).all(1)]
    used, local = np.unique(kept, return_inverse=True)
    high = np.clip((template[used, 2] - line[used]) / 0.08, 0, 1)
    points = body.vertices[used] + vertex_normals(body.vertices, faces)[used] * (HAT + 0.004 * high)[:, None]
    points += body.head[:, 2] * ((0.004 if cap else 0.03 + 0.02 * size) * high**0.5)[:, None]
    crown = mesh("crown", points, local.reshape(kept.shape), _plain(person), subdivide=2)
    attribute(crown, "rest", body.rest[used])
    low = body.to_head(points[high < 0.3]) - body.origin
    middle = (low.min(0) + low.max(0)) / 2
    flat = (low - middle)[:, :2]
    far = np.linalg.norm(flat, axis=1)[:, None]
    azimuth = np.radians(np.linspace(-68, 68, 35) if cap else np.linspace(-180, 180, 97))
    ways = np.stack([np.sin(azimuth), -np.cos(azimuth)], 1)
    near = np.exp(-(((flat @ ways.T - far) / 1e-3) ** 2))  # each way's share in the crown's lower points
    radius, height = (near * far).sum(0) / near.sum(0), (near * low[:, 2:]).sum(0) / near.sum(0)
    wide = 0.075 * np.cos(azimuth * 90 / 70) ** 0.4 if cap else np.full(len(azimuth), 0.05 + 0.05 * size)
    rows = []
    for t in np.linspace(0, 1, 7):
        drop = 0.012 * t + (0.25 * wide * t**2 if cap else 0.012 * t**2 * (1 + np.cos(2 * azimuth)))
        drop += 0.02 * t * np.sin(azimuth) ** 2 if cap else 0
        out = middle[:2] + ways * (radius - 0.006 + wide * t)[:, None]
        rows.append(np.concatenate([out, (height - drop)[:, None]], 1))
    _strip(body, person, np.stack(rows))
    return points


def _band(body: Body, person: dict, hair: np.ndarray) -> np.ndarray:
    """A band around head and hair, from above the forehead to the nape. Returns its points."""
    extras, size = person["extras"], body.heads["eye.L"][0] / 0.031  # of the head: 1 for an average adult
    points = (body.to_head(np.concatenate([hair, body.vertices[:13380]])) - body.origin) / size
    turn, far = np.arctan2(points[:, 0], -points[:, 1] - 0.01), np.hypot(points[:, 0], points[:, 1] + 0.01)
    azimuth, wide = np.radians(np.linspace(-180, 180, 73)), 0.006 + 0.014 * extras["glasses_shape"]
    middle = 0.07 + 0.025 * extras["size"]
    rows = []
    for up in wide * np.array([-1, -0.4, 0.4, 1]):
        close = np.abs(points[:, 2] - middle - up + 0.4 * (points[:, 1] + 0.01)) < 0.006
        near = [far[close & (np.abs(np.angle(np.exp(1j * (turn - at)))) < 0.12)] for at in azimuth[:-1]]
        radius = np.array([np.percentile(r, 85) if len(r) else 0.09 for r in near])
        radius = np.convolve(np.pad(radius, 2, "wrap"), np.ones(5) / 5, "valid") + 0.003
        radius = np.append(radius, radius[0])
        y = -0.01 - radius * np.cos(azimuth)
        rows.append(np.stack([radius * np.sin(azimuth), y, middle + up - 0.4 * (y + 0.01)], 1) * size)
    return _strip(body, person, np.stack(rows))


def _strip(body: Body, person: dict, rows: np.ndarray) -> np.ndarray:
    """Cloth 3 mm thick from a grid of points (M, N, 3) off the unturned head's joint. Returns the points on the head."""
    points = body.from_head(rows.reshape(-1, 3) + body.origin)
    made = _sheet("strip", points.reshape(rows.shape), _plain(person), 0.003)
    attribute(made, "rest", rows.reshape(-1, 3))
    return points


def _plain(person: dict):
    return _fabric("cap", person["clothes"] | {"colours": person["extras"]["colours"] * 2, "pattern": "plain"}, 0)


def _tube(line: np.ndarray, radius: float, made_of) -> None:
    """A round wire along points (N, 3)."""
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, [0.1, 0.2, 0.97])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(along, side)
    angle = np.arange(8) / 8 * 2 * np.pi
    ring = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    points = (line[:, None] + radius * ring).reshape(-1, 3)
    index = np.arange(len(points)).reshape(len(line), 8)
    turned = np.roll(index, -1, axis=1)
    faces = np.stack([index[:-1], turned[:-1], turned[1:], index[1:]], -1).reshape(-1, 4)
    mesh("tube", points, faces, made_of)
