# SHIM
from lib.data.sources import open_folder as Folder  # noqa: F401
