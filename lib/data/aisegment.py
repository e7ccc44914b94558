# SHIM
from lib.data.sources import AISegment  # noqa: F401
