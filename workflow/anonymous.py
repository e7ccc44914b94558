"""Results without the directories of this machine."""

import json
import os
import re
from collections.abc import Mapping

from lib.base import ROOT
from lib.experiments.parameters import PATHS

# A picture in a notebook's JSON ("image/png": "iVBOR...") and in a web page (base64,iVBOR...), and the errors behind a mean
# in a values file ("samples"): text that may spell a short path by chance.
BINARY = re.compile(
    r'("image/(?!svg)[\w.+-]+":\s*(?:"[^"]*"|\[[^\]]*\])|base64,[A-Za-z0-9+/=\r\n]+|"samples": \{[^}]*\})'
)
# A path begins behind no letter of another word, but for that of JSON's "\n" and of a terminal's colour (ESC[32m), and
# ends before none.
BEFORE_PATH = r"(?:(?<![\w.~+-])|(?<=\\[nrt])|(?<=\dm))"
BEHIND_PATH = r"(?![\w+-]|\.\w)"


def anonymous(text: str, parameters: Mapping) -> str:
    """JSON text or a web page without directories of this machine: paths in the repository become relative to it,
    those that parameters name keep their last part.

    Only whole paths are replaced (/d in "/d/x.png", not in "/data" or "a/d"), and none inside a picture.
    """
    roots = _spellings(str(ROOT))
    named = {str(parameters.get(name, "")).rstrip("/") for name in PATHS}
    named = {form for path in named if os.path.isabs(path) for form in _spellings(path)}

    def shorter(match: re.Match) -> str:
        path, slash = match.groups()
        return os.path.basename(path) + slash if path in named else "" if slash else "."

    longest_first = sorted(named | roots, key=len, reverse=True)
    pattern = re.compile(f"{BEFORE_PATH}({'|'.join(map(re.escape, longest_first))})(/|{BEHIND_PATH})")
    parts = BINARY.split(text)  # every second part is binary
    parts[::2] = [pattern.sub(shorter, part) for part in parts[::2]]
    return "".join(parts)


def _spellings(path: str) -> set[str]:
    """A path as it stands in text and in JSON, which may write letters as numbers and always writes quotes as \\"."""
    return {path, json.dumps(path)[1:-1], json.dumps(path, ensure_ascii=False)[1:-1]}
