# SHIM
from lib.experiments.difficulty import *  # noqa: F403
