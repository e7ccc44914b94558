# SHIM
from lib.data.sources import STUDY_IMAGES as ALL_PORTRAITS, open_source  # noqa: F401
