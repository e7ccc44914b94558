"""Download the AISegment set from Kaggle: `python -m lib kaggle TARGET`. Never run by anything else.

Needs kagglehub (`pip install kagglehub`, or the project's extra `kaggle`) and your own Kaggle account: make
an API token at https://www.kaggle.com/settings and set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY,
or keep ~/.kaggle/kaggle.json. The set's licence is Kaggle's page's; read it there. An interrupted download
goes on where it stopped when the same command is given again; a finished one is found and returned at once.
"""

import argparse
import importlib
import os
from pathlib import Path

from lib.base import UserError
from lib.data.aisegment import AISegment

DATASET = "laurentmih/aisegmentcom-matting-human-datasets"


def download(target: str | Path) -> Path:
    """Download the set below `target` (created if missing) and return the directory to give as data_dir.

    Raises UserError when kagglehub or the credentials are missing, the target cannot be written, or the
    download fails.
    """
    target = Path(target).expanduser().absolute()
    # kagglehub's cache layout is what makes its downloads resumable; its output_dir option wants an empty
    # directory.
    os.environ["KAGGLEHUB_CACHE"] = str(target)
    try:
        hub, config = importlib.import_module("kagglehub"), importlib.import_module("kagglehub.config")
    except ModuleNotFoundError as error:
        raise UserError(
            f"kaggle: expected the package kagglehub, found no module '{error.name}'; "
            "install it with: pip install kagglehub"
        ) from error
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{target}: expected a directory that can be written, found: {error.strerror}; give another directory."
        ) from error
    try:
        credentials = config.get_kaggle_credentials()
    except ValueError as error:
        raise UserError(
            f"kaggle: expected usable credentials, found: {error}; make a new token at https://www.kaggle.com/settings."
        ) from error
    if credentials is None:
        raise UserError(
            "kaggle: expected your Kaggle credentials, found none; make an API token at "
            "https://www.kaggle.com/settings and set KAGGLE_API_TOKEN (or KAGGLE_USERNAME and "
            "KAGGLE_KEY)."
        )
    try:
        return Path(hub.dataset_download(DATASET))
    except Exception as error:  # kagglehub passes on what its HTTP library raises
        cause = " ".join(str(error).split())
        raise UserError(
            f"kaggle: the download stopped ({cause}); give the same command again and it goes on from there."
        ) from error


def main(arguments: list[str] | None = None) -> None:
    """Download, and say how the set is used. UserError for a mistake."""
    parser = argparse.ArgumentParser(
        prog="python -m lib kaggle", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", help="directory to download into")
    path = download(parser.parse_args(arguments).target)
    source = AISegment(path)
    print(f"{source.counts['used']} pairs in {path}")
    print(f"make paper PROFILE=paper DATA=aisegment DATA_DIR={path}")
