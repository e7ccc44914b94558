"""The clips of rendered people: files as the manifest says, exact composites, motion that alpha and background share."""

import hashlib

import cv2
import numpy as np
import pytest

from lib.base import UserError
from lib.data.portraits import CLIP_SIDE, CLIPS, Clips, read_manifest

ALL = Clips()


def test_there_are_twenty_four_people_of_twelve_frames_and_files_agree_with_the_manifest():
    assert len(ALL.rows) == len(set(ALL.groups)) == 24
    for row in ALL.rows:
        assert hashlib.sha256((CLIPS / f"{row['id']}.webp").read_bytes()).hexdigest() == row["sha256"]
    assert all(ALL.layers(index).shape == (12, *CLIP_SIDE, 4) for index in (0, 23))


def test_people_are_on_the_same_side_as_in_the_pictures():
    side = {row["id"]: row["split"] for row in read_manifest()}
    assert all(side[group.split("-", 1)[1]] == group.split("-", 1)[0] for group in ALL.groups)
    assert {group.split("-")[0] for group in ALL.groups} == {"train", "test"}


def test_every_frame_is_the_composite_of_its_layers():
    for frame in ALL.read(1)[::5]:
        alpha = frame.alpha[..., None] / 255
        assert np.abs(frame.image - alpha * frame.foreground - (1 - alpha) * frame.background).max() <= 0.5 + 1e-9


def test_the_person_moves_but_not_by_leaps():
    for index in range(0, 24, 6):
        alpha = ALL.layers(index)[..., 3].astype(float) / 255
        step = np.abs(np.diff(alpha, axis=0)).mean((1, 2))
        assert (step > 1e-4).all() and (step < 0.05).all()


def test_the_background_moves_as_the_camera_shakes():
    frames, moved = ALL.read(2), np.array(ALL.parameters[2]["far_moves"])
    other = int(np.argmax(np.hypot(*(moved - moved[0]).T)))
    grey = [
        cv2.cvtColor(cv2.GaussianBlur(frames[i].background, (0, 0), 3), cv2.COLOR_RGB2GRAY).astype(np.float64)
        for i in (0, other)
    ]
    found = cv2.phaseCorrelate(*grey, cv2.createHanningWindow(CLIP_SIDE[::-1], cv2.CV_64F))[0]
    assert np.abs(np.array(found) - (moved[other] - moved[0])).max() < 1.0  # pixels


def test_the_same_seed_gives_the_same_clip_and_another_another():
    assert (Clips().read(0)[3].image == ALL.read(0)[3].image).all()
    assert not (Clips(seed=1).read(0)[3].background == ALL.read(0)[3].background).all()


def test_missing_and_spoilt_clips_are_refused(tmp_path, monkeypatch):
    manifest = (CLIPS / "manifest.csv").read_bytes()
    monkeypatch.setattr("lib.data.portraits.CLIPS", tmp_path)
    with pytest.raises(UserError, match="make render"):
        Clips()
    (tmp_path / "manifest.csv").write_bytes(manifest)
    cv2.imwrite(str(tmp_path / f"{ALL.keys[0]}.webp"), np.zeros((30, 30, 3), np.uint8))
    with pytest.raises(UserError, match="found \\(30, 30, 3\\)"):
        Clips().read(0)
