# SHIM
from lib.cutout.upsample import (  # noqa: F401
    BAND as REACH,
    EPSILON,
    FLAT,
    MIN_SIDE as LEAST,
    RADIUS,
    SEARCH_SIDE as LOOKED,
    STRIP,
    half_largest_square as reach,
    matte as matted,
    working_size,
)
