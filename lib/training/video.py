# SHIM: lib.data.portraits.held_out_clips, once it is there
from lib.data.clips import Clips, resized


def clips_held_out(clips: int, size: tuple[int, int]) -> list[list]:
    """The frames (lib.data.source.Sample) of so many held-out clips, at `size` (height, width)."""
    source = Clips()
    chosen = [index for index, group in enumerate(source.groups) if group.startswith("test-")][:clips]
    return [[resized(frame, size) for frame in source.read(index)] for index in chosen]
