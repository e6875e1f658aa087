"""The preview of a cleaned copy: every kind of change, before and after, and no text that becomes a part of the page."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from veritensor_ray.cleaning.copy_counts import CopyCounts
from veritensor_ray.exports.report.copy_preview import preview

HOSTILE = "<script>alert(1)</script><img src=x onerror=y>\u202e{{ 7 * 7 }}"
ACTIONS = [("pii.email", "mask", 7), ("injection.prompt", "drop-row", 2), ("modelfiles.unsafe", "quarantine", 1), (HOSTILE, "mask", 1)]
RUN: dict[str, Any] = {
    "sources": [f"corpus-{HOSTILE}"],
    "policy": {"file": HOSTILE},
    "level": "medium",
    "profile": "standard",
    "finished_at": "2026-01-01T00:00:00+00:00",
    "results": {"cleaned": 3},
    "actions": [{"rule": rule, "action": action, "count": count} for rule, action, count in ACTIONS],
    "samples": [{"rule": "pii.email", "action": "mask", "before": f"to ••• {HOSTILE}", "after": f"to [EMAIL] {HOSTILE}"}],
}


class Elements(HTMLParser):
    """The names and attributes of elements, and the cells of tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names, self.attributes, self.texts = set[str](), set[str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    return preview(RUN)


def test_each_kind_of_change_is_shown(page: str) -> None:
    texts = [text.strip() for text in Elements(page).texts if text.strip()]
    at = texts.index("pii.email")
    assert [*texts[at : at + 5]] == ["pii.email", "mask", "7 places", "Before", "After"]
    assert texts[at + 5].startswith("to ••• <script>")
    assert texts[at + 6].startswith("to [EMAIL] <script>")
    assert {"The row is left out.", "The file is set aside.", "No example of this kind was kept."} <= set(texts)


def test_text_of_a_corpus_stays_text(page: str) -> None:
    elements = Elements(page)
    assert not elements.names & {"script", "img", "iframe", "link", "a", "form"}
    assert not elements.attributes & {"src", "href", "onerror", "style"}
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "\u202e" not in page
    assert "49" not in page.split("</style>")[1]


def test_the_first_few_changes_of_each_kind_are_kept() -> None:
    counts = CopyCounts()
    for rule in ("pii.email", "pii.phone", "pii.email"):
        counts.add_samples({"rule": rule, "action": "mask", "before": str(i), "after": ""} for i in range(4))
    assert [one["rule"] for one in counts.samples] == ["pii.email"] * 4 + ["pii.phone"] * 4 + ["pii.email"]
