"""What a finding shows of what other findings cover."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.clock import AtMost
from tests.findings.building import RULE, batch, rows_of, rule
from veritensor_ray.core.detection import CONTEXT, FileInfo, Hit, Rule
from veritensor_ray.core.origins import Origin
from veritensor_ray.findings.recorder import Recorder
from veritensor_ray.masking.concealment import conceal

PERSON = rule("test.person", category="pii")
SECRET = rule("test.secret", category="secret")
RULES = {one.id: one for one in (RULE, PERSON, SECRET)}
FIELDS = ("evidence_before", "evidence", "evidence_after")


def recorder(limit: int = 100_000) -> Recorder:
    return Recorder(RULES, b"key", limit)


def hits(text: str, *words: tuple[Rule, str], row: int = 0) -> list[Hit]:
    return [Hit(one.id, text.index(word), text.index(word) + len(word), row) for one, word in words]


def shown(made: Recorder, rule_id: str = RULE.id) -> list[tuple[str, ...]]:
    return [tuple(row[name] for name in FIELDS) for row in conceal(rows_of(made), made.by_artifact[0].covered) if row["rule_id"] == rule_id]


def seen(text: str, *words: tuple[Rule, str], of: Rule = RULE, **place: Any) -> tuple[str, ...]:
    made = recorder()
    made.text_hits("test", batch([text], **place), hits(text, *words))
    return shown(made, of.id)[0]


SENTENCE = "Ask Maria Gonzalez, the door opens with hunter2 only."


@pytest.mark.parametrize(
    ("of", "word", "expected"),
    [
        (RULE, "opens", ("Ask M**** G*******, the door ", "opens", " with ******* only.")),
        (RULE, "Gonzalez, the", ("Ask M**** ", "G*******, the", " door opens with ******* only.")),
        (RULE, "with hunter2 only", ("Ask M**** G*******, the door opens ", "with ******* only", ".")),
        (RULE, "ter2 only", ("Ask M**** G*******, the door opens with ***", "**** only", ".")),
        (RULE, SENTENCE, ("", "Ask M**** G*******, the door opens with ******* only.", "")),
    ],
)
@pytest.mark.parametrize("start", [0, 5000])
def test_what_others_found_is_masked(of: Rule, word: str, expected: tuple[str, ...], start: int) -> None:
    assert seen(SENTENCE, (PERSON, "Maria Gonzalez"), (SECRET, "hunter2"), (of, word), start=start) == expected


def test_every_place_of_a_fact_is_masked() -> None:
    """It has one row, and a name this short is looked for nowhere but where it was found."""
    made, text = recorder(), "Kay has luck and Kay has hope and Kay has opens"
    names = [Hit(PERSON.id, at, at + 3, 0) for at in (0, 17, 34)]
    made.text_hits("test", batch([text]), [*names, *hits(text, (RULE, "luck and Kay has hope"))])
    assert shown(made) == [("K** has ", "luck and K** has hope", " and K** has opens")]
    assert len(shown(made, PERSON.id)) == 1


def test_findings_of_personal_data_and_secrets_mask_each_other() -> None:
    words = ((PERSON, "Maria Gonzalez"), (SECRET, "hunter2"))
    assert seen(SENTENCE, *words, of=PERSON) == ("Ask ", "M**** G*******", ", the door opens with ******* only.")
    assert seen(SENTENCE, *words, of=SECRET) == ("Ask M**** G*******, the door opens with ", "*******", " only.")


def test_of_a_uri_what_makes_it_one_stays() -> None:
    text = "get https://bob:hunter22@host.example/x"
    assert seen(text, (SECRET, "https://bob:hunter22@"), (RULE, "get")) == ("", "get", " https://************@host.example/x")


def test_what_follows_a_long_secret_is_the_secret() -> None:
    text = "a" + "bc d" * 150
    made = recorder()
    made.text_hits("test", batch([text]), [Hit(SECRET.id, 0, len(text), 0)])
    assert set(shown(made, SECRET.id)[0][2]) <= {"*", " "}


@pytest.mark.parametrize("text", ["x\x1b\x1b hunter2 bad \u200b hunter2 y", "\x1b hunter2 \x1b bad hunter2 \x00"])
def test_behind_an_escape_the_whole_piece_is_masked(text: str) -> None:
    made = recorder()
    secrets = [Hit(SECRET.id, at, at + 7, 0) for at in (text.index("hunter2"), text.rindex("hunter2"))]
    made.text_hits("test", batch([text]), [*secrets, *hits(text, (RULE, "bad"))])
    ((before, evidence, after),) = shown(made)
    assert (evidence, "hunter2" in before + after) == ("bad", False)
    assert "unter" not in before + after


def test_an_escape_without_a_secret_hides_nothing() -> None:
    assert seen("hunter2 and\x1b more bad", (SECRET, "hunter2"), (RULE, "bad"))[1] == "bad"
    assert "\\x1b more" in seen("one hunter2 and " + "y" * 400 + "\x1b more bad", (SECRET, "hunter2"), (RULE, "bad"))[0]


@pytest.mark.parametrize(
    ("mine", "other", "masked"),
    [
        ({}, {}, True),
        ({"row": 1, "column": "a"}, {"row": 1, "column": "a"}, True),
        ({"row": 1, "column": "a"}, {"row": 1, "column": "b"}, False),
        ({"row": 1, "column": "a"}, {"row": 2, "column": "a"}, False),
        ({"part": "body"}, {"part": "notes"}, False),
        ({"page": 1}, {"page": 2}, False),
        ({"member": "a"}, {"member": "b"}, False),
        ({"member": "a"}, {}, False),
    ],
)
def test_only_of_the_same_unit(mine: dict[str, Any], other: dict[str, Any], masked: bool) -> None:
    text = "pass hunter2 bad"
    made = recorder()
    made.text_hits("test", batch([text], **mine), hits(text, (RULE, "bad")))
    made.text_hits("test", batch([text], **other), hits(text, (SECRET, "hunter2")))
    assert ("hunter2" not in shown(made)[0][0]) is masked


def test_of_a_text_that_was_put_together_the_characters_are_masked() -> None:
    text = "say hunter2, bad boy"
    origins = [[Origin(0, 100, 104), Origin(4, 200, 211), Origin(11, 300, 309)]]  # the second is longer in the file
    assert seen(text, (SECRET, "hunter2"), (RULE, "bad"), origins=origins, start=0) == ("say *******, ", "bad", " boy")


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        ((10, 20), ("*** *******, ", "bad", " boy")),
        ((60, 70), ("say hunter2, ", "***", " boy")),
        ((80, 90), ("say hunter2, ", "bad", " boy")),
    ],
)
def test_what_was_found_in_the_original_hides_what_was_decoded_from_it(span: tuple[int, int], expected: tuple[str, ...]) -> None:
    text = "say hunter2, bad boy"
    origins = [[Origin(0, 0, 50), Origin(13, 50, 70), Origin(16, 100, 104)]]
    made = recorder()
    made.text_hits("test", batch([text], origins=origins), hits(text, (RULE, "bad")))
    made.text_hits("test", batch(["x" * 200]), [Hit(SECRET.id, *span, 0)])
    assert shown(made) == [expected]


def test_what_was_found_in_decoded_text_hides_the_original() -> None:
    made = recorder()
    text = "the code aHVudGVyMg== bad"
    made.text_hits("test", batch([text]), hits(text, (RULE, "bad")))
    made.text_hits("test", batch(["hunter2"], origins=[[Origin(0, 9, 21)]], view="decoded"), [Hit(SECRET.id, 0, 7, 0)])
    assert shown(made) == [("the code ************ ", "bad", "")]


@pytest.mark.parametrize(
    ("data", "media_type", "expected"),
    [
        (b"one hunter2 and bad.", "text/plain", ("one ******* and ", "bad", ".")),
        ("é hunter2 and bad.".encode(), "text/plain", ("é ******* and ", "bad", ".")),
        ("hunter2 é and bad.".encode(), "text/plain", ("******* * and ", "bad", ".")),
        (b"\xe9\xe9 hunter2 and bad.", "application/octet-stream", ("éé ******* and ", "bad", ".")),
    ],
)
def test_what_engines_of_bytes_show(data: bytes, media_type: str, expected: tuple[str, ...]) -> None:
    made = recorder()
    made.file_hits(
        "raw", 0, io.BytesIO(data), FileInfo("a", len(data), media_type), [Hit(RULE.id, data.index(b"bad"), data.index(b"bad") + 3)]
    )
    text = data.decode("utf-8" if media_type == "text/plain" else "latin-1")
    at = data.index(b"hunter2")
    word = Hit(SECRET.id, 0, 7, 0)
    made.text_hits("test", batch(["hunter2"], byte_offset=at, start=text.index("hunter2"), line=1), [word])
    assert shown(made) == [expected]


def test_an_engines_own_words_keep_all_but_what_looks_random() -> None:
    text = "load XkmHkW5vQ7CF5puzQqmOBZ9 now"
    made = recorder()
    own = Hit(RULE.id, 0, len(text), 0, message=f"os.system gets {text}", evidence=f"os.system {text}")
    made.text_hits("test", batch([text]), [own, *hits(text, (SECRET, "XkmHkW5vQ7CF5puzQqmOBZ9"))])
    (row,) = (row for row in conceal(rows_of(made), made.by_artifact[0].covered) if row["rule_id"] == RULE.id)
    assert (row["evidence"], row["message"]) == ("os.system load " + "*" * 23 + " now", "os.system gets load " + "*" * 23 + " now")


def test_keys_and_places_stay() -> None:
    made = recorder()
    made.text_hits("test", batch([SENTENCE]), hits(SENTENCE, (PERSON, "Maria Gonzalez"), (SECRET, "hunter2"), (RULE, "opens")))
    for before, after in zip(rows_of(made), conceal(rows_of(made), made.by_artifact[0].covered), strict=True):
        assert {name: value for name, value in before.items() if name not in (*FIELDS, "shown")} == {
            name: value for name, value in after.items() if name not in FIELDS
        }


@pytest.mark.results
def test_many_findings_in_one_text_take_no_long_time(at_most: AtMost) -> None:
    text = "Maria hunter2 bad " * 5_000
    made = recorder()
    found = [Hit(one.id, at, at + 5, 0) for i in range(5_000) for one, at in ((PERSON, i * 18), (SECRET, i * 18 + 6), (RULE, i * 18 + 14))]
    made.text_hits("test", batch([text]), found)
    with at_most(10):
        assert sum("hunte" in row["evidence_before"] for row in conceal(rows_of(made), made.by_artifact[0].covered)) == 0
    assert all(len(row["evidence_before"]) <= CONTEXT for row in conceal(rows_of(made)[:100], made.by_artifact[0].covered))
