# SHIM
from lib.data.portraits import CLIP_SIDE as SIDE, CLIPS as FOLDER, Clips as Clips, resize_frame as resized  # noqa: F401
