"""A package of npm as one file: fetched once, its sum checked each time."""

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path

from lib.base import UserError


def fetch(file: Path, name: str, integrity: str) -> bytes:
    """The package `name` (with its version) at `file`, a .tgz in build/; integrity: what npm says its sum is.

    UserError where it is not there and npm is missing or without network, and for a file of another sum.
    """
    if not file.is_file():
        _download(file, name)
    content = file.read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != integrity:
        raise UserError(f"{file}: expected the package of sum {integrity}, found {found}; remove the file.")
    return content


def _download(file: Path, name: str) -> None:
    if not shutil.which("npm"):
        raise UserError(f"npm: expected it, to fetch {name} once, found none; install it (Debian: apt install npm).")
    file.parent.mkdir(parents=True, exist_ok=True)
    command = ["npm", "pack", name, "--pack-destination", str(file.parent), "--fetch-retries=0", "--loglevel=error"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = next((line for line in done.stderr.splitlines() if "npm" in line), "nothing")
        raise UserError(
            f"npm: expected {name}, found no way to it ({said}); connect to the network once, or put "
            f"{file.name} into {file.parent}."
        )
