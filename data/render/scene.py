"""One person as a scene of Blender's Cycles, rendered twice: colours with light, and alpha alone.

Colours take few samples and a denoiser. Alpha doesn't bear that (a denoiser bends it, few samples leave noise), so it
has a pass of its own in which everything gives light of strength 1 and no ray bounces: many samples cost little.
"""

import tempfile
from pathlib import Path

import bpy
import numpy as np

import extras
import light
import skin
import veil
from body import build_body, template_vertices
from clothes import add_clothes
from hair import Hair, add_hair, grow

WIDTH, HEIGHT = 600, 800
SAMPLES, ALPHA_SAMPLES = 6, 128


def empty() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)


def build(person: dict, hair: Hair | None = None, eyes: np.ndarray | None = None) -> np.ndarray:
    """Fill an empty scene with the person, the lamps and the camera. Returns the middle of the face (3,).

    hair: grown before, by default now. eyes (3,): what lamps and camera aim at, by default the person's own.
    """
    empty()
    body = build_body(person)
    own = np.mean([body.joints["eye.L"], body.joints["eye.R"]], axis=0)
    clothes = add_clothes(body, person)
    hair = hair or grow(body, person, clothes)
    add_hair(hair, person)
    skin.add_skin(body, person, hair.shade)
    skin.add_eyes(body, person)
    skin.add_teeth(body)
    worn = extras.add_extras(body, person, hair.points)
    if person["extras"]["veil"] and not person["extras"]["hat"]:
        veil.add_veil(body, person, hair.points, clothes)
    light.add_light(person, own if eyes is None else eyes)
    if "axes" in person:
        skull = body.vertices[:13380][template_vertices()[:13380, 2] > 0.8]
        light.add_free_camera(person, own, body.joints["neck01"], [skull, hair.points, *worn])
    else:
        light.add_camera(person, hair.top, hair.wide, own if eyes is None else eyes)
    return own + body.head @ [0, 0, -0.03]


def face_pixels(face: np.ndarray, width: int, height: int) -> np.ndarray:
    """The pixels (height, width) within 45 mm of the middle `face` (3,) of the face, bool."""
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    scene = bpy.context.scene
    x, y, _ = world_to_camera_view(scene, scene.camera, Vector(face))
    below = world_to_camera_view(scene, scene.camera, Vector(face) - Vector((0, 0, 0.045)))
    rows, columns = np.mgrid[:height, :width] + 0.5
    away = np.hypot(columns - x * width, rows - (1 - y) * height)
    return away < (y - below[1]) * height


def configure(scene, width: int, height: int, threads: int) -> None:
    """Settings of every pass: size, path tracer, bounces, denoiser."""
    scene.render.engine = "CYCLES"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = width, height, 100
    scene.render.film_transparent = True
    scene.render.threads_mode, scene.render.threads = "FIXED", threads
    scene.view_settings.view_transform = "Raw"
    scene.render.use_persistent_data = True  # a second pass keeps the first one's geometry
    cycles = scene.cycles
    cycles.device, cycles.seed = "CPU", 0
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 5, 2, 3
    cycles.transmission_bounces, cycles.transparent_max_bounces = 4, 8
    cycles.sample_clamp_indirect = 4.0
    cycles.use_adaptive_sampling, cycles.use_denoising = False, True
    cycles.denoiser, cycles.denoising_input_passes = "OPENIMAGEDENOISE", "RGB_ALBEDO_NORMAL"
    scene.cycles_curves.shape, scene.cycles_curves.subdivisions = "RIBBONS", 2


def render(
    width: int = WIDTH,
    height: int = HEIGHT,
    samples: int = SAMPLES,
    alpha_samples: int = ALPHA_SAMPLES,
    threads: int = 2,
) -> tuple:
    """float32: linear colours (height, width, 3) times the colour pass's own alpha, the exact alpha (height, width),
    and the colour pass's own alpha (height, width)."""
    scene = bpy.context.scene
    configure(scene, width, height, threads)
    cycles = scene.cycles
    cycles.samples = samples
    colour = picture(scene, width, height)
    cycles.use_denoising, cycles.samples, cycles.max_bounces = False, alpha_samples, 0
    # Where the first samples all hit or all miss there is nothing to refine: the others go to the outline and the hair.
    cycles.use_adaptive_sampling, cycles.adaptive_min_samples, cycles.adaptive_threshold = True, 8, 0.02
    veil.whiten()
    scene.world = None
    alpha = picture(scene, width, height)
    return colour[..., :3], np.clip(alpha[..., 3], 0, 1), colour[..., 3]


def picture(scene, width: int, height: int) -> np.ndarray:
    """Render to a file of floats and read it: (height, width, 4), first row at the top."""
    with tempfile.TemporaryDirectory() as folder:
        settings = scene.render.image_settings
        settings.file_format, settings.color_mode, settings.color_depth = "OPEN_EXR", "RGBA", "32"
        scene.render.filepath = str(Path(folder) / "picture.exr")
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(scene.render.filepath)
        image.colorspace_settings.name = "Non-Color"
        pixels = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(pixels)
        bpy.data.images.remove(image)
    return pixels.reshape(height, width, 4)[::-1]
