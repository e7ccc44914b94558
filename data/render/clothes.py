"""Clothes from MakeHuman's tights, a shell that moves with the body: cut at a neckline, pushed out, given thickness,
folds, fabric and a collar."""

import bpy
import numpy as np
from scipy.spatial import cKDTree

from body import Body, along_arms, groups, template_vertices, vertex_normals
from nodes import attribute, material, math, mesh, mix, node, ramp

PIT, NAPE = np.array([0, -0.078, 0.690]), np.array([0, 0.036, 0.738])  # of the neck, on the template
# How far below the pit and the nape a garment is cut (m): front, back, depth of a V.
CUTS = {
    "t-shirt": (0.012, 0.006, 0),
    "v-neck": (0.005, 0.004, 0.07),
    "shirt": (-0.002, -0.012, 0.035),
    "jumper": (-0.002, -0.004, 0),
    "turtleneck": (-0.02, -0.02, 0),
    "jacket": (0.0, -0.004, 0.22),
    "hoodie": (0.004, -0.004, 0),
    "scarf": (-0.005, -0.01, 0),
    "sleeveless": (0.015, 0.008, 0),
    "tank": (0.045, 0.02, 0),
}
SLEEVES = {"tank": 0.2, "straps": 0.2, "shoulders": 0.2, "sleeveless": 0.45}  # where they end; see body.along_arms
ALL = 9.0  # beyond the hand


def sleeves(person: dict) -> float:
    """Where the person's sleeves end, as body.along_arms counts."""
    return 1.5 if person.get("axes", {}).get("short") else SLEEVES.get(person["clothes"]["kind"], ALL)


def add_clothes(body: Body, person: dict) -> list:
    """Garments of the person; returns (points, normals) of their outer surfaces, which hair lies on."""
    clothes = person["clothes"]
    kind = clothes["kind"]
    layers = [(kind, clothes["loose"] + (0.006 if kind in ("jumper", "hoodie", "jacket") else 0.002), 0)]
    if kind == "jacket":
        layers.insert(0, ("shirt" if not person["woman"] or clothes["scale"] > 1.1 else "t-shirt", 0.003, 2))
    surfaces = []
    for name, gap, first in layers:
        surfaces.append(_garment(body, name, gap, clothes, first, sleeves(person), 0.3 if "axes" in person else 0.1))
        _collar(body, name, clothes, first, surfaces[-1][0])
    if person["extras"]["scarf"]:
        wool = clothes | {"colours": person["extras"]["colours"] * 2, "pattern": "plain"}
        _collar(body, "scarf", wool, 0, surfaces[-1][0])
    return surfaces


def _garment(body: Body, kind: str, gap: float, clothes: dict, first: int, sleeve: float, low: float) -> tuple:
    faces = groups()["helper-tights"][0]
    used, local = np.unique(faces, return_inverse=True)
    local = local.reshape(faces.shape)
    vertices, rest = body.vertices[used], body.rest[used]
    normal = vertex_normals(vertices, local)
    skin = vertex_normals(body.vertices, groups()["body"][0])
    near = cKDTree(body.vertices[:13380]).query(vertices)[1]
    inward = ((vertices - body.vertices[near]) * skin[near]).sum(1)
    vertices = vertices + normal * (gap + np.clip(0.004 - inward, 0, 0.02))[:, None] + _folds(rest, clothes, normal)
    keep = (vertices[local, 2] > body.joints["spine05"][2] - low).all(1)
    arms = np.repeat(along_arms(body)[used][:, None], 3, axis=1)
    vertices, rest, arms, local = _finer(vertices, rest, arms, local[keep])
    if kind not in SLEEVES:
        vertices, local = _cut(vertices, local, lambda points: _neckline(body, kind, points))
    if sleeve < ALL:
        above = -1.0
        if kind in SLEEVES:  # no collar hides the neckline, so it is cut finely
            above = _neckline(body, kind, vertices) if kind in CUTS else _above_chest(body, kind, clothes, rest)
        vertices, rest, local = _clip(vertices, rest, local, np.maximum(arms[:, 0] - sleeve, 4 * above))
    made = mesh(kind, vertices, local if sleeve == ALL else local[:, :3], _fabric(kind, clothes, first))
    attribute(made, "rest", rest)
    thick = made.modifiers.new("thick", "SOLIDIFY")
    thick.thickness, thick.offset = 0.003 if kind in ("jumper", "hoodie", "jacket") else 0.0018, -1
    used = np.unique(local)
    return vertices[used], vertex_normals(vertices, local)[used]


