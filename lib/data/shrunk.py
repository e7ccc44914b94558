# SHIM
from lib.data.cache import FILTERS, downsample as shrunk  # noqa: F401
