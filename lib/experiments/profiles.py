# SHIM
# ruff: noqa
import sys

from workflow import profiles

sys.modules[__name__] = profiles
