"""Profiles: the files notebooks/profiles/<name>.toml, each the parameters of a run, and single settings on top of them."""

import difflib
import shlex
import tomllib

from lib.base import ROOT, UserError

NOTEBOOKS = ROOT / "notebooks"
PROFILES = NOTEBOOKS / "profiles"


def read(name: str) -> dict:
    """The tables of notebooks/profiles/<name>.toml; UserError for a file that is no TOML or holds something else, and for
    another name one that lists the known ones."""
    known = sorted(path.stem for path in PROFILES.glob("[!.]*.toml"))  # not ._x.toml of macOS
    notebooks = [path.stem for path in NOTEBOOKS.glob("*.ipynb")]
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {close[0]}?" if close else "choose one of them."
        raise UserError(f"profile: expected one of {', '.join(known)}, found {name!r}; {advice}")
    try:
        profile = tomllib.loads((PROFILES / f"{name}.toml").read_bytes().decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UserError(f"notebooks/profiles/{name}.toml: expected TOML, found: {error}; correct it.") from error
    for table, content in profile.items():
        if table not in ("parameters", *notebooks) or not isinstance(content, dict):
            found = table if isinstance(content, dict) else f"{table} = {content!r}"
            raise UserError(
                f"notebooks/profiles/{name}.toml: expected the table [parameters], and tables of notebooks' names, found "
                f"{' '.join(found.split())}; correct it."
            )
    return profile


def parse_setting(text: str) -> tuple[str, object]:
    """ "name=value" -> (name, value), the value read as TOML where it is TOML, otherwise as a plain word."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f'SET: expected name=value, found {text!r}; write for example SET="epochs=20".')
    try:
        return name.strip(), tomllib.loads(f"x = {value}")["x"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()


def parse_settings(text: str) -> dict[str, object]:
    """Several settings in one text, quoted as in a shell: make's SET."""
    try:
        return dict(map(parse_setting, shlex.split(text)))
    except ValueError as error:
        raise UserError(
            f"SET: expected name=value with closed quotes, found {text!r} ({error}); close them."
        ) from error
