# SHIM
from lib.data.perturb import (  # noqa: F401
    CAMOUFLAGE,
    CELLS,
    DETAIL,
    KNOWN_FOREGROUND as SURE,
    held_out_scenes as scenes,
    perturb as dialled,
    setting_grid as cells,
    texture,
)
