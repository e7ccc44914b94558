"""Glasses and hats."""

import numpy as np

from lib import render_body
from lib.render_body import Body
from lib.render_clothes import _fabric
from lib.render_nodes import attribute, material, mesh, node

HAT = 0.014  # metres off the skull


def add_extras(body: Body, person: dict) -> None:
    if person["extras"]["glasses"]:
        _glasses(body, person["extras"])
    if person["extras"]["hat"]:
        _hat(body, person)


def _glasses(body: Body, extras: dict) -> None:
    """Rims, bridge and temples. No lenses: clear glass barely shows, and alpha has no place for it."""
    frame, tree, out = material("frame")
    metal = extras["glasses_shape"] > 0.6
    tree.links.new(node(tree, "ShaderNodeBsdfPrincipled", {
        "Base Color": (0.5, 0.42, 0.3, 1) if metal else (*extras["colours"][0], 1), "Metallic": float(metal),
        "Roughness": 0.25}).outputs[0], out.inputs[0])
    thick = 0.0009 if metal else 0.0018
    shape = 2.0 + 2.2 * extras["glasses_shape"]  # of a superellipse: round to square
    t = np.linspace(0, 2 * np.pi, 49)
    template = render_body.template()
    ends = []
    for side, eye in ((1, 14598), (-1, 14670)):
        ball = body.to_head(body.vertices[eye:eye + 72]).mean(0)
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


def _hat(body: Body, person: dict) -> None:
    """A knitted hat: the skull above a line over the ears, pushed out, with a turned-up rim."""
    template = render_body.template()[:13380]
    faces = render_body.groups()["body"][0]
    normals = render_body.normals(body.vertices, faces)
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
