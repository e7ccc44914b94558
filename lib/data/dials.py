# SHIM
from lib.data.perturb import (  # noqa: F401
    CAMOUFLAGE,
    CELLS,
    DETAIL,
    KNOWN_FOREGROUND as SURE,
    perturb as dialled,
    setting_grid as cells,
    held_out_scenes as scenes,
    texture,
)