def _above_chest(body: Body, kind: str, clothes: dict, rest: np.ndarray) -> np.ndarray:
    """Above 0 where a garment that ends above the chest is open, metres, by unposed places (V, 3); straps are closed."""
    shoulder, spine = body.heads["upperarm01.L"], body.heads["spine01"]
    value = rest[:, 2] - spine[2] - 0.3 * (shoulder[2] - spine[2]) + 0.012 * np.cos(rest[:, 0] * 25)
    if kind == "straps":
        value = np.minimum(value, np.abs(np.abs(rest[:, 0]) - 0.55 * shoulder[0]) - 0.006 * clothes["scale"] ** 2)
    return value


def _clip(vertices: np.ndarray, rest: np.ndarray, faces: np.ndarray, value: np.ndarray) -> tuple:
    """The part of a surface of quads where the value (V,) is below 0, cut along its zero line: triangles, each with its
    last corner doubled."""
    triangles = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    inside = value[triangles] < 0
    both, kept = [np.concatenate([vertices, rest], axis=1)], [triangles[inside.all(1)]]
    total = len(vertices)
    for lone in (1, 2):  # corners inside; the one that is alone on its side comes first
        part = inside.sum(1) == lone
        first = (inside[part] == (lone == 1)).argmax(1)
        a, b, c = (triangles[part][np.arange(part.sum()), (first + i) % 3] for i in range(3))
        for other in (b, c):
            share = (value[a] / (value[a] - value[other]))[:, None]
            both.append(both[0][a] + share * (both[0][other] - both[0][a]))
        ab = total + np.arange(len(a))
        ac, total = ab + len(a), total + 2 * len(a)
        kept += [np.stack([a, ab, ac], 1)] if lone == 1 else [np.stack([ab, b, c], 1), np.stack([ab, c, ac], 1)]
    welded, place = np.unique(np.concatenate(both).round(7), axis=0, return_inverse=True)
    corners = place.reshape(-1)[np.concatenate(kept)]
    corners = corners[(corners != np.roll(corners, 1, axis=1)).all(1)]
    return welded[:, :3], welded[:, 3:], corners[:, [0, 1, 2, 2]]


def _finer(vertices: np.ndarray, rest: np.ndarray, arms: np.ndarray, faces: np.ndarray) -> tuple:
    """The same surface with 16 faces for each (Catmull and Clark 1978); of its vertices also the unposed places and how
    far down the arms they are."""
    made = mesh("coarse", vertices, faces, None)
    attribute(made, "rest", rest)
    attribute(made, "arms", arms)
    smooth = made.modifiers.new("smooth", "SUBSURF")
    smooth.levels = 2
    data = made.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    arrays = [np.empty(3 * len(data.vertices), np.float32) for _ in range(3)]
    data.vertices.foreach_get("co", arrays[0])
    for name, array in zip(("rest", "arms"), arrays[1:], strict=True):
        data.attributes[name].data.foreach_get("vector", array)
    corners = np.empty(len(data.loops), np.int32)
    data.loops.foreach_get("vertex_index", corners)
    bpy.data.objects.remove(made)
    return *(array.reshape(-1, 3).astype(float) for array in arrays), corners.reshape(-1, 4)


def _cut(vertices: np.ndarray, faces: np.ndarray, field) -> tuple:
    """Faces where the field is above 0 removed, and the vertices of the new border moved onto its zero line."""
    value = field(vertices)
    kept = faces[value[faces].mean(1) < 0]
    edges = np.sort(np.concatenate([kept[:, [i, (i + 1) % 4]] for i in range(4)]), axis=1)
    edges, times = np.unique(edges, axis=0, return_counts=True)
    border = np.unique(edges[times == 1])
    border = border[np.abs(value[border]) < 0.012]
    vertices = vertices.copy()
    for _ in range(3):
        at = vertices[border]
        slope = np.stack([(field(at + step) - field(at - step)) / 2e-4 for step in 1e-4 * np.eye(3)], 1)
        slope[:, 1] *= 0.3  # rather along the body than off it
        vertices[border] -= 0.8 * field(at)[:, None] * slope / np.maximum((slope**2).sum(1, keepdims=True), 0.05)
    return vertices, kept


