# SHIM
# ruff: noqa
from lib.output.save import Leaf, flatten, slug, write_values as write
