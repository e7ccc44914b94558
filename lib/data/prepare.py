# SHIM
from lib.data.cache import (  # noqa: F401
    CHANNELS,
    ROWS_PER_TASK as CHUNK,
    VERSION,
    ImageSet as Prepared,
    prepare as _prepare,
)


def prepare(source, size, rule="tolerant", cache=None, workers=0, bad_limit=0.01):
    return _prepare(source, size, rule, cache or "", bad_limit)