def _folds(rest: np.ndarray, clothes: dict, normal: np.ndarray) -> np.ndarray:
    """Loose cloth: waves that run from armpits and shoulders, stronger below the chest. Metres along the normal."""
    random = np.random.Generator(np.random.PCG64(int(clothes["seed"] * 1e6)))
    total = np.zeros(len(rest))
    for _ in range(14):
        way = random.normal(size=3) * [1, 0.6, 0.8]
        way /= np.linalg.norm(way)
        period = random.uniform(0.05, 0.16)
        total += np.sin(2 * np.pi * rest @ way / period + random.uniform(0, 6.3)) * period / 0.1
    below = np.clip((0.66 - rest[:, 2]) / 0.15, 0.1, 1)
    return normal * (0.0011 * below * np.clip(total, -4, 4) * (0.5 + clothes["loose"] / 0.008))[:, None]


def _landmarks(body: Body) -> tuple:
    template = template_vertices()[:13380]
    pit = body.vertices[np.argmin(((template - PIT) ** 2).sum(1))]
    nape = body.vertices[np.argmin(((template - NAPE) ** 2).sum(1))]
    return pit, nape


def _neckline(body: Body, kind: str, points: np.ndarray) -> np.ndarray:
    """Above 0 where the garment is open, metres: over a saddle around the neck, and in a V."""
    front, back, depth = CUTS[kind]
    pit, nape = _landmarks(body)
    value = points[:, 2] - _saddle(pit - [0, 0, front], nape - [0, 0, back], points)
    if depth:
        wide = 0.058 if kind != "shirt" else 0.03
        up = points[:, 2] - (pit[2] - depth)
        opening = up * wide / (depth + 0.05) - np.abs(points[:, 0] - pit[0])
        value = np.maximum(value, np.where((points[:, 1] < (pit[1] + nape[1]) / 2) & (up > -0.02), opening, -0.02))
    return value


