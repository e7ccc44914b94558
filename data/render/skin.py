"""Skin, eyes and teeth. The skin's colour varies by region (blush, lips, lids, freckles, the shade under hair), with
fine relief, and light scatters below its surface."""

import bpy
import numpy as np

from body import Body, along_arms, data_directory, groups, template_vertices, texture_coordinates, view
from clothes import sleeves
from nodes import attribute, material, math, mesh, mix, node, ramp

BLUSH = (
    ((0.045, -0.13, 0.855), 0.022, 0.8),
    ((0, -0.17, 0.862), 0.014, 0.8),
    ((0.085, -0.03, 0.885), 0.022, 0.9),
    ((0, -0.155, 0.795), 0.016, 0.35),
    ((0.03, -0.14, 0.905), 0.012, 0.25),
)  # where, radius, strength
DARK = (((0.032, -0.148, 0.884), 0.009, 0.7), ((0.017, -0.145, 0.9), 0.008, 0.8), ((0.033, -0.148, 0.906), 0.01, 0.6))
LASHES = range(14742, 14992)
EYES = {"l": range(14598, 14670), "r": range(14670, 14742)}


def add_skin(body: Body, person: dict, shade: np.ndarray) -> None:
    """shade (V,): how much hair roots darken the skin, in [0, 1]."""
    faces, texture = groups()["body"]
    seen = _seen(body)
    if "axes" in person:
        seen = seen | (along_arms(body) > sleeves(person) - 0.4)
    seen = seen[faces].all(1)
    faces, uv = faces[seen], texture_coordinates()[texture[seen]]
    skin = mesh("skin", body.vertices[:13380], faces, _skin(person["skin"], person["hair"]), uv, subdivide=2)
    template = template_vertices()[:13380]
    attribute(skin, "blush", _region(template, BLUSH))
    attribute(skin, "dark", _region(template, DARK))
    attribute(skin, "shade", shade[:13380])
    attribute(skin, "rest", body.rest[:13380])


def add_eyes(body: Body, person: dict) -> None:
    """Two balls fitted to MakeHuman's eyes. The iris is painted on the ball, under a clear coat: with a cornea of glass
    it would be hidden from a path of few bounces."""
    for side, sign in (("l", 1), ("r", -1)):
        points = body.vertices[EYES[side]]
        centre = (points.min(0) + points.max(0)) / 2
        rest = body.rest[EYES[side]]
        radius = np.ptp(rest[:, 0]) / 2 * 0.985
        right, up = person["pose"]["gaze"]
        away = body.head @ np.array([sign * 0.03, -1.0, 0.0])
        to_camera = view(person) @ [0.0, -1.0, 0.0]
        share = 0.65 if "axes" not in person else 0.65 * np.clip((away @ to_camera - 0.6) / 0.25, 0, 1)
        look = (1 - share) * away + share * to_camera + np.radians([right, 0, up])
        bpy.ops.mesh.primitive_uv_sphere_add(segments=48, ring_count=32, radius=radius, location=centre)
        ball = bpy.context.object
        ball.data.polygons.foreach_set("use_smooth", np.ones(len(ball.data.polygons), bool))
        ball.data.materials.append(_eye(person["skin"], look / np.linalg.norm(look)))


def add_teeth(body: Body) -> None:
    enamel, tree, out = material("teeth")
    tree.links.new(
        node(tree, "ShaderNodeBsdfPrincipled", {"Base Color": (0.62, 0.56, 0.46, 1), "Roughness": 0.25}).outputs[0],
        out.inputs[0],
    )
    for part in ("helper-upper-teeth", "helper-lower-teeth"):
        faces = groups()[part][0]
        used, local = np.unique(faces, return_inverse=True)
        mesh(part, body.vertices[used], local.reshape(faces.shape), enamel, subdivide=1)


def _seen(body: Body) -> np.ndarray:
    """Vertices (V,) bool of head, neck, cleavage and hands: what clothes cover is left out, which saves memory."""
    template = template_vertices()
    return (template[:, 2] > 0.52) & (np.abs(template[:, 0]) < 0.2) | (np.abs(template[:, 0]) > 0.38)


