"""One text, its marks and a policy: the text that comes out."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from veritensor_ray.cleaning.clean_text import cleaned
from veritensor_ray.cleaning.cleaning_policy import parse
from veritensor_ray.cleaning.replacements import Replacements
from veritensor_ray.formats.editing.marks import Mark

CATEGORIES = {"pii.email": "pii", "secrets.token": "secret", "signatures.hidden": "hidden-content", "signatures.attack": "prompt-injection"}


def mark(rule: str, whole: str, found: str, severity: str = "medium", **changed: Any) -> Mark:
    """A mark of `found` where it stands first in the text."""
    start = whole.index(found)
    return Mark(rule, severity, None, None, None, None, None, "visible", None, start, start + len(found), found, straight=True)._replace(
        **changed
    )


MAIL = "to bob@x.org!"
CASES: dict[str, tuple[str, list[Mark], dict[str, Any], str | None]] = {
    "nothing": ("fine", [], {}, "fine"),
    "mask": (MAIL, [mark("pii.email", MAIL, "bob@x.org")], {}, "to [EMAIL]!"),
    "below the level": (MAIL, [mark("pii.email", MAIL, "bob@x.org", "low")], {}, MAIL),
    "two": (MAIL, [mark("pii.email", MAIL, "bob@x.org"), mark("secrets.token", MAIL, "to")], {}, "[TOKEN] [EMAIL]!"),
    "hidden characters": ("a\u200bb", [mark("signatures.hidden", "a\u200bb", "a\u200bb")], {}, "ab"),
    "attack": ("obey", [mark("signatures.attack", "obey", "obey")], {}, None),
    "attack and mail": (MAIL, [mark("pii.email", MAIL, "bob@x.org"), mark("signatures.attack", MAIL, "to")], {}, None),
    "dropped": (MAIL, [mark("pii.email", MAIL, "bob@x.org")], {"rules": [{"category": "pii", "action": "drop-row"}]}, None),
    "emptied": (MAIL, [mark("pii.email", MAIL, "bob@x.org")], {"rules": [{"category": "pii", "action": "drop-cell"}]}, ""),
    "another text": (MAIL, [mark("pii.email", MAIL, "bob@x.org")._replace(text="ann@x.org")], {}, None),
    "another text, copied": (MAIL, [mark("pii.email", MAIL, "bob@x.org")._replace(text="ann@x.org")], {"unsupported": "copy"}, MAIL),
    "in an encoded file": (MAIL, [mark("pii.email", MAIL, "bob@x.org", member="base64@3", straight=False)], {}, None),
    "strip": ("zero\u200bwidth", [], {"strip": ["hidden-text"]}, "zerowidth"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_policy_decides(name: str) -> None:
    text, marks, policy, expected = CASES[name]
    assert cleaned(text, text, marks, parse(yaml.safe_dump(policy)), CATEGORIES, Replacements(b"k"), "text") == expected


def test_what_engines_did_not_see_stays_as_it_was() -> None:
    text, seen = "\ud800 bob@x.org", "\ufffd bob@x.org"
    assert (
        cleaned(text, seen, [mark("pii.email", seen, "bob@x.org")], parse("{}"), CATEGORIES, Replacements(b"k"), "text") == "\ud800 [EMAIL]"
    )
