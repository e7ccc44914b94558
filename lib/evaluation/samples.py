# SHIM
# ruff: noqa
from lib.scores import HALF as HALF, decode_errors as unpacked, encode_errors as packed, error_bytes as content
