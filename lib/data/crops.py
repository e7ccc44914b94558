# SHIM
from lib.data.compose import CROP_SCALES as SCALES, MERGE, UnknownRegionCrops as Crops  # noqa: F401
