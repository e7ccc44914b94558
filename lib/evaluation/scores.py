# SHIM
# ruff: noqa
from lib.evaluation import stats
from lib.scores import (
    MEASURE_LABELS,
    OFFICIAL_MEASURES as FOUR,
    REGION_NAMES as REGION_NAMES,
    REGIONS as REGIONS,
    compare as compare,
    differences_to_values as named_pairs,
    matrix as matrix,
    renamed as renamed,
    score_official as by_field,
    score_regions as by_region,
    scores_frame as frame,
    summarise as summarise,
    to_values as named,
)

HEADERS = {name: MEASURE_LABELS[name] for name in FOUR}


def best(summary):
    lowest = summary.loc[summary.groupby("measure", sort=False).value.idxmin()]
    return dict(zip(lowest.measure, lowest.method, strict=True))
