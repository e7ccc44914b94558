# SHIM
from lib.data.compose import *  # noqa: F403
from lib.data.compose import (  # noqa: F401
    CROP,
    MOVING,
    PLATE,
    SCENE,
    AssetPool as Layers,
    PortraitComposites as PortraitScenes,
    TrimapCrops,
    add_camera_artifacts as photographed,
    color_jitter as relit,
    match_colors as towards,
    placement_matrix as foot_at,
    random_background as any_background,
    random_crop as cut,
    random_trimap as drawn_trimap,
    read_textures,
)