def _saddle(front: np.ndarray, back: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Height of a surface through the neckline's front and back that rises to both sides, over the shoulders."""
    slope = (back[2] - front[2]) / (back[1] - front[1])
    return front[2] + slope * (points[:, 1] - front[1]) + 5.5 * (points[:, 0] - front[0]) ** 2


def _ring(body: Body, kind: str, cloth: np.ndarray, count: int = 72) -> tuple:
    """The neckline as a closed ring around the neck (count, 3) on the garment's vertices `cloth` (or, if there are none
    near, on the neck), and the way outwards at each point; azimuth 0 in front."""
    front, back, _ = CUTS[kind]
    pit, nape = _landmarks(body)
    a, b = pit - [0, 0, front], nape - [0, 0, back]
    azimuth = np.arange(count) / count * 2 * np.pi
    out = np.stack([np.sin(azimuth), -np.cos(azimuth), np.zeros(count)], 1)
    centre = (a + b) / 2
    radius = np.full(count, 0.055)
    for points, reach in ((body.vertices[:13380], 0.012), (cloth, 0.008)):
        points = points[(np.abs(points[:, 0] - centre[0]) < 0.11) & (np.abs(points[:, 1] - centre[1]) < 0.12)]
        band = points[np.abs(points[:, 2] - _saddle(a, b, points)) < reach]
        angle = np.arctan2(band[:, 0] - centre[0], -(band[:, 1] - centre[1]))
        away = np.hypot(band[:, 0] - centre[0], band[:, 1] - centre[1])
        weight = np.exp(-((np.angle(np.exp(1j * (angle[None] - azimuth[:, None]))) / 0.15) ** 2))
        found = weight.sum(1) > 1
        radius[found] = (weight @ away)[found] / weight.sum(1)[found]
    radius = np.convolve(np.tile(radius, 3), np.ones(5) / 5, "same")[count:-count]
    ring = centre + out * radius[:, None]
    ring[:, 2] = _saddle(a, b, ring)
    return ring, out


ROWS = {  # of a collar, from the seam on: how far out and how far up from the neckline (m)
    "t-shirt": ((0.0005, -0.004), (0.0015, 0.004), (-0.001, 0.010)),
    "jumper": ((0.001, -0.006), (0.003, 0.006), (-0.002, 0.017)),
    "turtleneck": (
        (0.003, -0.012),
        (0.0, 0.02),
        (0.0, 0.045),
        (0.002, 0.06),
        (0.006, 0.062),
        (0.008, 0.052),
        (0.009, 0.02),
    ),
    "shirt": (
        (0.0, -0.008),
        (0.001, 0.012),
        (0.001, 0.028),
        (0.004, 0.033),
        (0.009, 0.026),
        (0.014, 0.006),
        (0.017, -0.006),
    ),
    "hoodie": ((0.0, -0.01), (0.006, 0.02), (0.018, 0.05), (0.035, 0.055), (0.05, 0.035), (0.055, 0.0), (0.05, -0.03)),
    "scarf": (
        (0.0, -0.035),
        (0.02, -0.04),
        (0.034, -0.015),
        (0.036, 0.015),
        (0.026, 0.045),
        (0.012, 0.058),
        (0.002, 0.045),
        (-0.004, 0.01),
    ),
}


def _collar(body: Body, kind: str, clothes: dict, first: int, cloth: np.ndarray) -> None:
    """Rings above the neckline make a band, a roll, a folded collar, a hood or a scarf."""
    if kind not in ROWS:
        return
    ring, out = _ring(body, kind, cloth)
    azimuth = np.arange(len(ring)) / len(ring) * 2 * np.pi
    back = (0.5 - 0.5 * np.cos(azimuth))[:, None]
    wide, high = (0.5 + back, 0.5 + 0.7 * back) if kind == "hoodie" else (1.0, 1.0)
    rows = np.array([ring + out * w * wide + np.array([0, 0, 1]) * (h * np.asarray(high)) for w, h in ROWS[kind]])
    if kind == "scarf":
        lumps = sum(np.sin(n * azimuth + clothes["seed"] * n) / n for n in (2, 3, 5, 9))
        rows += 0.007 * lumps[None, :, None] * (out + [0, 0, 0.6])
    count, opened = len(ring), kind == "shirt"
    index = np.arange(rows.shape[0] * count).reshape(rows.shape[:2])
    faces = []
    for row in range(len(rows) - 1):
        for column in range(1 if opened else 0, count - 1 if opened else count):
            after = (column + 1) % count
            faces.append([index[row, column], index[row, after], index[row + 1, after], index[row + 1, column]])
    if opened:  # the points of the collar hang apart
        for column, sign in ((1, 1), (count - 1, -1)):
            rows[-3:, column] += [
                [sign * 0.004, -0.002, -0.002],
                [sign * 0.008, -0.004, -0.010],
                [sign * 0.011, -0.005, -0.018],
            ]
    made = mesh("collar", rows.reshape(-1, 3), faces, _fabric(kind, clothes, first, ribs=kind != "shirt"))
    attribute(
        made,
        "rest",
        np.broadcast_to(np.stack([azimuth * 0.07, 0 * azimuth, 0 * azimuth], 1), rows.shape).reshape(-1, 3)
        + rows.reshape(-1, 3) * [0, 0.2, 1],
    )
    smooth = made.modifiers.new("smooth", "SUBSURF")
    smooth.levels = smooth.render_levels = 2
    thick = made.modifiers.new("thick", "SOLIDIFY")
    thick.thickness, thick.offset = 0.002, 0


def _fabric(kind: str, clothes: dict, first: int, ribs: bool = False):
    """Cloth: pattern in the unposed body's coordinates, weave or ribs and creases as relief, a soft sheen."""
    made, tree, out = material("fabric")
    one, two, three = (clothes["colours"][(first + i) % 4] for i in range(3))
    if first and kind == "shirt":
        one = [0.7, 0.72, 0.75]
    place = node(tree, "ShaderNodeAttribute", attribute_name="rest").outputs["Vector"]
    parts = node(tree, "ShaderNodeSeparateXYZ", {0: place}).outputs
    pattern = clothes["pattern"] if not first and kind != "jacket" and not ribs else "plain"
    scale = clothes["scale"]

    def stripe(value, period, share=0.5):
        wave = math(tree, "FRACT", math(tree, "MULTIPLY", value, 1 / (period * scale)))
        return math(tree, "LESS_THAN", wave, share)

    if pattern == "stripes":
        colour = mix(tree, stripe(parts[2], 0.03, 0.4), one, two)
    elif pattern == "vertical":
        colour = mix(tree, stripe(parts[0], 0.012, 0.3), one, two)
    elif pattern == "checks":
        sums = math(tree, "ADD", stripe(parts[2], 0.035), stripe(parts[0], 0.035))
        colour = mix(tree, math(tree, "MULTIPLY", sums, 0.5), one, two)
        colour = mix(tree, math(tree, "MULTIPLY", stripe(parts[2], 0.0175, 0.12), 0.5), colour, three)
    elif pattern == "print":
        cells = node(tree, "ShaderNodeTexVoronoi", {"Vector": place, "Scale": 32.0 / scale}).outputs[0]
        colour = mix(tree, ramp(tree, cells, 0.24, 0.28, 1, 0), one, two)
    elif pattern == "flowers":
        cells = node(tree, "ShaderNodeTexVoronoi", {"Vector": place, "Scale": 20.0 / scale}).outputs
        wavy = node(tree, "ShaderNodeTexNoise", {"Vector": place, "Scale": 60.0 / scale}).outputs[0]
        away = math(tree, "ADD", cells[0], math(tree, "MULTIPLY", math(tree, "SUBTRACT", wavy, 0.5), 0.5))
        red = node(tree, "ShaderNodeSeparateColor", {0: cells[1]}).outputs[0]
        colour = mix(tree, ramp(tree, away, 0.36, 0.4, 1, 0), one, mix(tree, ramp(tree, red, 0.4, 0.5), two, three))
        colour = mix(tree, ramp(tree, away, 0.1, 0.13, 1, 0), colour, clothes["colours"][3])
    elif pattern == "camouflage":
        patch = node(tree, "ShaderNodeTexNoise", {"Vector": place, "Scale": 14.0 / scale, "Detail": 3.0}).outputs[0]
        colour = mix(tree, ramp(tree, patch, 0.46, 0.47), mix(tree, ramp(tree, patch, 0.39, 0.4), three, two), one)
    elif pattern == "badge":  # a picture on the chest
        cells = node(tree, "ShaderNodeTexVoronoi", {"Vector": place, "Scale": 45.0}, distance="CHEBYCHEV").outputs[1]
        chest = node(tree, "ShaderNodeVectorMath", {0: place, 1: (0, -0.15, 0.5)}, operation="DISTANCE").outputs[1]
        inside = ramp(tree, chest, 0.085 * scale, 0.086 * scale, 1, 0)
        grey = node(tree, "ShaderNodeSeparateColor", {0: cells}).outputs[0]
        colour = mix(tree, inside, one, mix(tree, ramp(tree, grey, 0.45, 0.5), two, three))
    else:
        colour = mix(tree, 0.0, one, two)
    mottled = node(tree, "ShaderNodeTexNoise", {"Vector": place, "Scale": 400.0, "Detail": 2.0}).outputs[0]
    colour = mix(tree, ramp(tree, mottled, 0.3, 0.7, 0.0, 0.25), colour, (0.02, 0.02, 0.02))
    warped = node(tree, "ShaderNodeMapping", {"Vector": place, "Rotation": (0, 0.6, 0.3), "Scale": (1, 1, 0.45)})
    crease = node(
        tree, "ShaderNodeTexNoise", {"Vector": warped.outputs[0], "Scale": 13.0, "Detail": 3.0, "Distortion": 1.2}
    ).outputs[0]
    crease = math(tree, "ABSOLUTE", math(tree, "SUBTRACT", crease, 0.5))
    relief = node(tree, "ShaderNodeBump", {"Strength": 0.3, "Distance": 0.03, "Height": crease}).outputs[0]
    if ribs or kind in ("jumper", "turtleneck"):
        knit = math(tree, "SINE", math(tree, "MULTIPLY", parts[0], 2 * np.pi / 0.006))
        relief = node(
            tree, "ShaderNodeBump", {"Strength": 0.5, "Distance": 0.0018, "Height": knit, "Normal": relief}
        ).outputs[0]
    relief = node(
        tree, "ShaderNodeBump", {"Strength": 0.3, "Distance": 0.0008, "Height": mottled, "Normal": relief}
    ).outputs[0]
    surface = node(
        tree,
        "ShaderNodeBsdfPrincipled",
        {
            "Base Color": colour,
            "Roughness": 0.85,
            "Sheen Weight": 0.25,
            "Sheen Roughness": 0.5,
            "Normal": relief,
            "Specular IOR Level": 0.25,
        },
    )
    tree.links.new(surface.outputs[0], out.inputs[0])
    return made