def _region(points: np.ndarray, spots) -> np.ndarray:
    """Sum of soft spots, mirrored, at the template's vertices."""
    total = np.zeros(len(points))
    mirrored = np.abs(points[:, :1]), points[:, 1:]
    points = np.hstack(mirrored)
    for where, radius, strength in spots:
        total += strength * np.exp(-((points - where) ** 2).sum(1) / (2 * radius**2))
    return np.clip(total, 0, 1)


def _mask(tree, name: str):
    """One of MakeHuman's masks on the body's texture, e.g. lips."""
    image = bpy.data.images.load(str(data_directory() / f"textures/mpfb_{name}.jpg"), check_existing=True)
    image.colorspace_settings.name = "Non-Color"
    return node(tree, "ShaderNodeTexImage", image=image).outputs[0]


def _noise(tree, place, scale: float, detail: float = 3.0, rough: float = 0.6):
    return node(
        tree, "ShaderNodeTexNoise", {"Vector": place, "Scale": scale, "Detail": detail, "Roughness": rough}
    ).outputs[0]


def _skin(skin: dict, hair: dict):
    made, tree, out = material("skin")
    base = np.array(skin["colour"])
    place = node(tree, "ShaderNodeAttribute", attribute_name="rest").outputs["Vector"]
    place = node(tree, "ShaderNodeVectorMath", {0: place, 1: (skin["seed"], 0, 0)}, operation="ADD").outputs[0]
    spot = {
        name: node(tree, "ShaderNodeAttribute", attribute_name=name).outputs["Fac"]
        for name in ("blush", "dark", "shade")
    }
    warm = base * [1.05, 0.72, 0.62]
    colour = mix(tree, ramp(tree, _noise(tree, place, 45, 3), 0.35, 0.7, 0, 0.45 * skin["mottle"]), base, warm)
    colour = mix(tree, ramp(tree, _noise(tree, place, 14, 2), 0.4, 0.7, 0, 0.25), colour, base * [0.92, 0.9, 0.8])
    blotch = ramp(tree, _noise(tree, place, 60, 2), 0.25, 0.75, 0.5, 1.0)
    colour = mix(
        tree,
        math(tree, "MULTIPLY", math(tree, "MULTIPLY", spot["blush"], blotch), 0.62 * skin["blush"]),
        colour,
        base * [1.0, 0.52, 0.46],
    )
    colour = mix(tree, math(tree, "MULTIPLY", spot["dark"], 0.45), colour, base * [0.62, 0.5, 0.5])
    freckle = ramp(tree, _noise(tree, place, 330, 2), 0.60, 0.70, 0, min(1, skin["freckles"]))
    colour = mix(tree, freckle, colour, base * [0.62, 0.45, 0.35])
    moles = node(tree, "ShaderNodeTexVoronoi", {"Vector": place, "Scale": 22.0}).outputs[0]
    colour = mix(tree, ramp(tree, moles, 0.03, 0.05, 0.55, 0.0), colour, base * [0.4, 0.28, 0.24])
    lips = node(tree, "ShaderNodeSeparateColor", {0: _mask(tree, "lips")}).outputs[0]
    painted = np.array([0.42, 0.07, 0.08]) if skin["makeup"] > 0.8 else base * [0.80, 0.42, 0.42]
    colour = mix(tree, math(tree, "MULTIPLY", lips, 0.75), colour, painted)
    shadow = np.array(hair_tint(hair)) * 0.8 + base * 0.06
    colour = mix(tree, math(tree, "MULTIPLY", spot["shade"], 0.92), colour, shadow)

    pores = math(tree, "ADD", _noise(tree, place, 900, 2), math(tree, "MULTIPLY", _noise(tree, place, 260, 2), 0.8))
    relief = node(tree, "ShaderNodeBump", {"Strength": 0.22, "Distance": 0.0006, "Height": pores}).outputs[0]
    lines = node(tree, "ShaderNodeMapping", {"Vector": place, "Scale": (0.5, 1, 2.6)}).outputs[0]
    relief = node(
        tree,
        "ShaderNodeBump",
        {
            "Strength": 0.25 + 0.5 * skin["wrinkles"],
            "Distance": 0.0018,
            "Height": _noise(tree, lines, 75, 3),
            "Normal": relief,
        },
    ).outputs[0]
    rough = ramp(tree, _noise(tree, place, 120, 1), 0.3, 0.7, 0.56 - 0.3 * skin["oil"], 0.68 - 0.25 * skin["oil"])
    rough = math(tree, "SUBTRACT", rough, math(tree, "MULTIPLY", lips, 0.12))
    surface = node(
        tree,
        "ShaderNodeBsdfPrincipled",
        {
            "Base Color": colour,
            "Roughness": rough,
            "Normal": relief,
            "IOR": 1.42,
            "Subsurface Weight": 0.85,
            "Subsurface Radius": (1.0, 0.36, 0.2),
            "Subsurface Scale": 0.0035,
            "Specular IOR Level": 0.45,
        },
    )
    tree.links.new(surface.outputs[0], out.inputs[0])
    return made


