# SHIM
# ruff: noqa
import sys

from workflow import run

sys.modules[__name__] = run
