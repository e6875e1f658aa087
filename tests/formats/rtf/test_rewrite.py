"""RTF: only the characters of a finding change, however they are written, and everything else stays byte for byte."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cleaning.marked import Rewritten, rewritten
from tests.formats.office.rewriting.test_tracing import masked, texts
from tests.formats.rtf.test_read import rtf
from veritensor_ray.cleaning.cleaning_policy import CleanPolicy
from veritensor_ray.cleaning.copy_manifest import Result

MAIL = "jane.doe@example-mail.de"
MASK = {"rules": [{"rule": "pii.*", "action": "mask"}]}


def clean(data: bytes, policy: dict[str, Any] | None = None) -> Rewritten:
    return rewritten(data, "a.rtf", CleanPolicy.model_validate(policy or MASK), ("secrets", "pii", "structure"))


def cleaned(data: bytes, policy: dict[str, Any] | None = None) -> bytes:
    """The clean file, in which nothing of the values is left, and nothing that the policy acts on."""
    found = clean(data, policy)
    assert found.cleaned.result == Result.CLEANED, found.cleaned.reason
    assert found.data is not None
    assert not re.search(rb"jane|doe|example|4929", found.data)
    assert clean(found.data, policy).cleaned.result == Result.COPIED
    return found.data


HEX = "".join(f"\\'{ord(character):02x}" for character in MAIL)
NUMBERS = "".join(f"\\u{ord(character)}?" for character in MAIL)
BARE = "".join(f"\\u{ord(character)} " for character in MAIL)
TEXTS = {
    "in one piece": (rf"\pard Ask {MAIL} now\par", r"\pard Ask [EMAIL] now\par"),
    "over formats": (r"\pard jane.{\b doe@}{\i\cf2 example}-mail.de now\par", r"\pard [EMAIL]{\b }{\i\cf2 } now\par"),
    "over lines of the file": ("\\pard jane.doe\r\n@example\n-mail.de now", "\\pard [EMAIL]\r\n\n now"),
    "in hexadecimal": (rf"\pard \'e4\'f6 {HEX} \'fc", r"\pard \'e4\'f6 [EMAIL] \'fc"),
    "in hexadecimal, with other letters": (rf"\pard (\'22{HEX}\'22{HEX})", r'\pard ("[EMAIL]"[EMAIL])'),
    "by numbers": (rf"\pard Ask {NUMBERS} now", r"\pard Ask [EMAIL] now"),
    "by numbers without alternatives": (rf"\pard{{\uc0 Ask {BARE} now}}", r"\pard{\uc0 Ask [EMAIL] now}"),
    "by numbers with long alternatives": (r"\pard\uc3 x \u106 ---ane.doe@example-mail.de", r"\pard\uc3 x [EMAIL]"),
    "hidden characters in between": (r"\pard jane.{\v XX}doe@example-mail.de", r"\pard [EMAIL]{\v XX}"),
    "hidden": (rf"\pard x{{\v {MAIL}}}y", r"\pard x{\v [EMAIL]}y"),
    "deleted": (rf"\pard x{{\deleted {MAIL}}}y", r"\pard x{\deleted [EMAIL]}y"),
    "a comment and its author": (
        rf"\pard x{{\*\atnauthor {MAIL}}}{{\*\annotation see {MAIL}}}",
        r"\pard x{\*\atnauthor [EMAIL]}{\*\annotation see [EMAIL]}",
    ),
    "properties": (rf"{{\info{{\title {MAIL}}}{{\author Eve}}}}x", r"{\info{\title [EMAIL]}{\author Eve}}x"),
    "headers and footnotes": (rf"{{\header {MAIL}}}x{{\footnote {MAIL}}}", r"{\header [EMAIL]}x{\footnote [EMAIL]}"),
    "a field": (
        rf'{{\field{{\*\fldinst HYPERLINK "mailto:{MAIL}"}}{{\fldrslt {MAIL}}}}}',
        r'{\field{\*\fldinst HYPERLINK "mailto:[EMAIL]"}{\fldrslt [EMAIL]}}',
    ),
    "a bookmark": (rf"{{\*\bkmkstart {MAIL}}}x{{\*\bkmkend {MAIL}}}", r"{\*\bkmkstart [EMAIL]}x{\*\bkmkend [EMAIL]}"),
    "an unknown destination": (rf"{{\*\unheard {MAIL}}}x", r"{\*\unheard [EMAIL]}x"),
    "blanks and hyphens of RTF": (r"\pard 4929\~4212\~3456\~7897\_x", r"\pard [PAYMENT_CARD]\_x"),
    "a table": (rf"\trowd\cellx1\pard\intbl {MAIL}\cell\row", r"\trowd\cellx1\pard\intbl [EMAIL]\cell\row"),
    "directly behind a control word": (r"\pard\b(4929 4212 3456 7897)\b0x", r"\pard\b([PAYMENT_CARD])\b0x"),
}


@pytest.mark.parametrize(("before", "after"), TEXTS.values(), ids=TEXTS)
def test_only_the_characters_change(before: str, after: str) -> None:
    assert cleaned(rtf(before)) == rtf(after)


def test_a_pseudonym_is_written_for_any_code_page() -> None:
    """Letters beyond ASCII are numbers, in a group of their own; those that share their bytes with the value are written so, too."""
    assert cleaned(rtf(rf"\pard \'ab{HEX}\'bb")) == rtf(r"\pard {\uc0\u171 }[EMAIL]{\uc0\u187 }")


def test_what_is_removed_does_not_let_a_control_word_go_on() -> None:
    policy = {"rules": [{"rule": "pii.*", "action": "strip"}]}
    assert cleaned(rtf(rf"\pard\tab\'6a{MAIL[1:]} now\tab\'6a{MAIL[1:]}\'207"), policy) == rtf(r"\pard\tab  now\tab\'207")
    assert cleaned(rtf(rf"\pard\tab\'28{MAIL}\'29"), MASK) == rtf(r"\pard\tab\'28[EMAIL]\'29")
    assert cleaned(rtf(rf"\pard\tab\'6a{MAIL[1:]}\par\b\'{ord('4'):x}929 4212 3456 7897\b0"), MASK) == rtf(
        r"\pard\tab[EMAIL]\par\b[PAYMENT_CARD]\b0"
    )


@pytest.mark.parametrize(
    ("strip", "after"),
    [
        ("comments", r"{\info{\author Eve}}\pard a{\v b}{\*\atnauthor Eve}{\*\annotation {\b }}"),
        ("metadata", r"{\info{\author }}\pard a{\v b}{\*\atnauthor }{\*\annotation c{\b d}}"),
        ("hidden-text", r"{\info{\author Eve}}\pard a{\v }{\*\atnauthor Eve}{\*\annotation c{\b d}}"),
    ],
)
def test_what_is_stripped_is_gone(strip: str, after: str) -> None:
    before = r"{\info{\author Eve}}\pard a{\v b}{\*\atnauthor Eve}{\*\annotation c{\b d}}"
    assert clean(rtf(before), {"strip": [strip]}).data == rtf(after)


@pytest.mark.parametrize(
    "body",
    [
        r"\pard x{\object{\*\objdata " + f"Ask {MAIL} now. ".encode().hex() + "}}",
        rf"\pard x\bin40 Ask {MAIL} now and then.   y",
    ],
    ids=["in an object", "in binary data"],
)
def test_what_cannot_change_holds_the_file(body: str) -> None:
    found = clean(rtf(body), MASK | {"unchecked": "copy"})
    assert found.marks
    assert (found.cleaned.result, found.data) == (Result.HELD, None)


def test_bytes_behind_the_document_are_searched_too() -> None:
    found = clean(rtf(rf"\pard {MAIL}") + f"\n trailing {MAIL}".encode(), MASK)
    assert found.cleaned.result in (Result.HELD, Result.CLEANED)
    assert found.data is None or MAIL.encode() not in found.data


SPELLING = st.sampled_from(
    [
        "KEY", "K{\\b E}Y", r"K\'45Y", r"\'4b\'45\'59", r"\u75?E\u89 Y", r"K{\v h}EY", "K\r\nEY", "\\b(KEY)", "\\tab KEY 1", r"\'e4KEY\'f6",
        r"\'4b\'45\'59\'4b\'45\'59", r"{\v KEY}", r"{\*\annotation KEY}", r"{\f2 \'93\'fa KEY \'4b\'45\'59\'93\'fa}", r"\tab\'4b\'45\'59a",
        "x\\par ", r"\{KEY\}", r"\u-10179?\u-8704?KEY", r"\par\u8364?KEY", "-7", "\\line", "1",
    ]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(SPELLING, min_size=1, max_size=8))
def test_every_other_character_is_read_as_before(pieces: list[str]) -> None:
    """A value is replaced wherever it is read, in any spelling, and nothing that stands beside it changes."""
    data = rtf("".join(pieces))
    after, undone = masked(data, "a.rtf", "KEY", "[X]")
    assert undone == []
    # hidden words stand apart if something is shown between them, and of that there may be less
    before, now = ([(text.replace(" ", ""), at["view"], at["column"]) for text, at in texts(one, "a.rtf")] for one in (data, after))
    assert now == [(text.replace("KEY", "[X]"), *rest) for text, *rest in before]