def hair_tint(hair: dict) -> list:
    """A plain colour near that of the hair, linear: skin under hair, brows of dyed heads."""
    dark, fair = np.array([0.012, 0.008, 0.006]), np.array([0.45, 0.28, 0.12])
    return (dark + (fair - dark) * (1 - hair["melanin"]) ** 1.6).tolist()


def _eye(skin: dict, look: np.ndarray):
    """White, iris and pupil by the angle from the line of sight; rings and spokes in the iris."""
    made, tree, out = material("eye")
    place = node(tree, "ShaderNodeTexCoord").outputs["Object"]
    unit = node(tree, "ShaderNodeVectorMath", {0: place}, operation="NORMALIZE").outputs[0]
    cosine = node(tree, "ShaderNodeVectorMath", {0: unit, 1: tuple(look)}, operation="DOT_PRODUCT").outputs["Value"]
    angle = math(tree, "MULTIPLY", math(tree, "ARCCOSINE", cosine), 180 / np.pi)
    flat = node(
        tree,
        "ShaderNodeVectorMath",
        {
            0: unit,
            1: node(tree, "ShaderNodeVectorMath", {0: tuple(look), "Scale": cosine}, operation="SCALE").outputs[0],
        },
        operation="SUBTRACT",
    ).outputs[0]
    spokes = node(tree, "ShaderNodeVectorMath", {0: flat}, operation="NORMALIZE").outputs[0]
    iris = np.array(skin["iris"])
    fibres = ramp(tree, _noise(tree, spokes, 9, 4, 0.7), 0.3, 0.7)
    colour = mix(tree, fibres, iris * 0.55, iris * 1.7 + 0.015)
    colour = mix(tree, ramp(tree, angle, 12, 18), mix(tree, 0.5, iris * 1.6 + 0.02, (0.22, 0.13, 0.05)), colour)
    colour = mix(tree, ramp(tree, angle, 23.5, 27.5), colour, iris * 0.18)  # the dark ring
    veins = ramp(tree, _noise(tree, unit, 12, 6, 0.75), 0.55, 0.8, 0, 0.35)
    white = mix(tree, veins, (0.52, 0.49, 0.46), (0.45, 0.22, 0.18))
    white = mix(tree, ramp(tree, angle, 38, 75), white, (0.34, 0.22, 0.19))
    colour = mix(tree, ramp(tree, angle, 27.0, 29.0), colour, white)
    colour = mix(tree, ramp(tree, angle, 10.0, 11.2), (0.002, 0.002, 0.002), colour)
    surface = node(
        tree,
        "ShaderNodeBsdfPrincipled",
        {
            "Base Color": colour,
            "Roughness": 0.45,
            "Specular IOR Level": 0.08,
            "Coat Weight": 0.13,
            "Coat Roughness": 0.02,
            "Coat IOR": 1.38,
            "Subsurface Weight": 0.0,
        },
    )
    tree.links.new(surface.outputs[0], out.inputs[0])
    return made
