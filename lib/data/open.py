"""Opening a set of images by name. The only place that knows which sources there are."""

from lib.base import UserError
from lib.data.source import Source

NAMES = ("portraits", "aisegment", "folder")
ALL_PORTRAITS = 34427  # images=0 for the rendered portraits: as many as the study says it has


def open_source(data: str, data_dir: str = "", images: int = 0, seed: int = 0) -> Source:
    """Open a source by name.

    data: `portraits` (rendered people, shipped), `aisegment` or `folder`. data_dir: directory of the files.
    images: how many to use, 0 = all; of files a random subset drawn with `seed`, kept in sorted order.

    Raises UserError for an unknown name, a missing or wrong data_dir, or an empty set.
    """
    if data not in NAMES:
        raise UserError(f"data: expected one of {', '.join(NAMES)}, found '{data}'; choose one of these.")
    if images < 0:
        raise UserError(f"images: expected 0 (all) or a positive number, found {images}; change it.")
    if data == "portraits":
        from lib.data.portraits import Portraits

        if data_dir:
            raise UserError(
                f"data_dir: the rendered portraits need no directory, found '{data_dir}'; "
                "leave it empty, or set data to aisegment or folder."
            )
        return Portraits(images or ALL_PORTRAITS, seed)
    if not data_dir:
        raise UserError(
            f"data_dir: expected the directory of the {data} set, found nothing; "
            "set data_dir (make paper ... DATA_DIR=/path)."
        )
    if data == "aisegment":
        from lib.data.aisegment import AISegment

        return AISegment(data_dir, images, seed)
    from lib.data.folder import Folder

    return Folder(data_dir, images, seed)
