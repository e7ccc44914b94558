# SHIM
# ruff: noqa
from lib.base import reports_dir, write_atomically
from lib.output.save import save_figure, say, show, show_table, write_arrays, write_csv, write_table
