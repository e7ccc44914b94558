# SHIM
from lib.report.gallery import *  # noqa: F403
from lib.report.gallery import error_colormap as error_colours, softest_window as softest  # noqa: F401
