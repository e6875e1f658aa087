"""The attacks that `models calibrate` fits the mix with are texts that no first stage was trained on."""

from __future__ import annotations

import json
from importlib.resources import files

from training.texts import written


def test_they_are_kept_apart_from_training() -> None:
    """To make the file anew, choose some of the attacks in `training/injection/apart` by `training.documents.share`."""
    known = json.loads((files("veritensor_ray.models") / "attacks.json").read_text("utf-8"))
    apart = {one.text: one.language for one in written("apart") if one.attack}
    trained = {one.text for one in written() if not one.kept_apart}
    assert len(known) == len(set(known)) > 200
    assert set(known) <= apart.keys() - trained
    assert len({apart[text] for text in known}) > 20, "in many languages"
