# SHIM
from lib.report.tables import *  # noqa: F403
from lib.report.tables import with_interval


def effects(found):
    """Table of effects; moves into notebook 06."""
    import pandas as pd

    from lib.evaluation.scores import HEADERS

    rows = []
    for effect, by_name in found.items():
        row = {"difference made by": effect}
        for name, header in HEADERS.items():
            row |= with_interval(header, by_name[name])
        rows.append(row)
    return pd.DataFrame(rows)
