# SHIM
from lib.data.images import foreign_file  # noqa: F401
from lib.data.sources import Sample, Source  # noqa: F401
