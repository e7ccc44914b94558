# SHIM
import pandas as pd

from lib.report.tables import MIN_GROUPS as FEWEST_GROUPS, SHARED, leakage as table, leakage_values as values  # noqa: F401


def impossible():
    return pd.DataFrame([{"comparison": "not possible: needs two groups, and a group with two images"}])


def shared_images(table):
    rows = table[table.comparison == SHARED].to_dict("records")
    return rows[0] if rows and rows[0]["test images"] else {}
