"""A person moving before the camera, as a clip: the head turns, hair follows late, the camera shakes.

The hair is grown once and then carried along by the head, each point the later the farther it is from its root; grown
anew in each frame, strands would jump. Lamps and camera stand still but for the shake.
"""

from dataclasses import replace

import numpy as np

import scene
from body import Body, build_body
from clothes import add_clothes
from hair import Hair, grow, obstacle
from person import draw_person as still

FRAMES, WIDTH, HEIGHT = 12, 300, 400
STEP = 1 / 12  # seconds between frames
LATE = 3.0  # frames that the tip of hair a foot (0.3 m) long is behind the head
SHAKE = 0.35  # degrees of the camera's shake, standard deviation


def pose_at(person: dict, frame: float) -> dict:
    """The person at a time in frames: a turn and a nod of the head, a sway of the body, each a slow wave."""
    random = np.random.Generator(np.random.PCG64([2021, person["number"], 2]))
    waves = {
        "head_turn": (11, 18, 0.5),
        "nod": (3, 6, 0.7),
        "tilt": (2, 4, 0.6),
        "turn": (2, 5, 0.4),
        "lean": (0.5, 1.5, 0.4),
    }  # name -> least and greatest width in degrees, waves in a second
    pose = dict(person["pose"])
    for name, (low, high, rate) in waves.items():
        wide, phase = random.uniform(low, high), random.uniform(0, 2 * np.pi)
        pose[name] += wide * np.sin(2 * np.pi * rate * STEP * frame * random.uniform(0.8, 1.2) + phase)
    pose["gaze"] = (np.array(pose["gaze"]) + [0.15 * (pose["head_turn"] - person["pose"]["head_turn"]), 0]).tolist()
    return person | {"pose": pose}


def shake(number: int) -> np.ndarray:
    """Turns of the camera to the left and up, degrees, (FRAMES, 2): a hand's slow drift and a little tremor."""
    random = np.random.Generator(np.random.PCG64([2021, number, 3]))
    drift = np.cumsum(random.normal(0, SHAKE / 2, (FRAMES, 2)), axis=0)
    return drift - drift.mean(0) + random.normal(0, SHAKE / 8, (FRAMES, 2))


def far_moves(number: int) -> np.ndarray:
    """How far the shake moves what is far away, in pixels to the right and down (FRAMES, 2)."""
    focal = still(number)["camera"]["lens"] / 36.0 * HEIGHT  # in pixels: the sensor is 36 mm high
    return focal * np.tan(np.radians(shake(number)))


def render(number: int, threads: int, **quality) -> np.ndarray:
    """The clip of person `number`: uint8 (FRAMES, HEIGHT, WIDTH, 4) straight sRGB and alpha."""
    import develop

    person = still(number)
    first = pose_at(person, 0.0)
    scene.empty()
    body = build_body(first)
    clothes = add_clothes(body, first)  # for their surfaces: each frame has a scene of its own
    hair = grow(body, first, clothes)
    eyes = np.mean([body.joints["eye.L"], body.joints["eye.R"]], axis=0)
    frames, gain, turns = [], None, shake(number)
    for frame in range(FRAMES):
        now = pose_at(person, frame)
        face = scene.build(now, _follow(hair, body, person, frame), eyes)
        _turn_camera(turns[frame])
        colour, alpha, own = scene.render(WIDTH, HEIGHT, threads=threads, **quality)
        seen = scene.face_pixels(face, WIDTH, HEIGHT)
        gain = gain or develop.exposure(colour, own, alpha, seen, person)  # one for the whole clip
        frames.append(develop.develop(colour, own, alpha, gain))
    return np.stack(frames)


def _turn_camera(degrees: np.ndarray) -> None:
    """To the left and up, about the camera's own axes."""
    import bpy
    from mathutils import Euler

    camera = bpy.context.scene.camera
    left, up = np.radians(degrees)
    turned = camera.rotation_euler.to_matrix() @ Euler((up, left, 0)).to_matrix()
    camera.rotation_euler = turned.to_euler()


def _follow(hair: Hair, first: Body, person: dict, frame: int) -> Hair:
    """The hair at `frame`: brows, lashes and beard with the head, the rest late, and outside of skin and clothes."""
    delays = np.arange(0, LATE * 2 + 1)
    bodies = [build_body(pose_at(person, frame - delay)) for delay in delays]
    strands = {}
    for name, (points, radius) in hair.strands.items():
        flat = first.to_head(points.reshape(-1, 3))
        if name != "hair":
            strands[name] = bodies[0].from_head(flat).reshape(points.shape), radius
            continue
        steps = np.linalg.norm(np.diff(points, axis=1), axis=2)
        along = np.concatenate([np.zeros((len(points), 1)), np.cumsum(steps, axis=1)], axis=1)
        late = np.clip((LATE * np.clip(along - 0.04, 0, None) / 0.3).ravel(), 0, delays[-1] - 1e-6)
        below = late.astype(int)
        places = np.stack([body.from_head(flat) for body in bodies])
        index, share = np.arange(len(flat)), (late - below)[:, None]
        moved = (1 - share) * places[below, index] + share * places[below + 1, index]
        strands[name] = moved.reshape(points.shape), radius
    if "hair" in strands:
        solid = obstacle(bodies[0], add_clothes(bodies[0], pose_at(person, frame)))
        points, radius = strands["hair"]
        flat = points[:, 1:].reshape(-1, 3)  # roots stay in the skin
        pushed = solid.push(flat, np.full(len(flat), 0.0008))[0].reshape(len(points), -1, 3)
        strands["hair"] = np.concatenate([points[:, :1], pushed], axis=1), radius
    return replace(hair, strands=strands)
