"""Lamps, surroundings and camera. The surroundings are the eight HDR panoramas that come with Blender (CC0)."""

import math
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix

from body import view
from nodes import node

SUN = 8.0  # the panoramas are capped here: a bare sun burns out faces


def add_light(person: dict, face: np.ndarray) -> None:
    """A studio with key, fill and rim lamps; a large window; or the surroundings alone. Lamps aim at the face."""
    light = person["light"]
    strength = {"studio": 0.25, "window": 0.4, "world": 1.0}[light["rig"]]
    _world(light, strength)
    warm = np.array([1 + 0.12 * light["warmth"], 1.0, 1 - 0.16 * light["warmth"]])
    side, key, height = light["side"], light["key"], light["height"]
    turn = person["axes"]["turn"] if "axes" in person else 0.0
    if light["rig"] == "world":
        _lamp(face, turn + side * key, height, 2.2, 1.4, 14 * light["fill"] + 6, warm)
        return
    size = light["size"] if light["rig"] == "studio" else 1.8
    _lamp(face, turn + side * key, height, 1.9, size, 46, warm)
    _lamp(face, turn - side * (key + 10), 10, 2.3, 1.6, 46 * light["fill"] * 0.7, 2 - warm)
    if light["rim"]:
        _lamp(face, turn - side * 150, 30, 1.6, 0.4, 30 * light["rim"], np.ones(3))


def add_camera(person: dict, top: float, wide: float, eyes: np.ndarray) -> None:
    """A portrait lens that frames `frame` metres from above the hair at height `top` down to the chest, and more where
    the hair needs it: it reaches `wide` metres to a side, and is not to be cut off."""
    camera = person["camera"]
    made, data = _lens(camera)
    frame = max(camera["frame"], min(2 * (wide + 0.02) / 0.75, 0.78))
    distance = frame * data.lens / data.sensor_height
    centre = np.array([eyes[0] * 0.5 + camera["shift"], eyes[1], top + camera["headroom"] * frame - frame / 2])
    place = centre + [0, -distance, camera["height"]]
    made.location = place
    made.rotation_euler = _towards(centre - place)
    data.dof.focus_distance = distance - 0.01


def add_free_camera(person: dict, eyes: np.ndarray, neck: np.ndarray, parts: list) -> None:
    """A camera anywhere around the person, `frame` metres high at the eyes. The head's parts, each (N, 3), stay below the
    upper border but for single hairs; eyes and neck are as far off the picture's middle as `off` says."""
    camera, axes, turn = person["camera"], person["axes"], view(person)
    made, data = _lens(camera)
    frame, slope = camera["frame"], data.sensor_height / data.lens
    distance = frame / slope
    parts = [(part - eyes) @ turn for part in parts if len(part)]
    raised = max(
        np.percentile(part[:, 2] - (0.5 - camera["headroom"]) * slope * (part[:, 1] + distance), 99.8) for part in parts
    )
    aside = ((neck - eyes) / 2 @ turn)[0] - axes["off"] * 0.75 * frame
    made.location = eyes + turn @ [aside, -distance, raised]
    made.rotation_euler = Matrix(turn @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]])).to_euler()
    data.dof.focus_distance = distance - 0.01


def _lens(camera: dict) -> tuple:
    """The scene's camera with its lens, as an object and its data."""
    data = bpy.data.cameras.new("camera")
    made = bpy.data.objects.new("camera", data)
    bpy.context.scene.collection.objects.link(made)
    bpy.context.scene.camera = made
    data.sensor_fit, data.sensor_height, data.lens = "VERTICAL", 36.0, camera["lens"]
    data.dof.use_dof, data.dof.aperture_fstop = True, camera["fstop"]
    return made, data


def _world(light: dict, strength: float) -> None:
    world = bpy.data.worlds.new("world")
    bpy.context.scene.world = world
    world.use_nodes = True
    world.cycles.sampling_method, world.cycles.sample_map_resolution = "MANUAL", 256
    tree = world.node_tree
    tree.nodes.clear()
    folder = Path(bpy.utils.resource_path("LOCAL")) / "datafiles/studiolights/world"
    image = bpy.data.images.load(str(folder / f"{light['world']}.exr"))
    place = node(tree, "ShaderNodeTexCoord").outputs["Generated"]
    turned = node(tree, "ShaderNodeMapping", {"Vector": place, "Rotation": (0, 0, math.radians(light["turn"]))})
    sky = node(tree, "ShaderNodeTexEnvironment", {"Vector": turned.outputs[0]}, image=image)
    soft = node(tree, "ShaderNodeVectorMath", {0: sky.outputs[0], 1: (SUN, SUN, SUN)}, operation="MINIMUM")
    back = node(tree, "ShaderNodeBackground", {"Color": soft.outputs[0], "Strength": strength})
    tree.links.new(back.outputs[0], node(tree, "ShaderNodeOutputWorld").inputs[0])


def _lamp(target, azimuth: float, height: float, distance: float, size: float, watts: float, colour) -> None:
    """A square lamp at an azimuth (0 = from the camera, positive = from the picture's right) and height, degrees."""
    a, h = math.radians(azimuth), math.radians(height)
    away = np.array([math.sin(a) * math.cos(h), -math.cos(a) * math.cos(h), math.sin(h)])
    data = bpy.data.lights.new("lamp", "AREA")
    data.size, data.energy, data.color = size, watts, np.clip(colour, 0, 2).tolist()
    made = bpy.data.objects.new("lamp", data)
    made.location = np.asarray(target) + away * distance
    made.rotation_euler = _towards(-away)
    made.visible_camera = False
    bpy.context.scene.collection.objects.link(made)


def _towards(direction):
    from mathutils import Vector

    return Vector(direction).to_track_quat("-Z", "Y").to_euler()
