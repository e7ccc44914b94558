"""The article's page that answers back: what it carries of the run, and the scripts that read it."""

from pathlib import Path

HERE = Path(__file__).parent
# In this order: each may use what those before it define.
SCRIPTS = ("statistics.js", "elements.js", "audit.js", "claims.js", "pictures.js", "search.js", "start.js")
STYLES = ("page.css",)


def files() -> list[Path]:
    """What goes into the page beside the modules of this folder."""
    return [HERE / name for name in (*SCRIPTS, *STYLES)]
