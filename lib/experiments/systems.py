# SHIM
# ruff: noqa
from lib import methods as new
from lib.methods import LARGE as LARGE, SMALL as SMALL, networks as networks


def people(count, size=SMALL):
    return list(new.people(count, size).values())


def photographed_again(samples):
    return [new.handheld(sample) for sample in samples]


def stills(nets, solvers=True):
    """Old methods: (sample, trimap) -> (alpha, foreground)."""
    from dataclasses import replace

    methods = new.picture_methods(nets, solvers)
    return {name: lambda s, trimap, solve=solve: solve(replace(s, trimap=trimap)) for name, solve in methods.items()}
