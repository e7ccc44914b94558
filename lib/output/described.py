# SHIM
# ruff: noqa
from lib.output.save import KEY, PICTURE, describe, name_picture
