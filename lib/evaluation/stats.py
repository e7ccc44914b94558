# SHIM
# ruff: noqa
from lib.scores import (
    bootstrap_interval as bootstrap_interval,
    direction,
    gap as gap,
    interval as interval,
    mean_with_interval as estimate,
    to_value as spread,
)


def verdict(low: float | None, high: float | None, better: str = "lower", worse: str = "higher") -> str:
    return {"below": better, "above": worse}.get(direction(low, high), direction(low, high))
