# SHIM
# ruff: noqa
from lib.inference import Prediction
from lib.methods import clip_measures, evaluate, picture_measures, with_trimap
from lib.scores import CLIP_MEASURES as CLIP, FRAME_MEASURES as WHOLE, MEASURE_LABELS as HEADERS

Still = Moving = Found = None  # types


def trimap_of(alpha):
    from lib.data.trimap import make_trimap
    from lib.methods import TRIMAP_RADIUS

    return make_trimap(alpha, TRIMAP_RADIUS * alpha.shape[0])


def judge_stills(samples, methods):
    named = {f"person {n}": with_trimap(sample) for n, sample in enumerate(samples, 1)}
    adapted = {label: lambda s, solve=solve: Prediction(*solve(s, s.trimap)) for label, solve in methods.items()}
    return evaluate(named, adapted, picture_measures)


def judge_clips(clips, methods):
    adapted = {label: lambda s, solve=solve: Prediction(*solve(s)) for label, solve in methods.items()}
    return evaluate(clips, adapted, clip_measures)
