"""What an experiment outside the notebooks leaves in the repository: tables as CSV, and a record of how they were made."""

import json

import pandas as pd

from lib import provenance
from lib.base import reports_dir, write_atomically


def write(folder: str, record: str, tables: dict[str, pd.DataFrame], said: dict) -> None:
    """Write each of `tables` as reports/<folder>/<its name>.csv, and `said`, with the machine, the packages and the commit, as
    reports/<folder>/<record>.json."""
    place = reports_dir(folder)
    for name, table in tables.items():
        write_atomically(place / f"{name}.csv", table.to_csv(index=False, lineterminator="\n").encode())
    content = said | provenance.environment()
    write_atomically(place / f"{record}.json", (json.dumps(content, indent=1) + "\n").encode())
