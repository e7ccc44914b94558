"""A veil: thin cloth that lies on hair and shoulders. Light passes between its threads, so alpha lies between 0 and 1
over a whole area, not along an outline alone."""

import bpy
import numpy as np

from body import Body
from extras import _sheet
from nodes import attribute, material, math, mix, node, ramp

WHITE = ", white"  # ends the name of a material's twin for the pass of alpha
OPEN = 62  # degrees to either side of the face that stay free
GAP = 0.004  # metres off the hair
STEP = 0.012  # metres between rows


def add_veil(body: Body, person: dict, hair: np.ndarray, clothes: list) -> None:
    """Cloth around the head's axis, from the crown down: at each azimuth and height as far out as anything under it,
    and never farther in than above, so that it hangs."""
    solid = np.concatenate([body.vertices[:13380], hair[::3], *[points for points, _ in clothes]])
    centre = body.joints["head"] + body.head @ [0, 0.005, 0]
    away = solid - centre
    azimuth, far = np.degrees(np.arctan2(away[:, 0], -away[:, 1])), np.hypot(away[:, 0], away[:, 1])
    top = np.percentile(away[far < 0.08, 2], 99.8) + GAP
    turns = np.linspace(OPEN, 360 - OPEN, 73)
    heights = np.arange(top, -0.30, -STEP)
    radius = np.zeros((len(heights), len(turns)))
    for column, turn in enumerate(turns):
        near = np.abs((azimuth - turn + 180) % 360 - 180) < 7
        for row, height in enumerate(heights):
            band = near & (np.abs(away[:, 2] - height) < STEP)
            radius[row, column] = np.percentile(far[band], 98) if band.sum() > 3 else 0
    radius = np.minimum(np.maximum.accumulate(radius, axis=0), 0.235)
    radius = _smooth(radius) + GAP
    random = np.random.Generator(np.random.PCG64([9, person["number"]]))
    below = np.clip((top - heights) / 0.25, 0, 1)[:, None]
    waves = sum(np.sin(np.radians(turns) * n + random.uniform(0, 6.3)) / n**0.5 for n in (7, 11, 17, 23))
    radius = radius * np.clip((top - heights) / STEP, 0, 1)[:, None] ** 0.5 + 0.007 * below * waves
    turn = np.radians(turns)
    sides = np.stack([np.sin(turn), -np.cos(turn)], -1)
    points = np.concatenate(
        [radius[..., None] * sides, np.broadcast_to(heights[:, None, None], (*radius.shape, 1))], -1
    )
    made = _sheet("veil", points + centre, _gauze(person["extras"]))
    edge = np.minimum(
        np.minimum(np.arange(len(turns)), np.arange(len(turns))[::-1])[None] / 2.0,
        np.arange(len(heights))[::-1][:, None] / 1.5,
    )
    attribute(made, "hem", np.clip(1 - edge, 0, 1).ravel())


def whiten() -> None:
    """For the pass of alpha: everything gives light of strength 1, a veil as much as it covers."""
    white, tree, out = material("white")
    tree.links.new(node(tree, "ShaderNodeEmission").outputs[0], out.inputs[0])
    for thing in bpy.context.scene.objects:
        for slot in thing.material_slots:
            slot.material = bpy.data.materials.get(slot.material.name + WHITE, white)


def _gauze(extras: dict):
    """The veil's material, and its twin for alpha."""
    for name, kind in (("veil", "ShaderNodeBsdfDiffuse"), ("veil" + WHITE, "ShaderNodeEmission")):
        made, tree, out = material(name)
        light = 0.5 + 0.5 * np.array(extras["colour"])
        inputs = {"Color": (*light, 1)} if kind == "ShaderNodeBsdfDiffuse" else {}
        cloth = node(tree, kind, inputs).outputs[0]
        if inputs:
            through = node(tree, "ShaderNodeBsdfTranslucent", inputs).outputs[0]
            cloth = node(tree, "ShaderNodeMixShader", {0: 0.4, 1: cloth, 2: through}).outputs[0]
        clear = node(tree, "ShaderNodeBsdfTransparent").outputs[0]
        covered = _cover(tree, 0.16 + 0.22 * extras["size"])
        tree.links.new(node(tree, "ShaderNodeMixShader", {0: covered, 1: clear, 2: cloth}).outputs[0], out.inputs[0])
    return bpy.data.materials["veil"]


def _cover(tree, density: float):
    """How much of the light the threads stop: more at a slant, where more of them are passed, and at the hem."""
    slant = node(tree, "ShaderNodeLayerWeight", {"Blend": 0.5}).outputs["Facing"]  # 0 from the front, 1 from the side
    slanted = ramp(tree, slant, 0.2, 1.0, density, min(0.9, 2.5 * density))
    uneven = node(tree, "ShaderNodeTexNoise", {"Scale": 60.0, "Detail": 2.0}).outputs[0]
    varied = math(tree, "MULTIPLY", slanted, ramp(tree, uneven, 0.25, 0.75, 0.8, 1.2))
    hem = node(tree, "ShaderNodeAttribute", attribute_name="hem").outputs["Fac"]
    return mix(tree, ramp(tree, hem, 0.0, 1.0), varied, 0.75)


def _smooth(radius: np.ndarray) -> np.ndarray:
    """Evened along both directions: cloth spans small hollows."""
    for axis, wide in ((1, 5), (0, 5), (1, 3)):
        pad = [(wide // 2, wide // 2) if a == axis else (0, 0) for a in (0, 1)]
        padded = np.pad(radius, pad, "edge")
        radius = np.mean([np.take(padded, range(k, k + radius.shape[axis]), axis) for k in range(wide)], axis=0)
    return radius
