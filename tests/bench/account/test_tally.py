"""What is counted, stored and compared."""

from __future__ import annotations

import json

from bench.account.auditing import ESCAPED, REPORTED, SAID
from bench.account.canary import Place
from bench.account.tally import Tally, compact, page, printed, worse


def tally(**escapes: int) -> Tally:
    one = Tally()
    for kind, count in escapes.items():
        for number in range(10):
            one.add(Place(kind, "here", bytes), ESCAPED if number < count else SAID if number == 9 else REPORTED, "a.xml")
    return one


def test_a_run_is_compared_with_what_is_stored() -> None:
    stored = {"XML": tally(comment=3, text=0).stored()}
    assert stored == {"XML": {"places": 20, "said": 2, "escapes": 3, "kinds": {"comment": 3}}}
    assert worse({"XML": tally(comment=3)}, stored) == []
    assert worse({"XML": tally(comment=2)}, stored) == []
    [said] = worse({"XML": tally(comment=2, text=2)}, stored)
    assert said == "XML: 4 places escape, and 3 did before. More than before: text"
    assert worse({"XML": tally(comment=1), "JSON": tally(key=1)}, stored) == [
        "JSON: 1 places escape, and 0 did before. More than before: key"
    ]
    assert worse({}, stored) == ["XML: the ledger no longer says of any file as it is that everything was checked"]


def test_what_is_stored_is_json_with_a_line_for_each_format() -> None:
    results = {"full": {"XML": tally(comment=3).stored(), "JSON": tally(key=0).stored()}, "quick": {"XML": tally(text=0).stored()}}
    assert json.loads(compact(results)) == results
    assert len(compact(results).splitlines()) == 9


def test_the_tables_name_formats_kinds_and_examples() -> None:
    said = printed({"XML": tally(comment=3), "JSON": tally(comment=1, key=0)}, 2)
    assert said.startswith("2 formats, 4 of 30 places escape (15 places per second)")
    assert "4 of     20  comment  (in 2 formats)" in said
    assert "3 of     10  comment  (a.xml: here)" in said
    stored = {"XML": {**tally(comment=3).stored(), "kinds": {"comment": 1, "comment, zlib": 2}}}
    assert "| XML | 10 | 1 | 3 | comment (3) |" in page({"full": stored})


def test_the_page_says_which_run_was_counted() -> None:
    stored = {"XML": tally(comment=3).stored()}
    assert "make account-ci" in page({"quick": stored})
    assert "make account-ci" not in page({"quick": {}, "full": stored})
