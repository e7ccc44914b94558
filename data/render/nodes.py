"""Short ways to make Blender's meshes, curves and shader nodes from arrays."""

import bpy
import numpy as np


def node(tree, kind: str, inputs: dict | None = None, **settings):
    """A node with its settings and inputs (by name or number): an input is a value or another node's output."""
    made = tree.nodes.new(kind)
    for name, value in settings.items():
        setattr(made, name, value)
    for name, value in (inputs or {}).items():
        if isinstance(value, bpy.types.NodeSocket):
            tree.links.new(value, made.inputs[name])
        else:
            made.inputs[name].default_value = value
    return made


def material(name: str):
    """An empty material, its node tree and its output node."""
    made = bpy.data.materials.new(name)
    made.use_nodes = True
    made.node_tree.nodes.clear()
    return made, made.node_tree, node(made.node_tree, "ShaderNodeOutputMaterial")


def mix(tree, factor, a, b, kind: str = "MIX"):
    """Colour a mixed with b by factor; returns the output socket."""
    made = node(tree, "ShaderNodeMix", data_type="RGBA", blend_type=kind)
    for socket, value in ((0, factor), (6, a), (7, b)):
        if isinstance(value, bpy.types.NodeSocket):
            tree.links.new(value, made.inputs[socket])
        else:
            made.inputs[socket].default_value = rgba(value) if socket else value
    return made.outputs[2]


def math(tree, operation: str, *values):
    made = node(tree, "ShaderNodeMath", dict(enumerate(values)), operation=operation)
    return made.outputs[0]


def ramp(tree, value, low: float, high: float, to_low: float = 0.0, to_high: float = 1.0):
    """value mapped smoothly from [low, high] to [to_low, to_high]."""
    made = node(
        tree, "ShaderNodeMapRange", {0: value, 1: low, 2: high, 3: to_low, 4: to_high}, interpolation_type="SMOOTHSTEP"
    )
    return made.outputs[0]


def rgba(colour) -> tuple:
    return (*[float(c) for c in colour][:3], 1.0) if np.ndim(colour) else (colour, colour, colour, 1.0)


def mesh(name: str, vertices: np.ndarray, faces, made_of, uv: np.ndarray | None = None, subdivide: int = 0):
    """A smooth mesh object. vertices (V, 3), faces (F, n) or a list, uv (F, n, 2)."""
    data = bpy.data.meshes.new(name)
    data.from_pydata(np.asarray(vertices, float).tolist(), [], np.asarray(faces).tolist())
    data.polygons.foreach_set("use_smooth", np.ones(len(data.polygons), bool))
    if uv is not None:
        data.uv_layers.new(name="uv").uv.foreach_set("vector", np.asarray(uv, np.float32).ravel())
    if made_of:
        data.materials.append(made_of)
    made = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(made)
    if subdivide:
        smooth = made.modifiers.new("smooth", "SUBSURF")
        smooth.levels = smooth.render_levels = subdivide
    return made


def attribute(made, name: str, values: np.ndarray) -> None:
    """A number (V,) or a vector (V, 3) at each vertex, to be read in a shader."""
    kind, field = ("FLOAT", "value") if values.ndim == 1 else ("FLOAT_VECTOR", "vector")
    made.data.attributes.new(name, kind, "POINT").data.foreach_set(field, np.asarray(values, np.float32).ravel())


def curves(name: str, points: np.ndarray, radius: np.ndarray, made_of):
    """Hair. points (N, K, 3); radius (N, K) in metres."""
    data = bpy.data.hair_curves.new(name)
    data.add_curves([points.shape[1]] * len(points))
    data.attributes["position"].data.foreach_set("vector", np.asarray(points, np.float32).ravel())
    width = data.attributes.get("radius") or data.attributes.new("radius", "FLOAT", "POINT")
    width.data.foreach_set("value", np.asarray(radius, np.float32).ravel())
    data.materials.append(made_of)
    made = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(made)
    return made
