# SHIM
# ruff: noqa: F401
from lib.models.rvm import (
    LRASPP,
    ConvGRU as Memory,
    DecoderStage as Level,
    DeepGuidedFilter,
    NoMemory,
    RVMOutput as Clip,
    States,
    VideoMatting,
    small,
)
