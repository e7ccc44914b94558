"""Does a stored person, composited over a background, look as Blender renders it there? Written to data/check.csv.

For each of a few people Cycles renders a square of the hair before black and before grey, which only the camera sees,
with many samples and no denoiser. Light adds, so the two give the exact alpha and colours, and with them the picture
before any plain background, at the exposure and tone curve of the stored one. Beside it stands alpha F + (1 - alpha) B
of the stored file: in linear light, where Cycles works; of sRGB values, as lib.data.portraits does it; and in linear light
with the exact colours, which leaves what the stored alpha is to blame for.
"""

import csv
import io

import bpy
import cv2
import numpy as np

import develop
from nodes import node
from person import draw_person, linear
from place import DATA, name, write_atomically
from scene import build, configure, face_pixels, picture, render

PEOPLE = (0, 3, 92)  # curls, and hair that hangs; one to test on
SAMPLES = 512
BACKGROUNDS = {"dark": 0.2, "grey": 0.35, "light": 0.5}  # sRGB
SIDE = 100  # pixels of the square that is rendered


def main() -> None:
    rows = []
    for number in PEOPLE:
        rows += check(number)
        print(f"{name(number)}: done", flush=True)
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_atomically(DATA / "check.csv", text.getvalue().encode())
    print(text.getvalue())


def check(number: int) -> list[dict]:
    """One row a background: differences of 255 between composite and render at the soft pixels of the square."""
    person = draw_person(number)
    stored = (
        cv2.cvtColor(
            cv2.imread(str(DATA / f"portraits/{name(number)}.webp"), cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA
        )
        / 255.0
    )
    face = build(person)
    colour, alpha, own = render(threads=2)
    height, width = alpha.shape
    gain = develop.exposure(colour, own, alpha, face_pixels(face, width, height), person)
    rows, columns = softest(stored[..., 3])
    build(person)  # the pass of alpha left everything white
    light = linear(np.full(3, 0.5)) / gain
    black, grey = (gain * render_before(plain, rows, columns, width, height) for plain in (np.zeros(3), light))
    exact = 1 - ((grey - black) / (gain * light)).mean(-1, keepdims=True)
    foreground, weight = stored[rows, columns, :3], stored[rows, columns, 3:]
    soft = (weight[..., 0] > 0.02) & (weight[..., 0] < 0.98)
    out = []
    for label, level in BACKGROUNDS.items():
        behind = linear(np.full(3, level))
        seen = shown(black + (1 - exact) * behind)
        errors = {
            "linear light": 255 * develop.encode(weight * linear(foreground) + (1 - weight) * behind) - seen,
            "sRGB values": 255 * (weight * foreground + (1 - weight) * level) - seen,
            "alpha alone": shown(black * weight / np.maximum(exact, 1e-3) + (1 - weight) * behind) - seen,
        }
        row = {"person": name(number), "background": label, "soft pixels": int(soft.sum())}
        for kind, error in errors.items():
            row |= {
                f"{kind}: mean": round(float(error[soft].mean()), 2),
                f"{kind}: mean absolute": round(float(np.abs(error[soft]).mean()), 2),
            }
        out.append(row)
    return out


def shown(light: np.ndarray) -> np.ndarray:
    """Exposed linear light as sRGB values, 0 to 255."""
    return 255 * develop.encode(develop.shoulder(light))


def softest(alpha: np.ndarray) -> tuple[slice, slice]:
    """The square of SIDE pixels with most soft pixels."""
    soft = ((alpha > 0.02) & (alpha < 0.98)).astype(np.float32)
    counts = cv2.boxFilter(soft, -1, (SIDE, SIDE), normalize=False, borderType=cv2.BORDER_CONSTANT)
    half = SIDE // 2
    inner = counts[half : alpha.shape[0] - half, half : alpha.shape[1] - half]
    row, column = np.unravel_index(np.argmax(inner), inner.shape)
    return slice(int(row), int(row) + SIDE), slice(int(column), int(column) + SIDE)


def render_before(colour: np.ndarray, rows: slice, columns: slice, width: int, height: int) -> np.ndarray:
    """Linear picture (SIDE, SIDE, 3) of the scene before `colour` (3,), which lights nothing."""
    scene = bpy.context.scene
    _prepare(scene, rows, columns, width, height)
    tree = scene.world.node_tree
    last = next(made for made in tree.nodes if made.bl_idname == "ShaderNodeOutputWorld")
    lit = last.inputs[0].links[0].from_socket
    if lit.node.bl_idname == "ShaderNodeMixShader":  # of the background before
        lit = lit.node.inputs[1].links[0].from_socket
    plain = node(tree, "ShaderNodeBackground", {"Color": (*colour.tolist(), 1)}).outputs[0]
    camera = node(tree, "ShaderNodeLightPath").outputs["Is Camera Ray"]
    mixed = node(tree, "ShaderNodeMixShader", {0: camera, 1: lit, 2: plain}).outputs[0]
    tree.links.new(mixed, last.inputs[0])
    return picture(scene, SIDE, SIDE)[..., :3]


def _prepare(scene, rows: slice, columns: slice, width: int, height: int) -> None:
    configure(scene, width, height, threads=2)
    scene.render.film_transparent = False
    scene.render.use_border, scene.render.use_crop_to_border = True, True
    low, high = 0.25, SIDE + 0.25  # Blender rounds down, and a border on a pixel's edge could lose that pixel
    scene.render.border_min_x, scene.render.border_max_x = ((columns.start + by) / width for by in (low, high))
    scene.render.border_min_y, scene.render.border_max_y = ((height - rows.stop + by) / height for by in (low, high))
    scene.cycles.use_denoising, scene.cycles.samples = False, SAMPLES
