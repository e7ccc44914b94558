# SHIM
from lib.report.figures import ablation_panels as arms, dot_plot as dots_of, dots, errors_along_clip as along, save_clip  # noqa: F401
