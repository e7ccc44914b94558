# SHIM
from lib.report.style import *  # noqa: F403
