# SHIM
from lib.data.augment import composite as composite, merge as merge
