# SHIM
from lib.data.portraits import PersonPlaceGrid as Crossed  # noqa: F401
