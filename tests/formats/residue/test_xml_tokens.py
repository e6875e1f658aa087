"""What XML says beside the texts that its reader gave."""

from __future__ import annotations

import pytest

from tests.cases import each
from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Block, Gap
from veritensor_ray.formats.residue.xml_tokens import Tokens

ADDRESS = "jane.doe@vault-mail.org"


def left(xml: str, *given: str, encoding: str = "utf-8", step: int = 7) -> list[str]:
    """The lines of the residue of a part that comes in small chunks."""
    tokens, data = Tokens(set()), xml.encode(encoding)
    assert b"".join(tokens.watched(data[at : at + step] for at in range(0, len(data), step))) == data
    tokens.give(given)
    return [line for item in tokens.residue() if isinstance(item, Block) for line in str(item.texts[0]).split("\n")]


@each(
    ("xml", "said"),
    [
        (f'<a b="{ADDRESS}"/>', [ADDRESS]),
        (f"<a b = '{ADDRESS}'/>", [ADDRESS]),
        ('<a b="jane.doe&#64;vault-mail.org"/>', [ADDRESS]),
        (f"<a>{ADDRESS}</a>", [ADDRESS]),
        (f"<a><![CDATA[[{ADDRESS}]]]></a>", [f"[{ADDRESS}]"]),
        (f"<?note {ADDRESS}?><a/>", [f"note {ADDRESS}?"]),
        (f'<a b="{ADDRESS}"/><a b="{ADDRESS}"/>', [ADDRESS]),
        ('<w:p w:rsidR="00A77B3E" id="{0D5E3F10-1111-2222-3333-444455556666}" t="12.5,3.75"/>', []),
        ('<a xmlns="http://schemas.openxmlformats.org/package/2006/relationships" target="word/document.xml"/>', []),
        ('<a xmlns="http://schemas.openxmlformats.org/AKIA7Q3EGRTYU7HJKL2M"/>', ["http://schemas.openxmlformats.org/AKIA7Q3EGRTYU7HJKL2M"]),
    ],
    ids=["value", "blanks", "reference", "text", "CDATA", "instruction", "once", "forms", "namespace and path", "key in a namespace"],
)
def test_what_may_matter(xml: str, said: list[str]) -> None:
    assert left(xml) == left(xml, step=1 << 16) == said


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_what_was_given_is_not_said_again(encoding: str) -> None:
    xml = f"<p><t>A paragraph is given whole,</t><t> and written in pieces.</t></p><v>{ADDRESS}</v><x y='left over here'/>"
    assert left(xml, "A paragraph is given whole, and written in pieces.", ADDRESS, encoding=encoding) == ["left over here"]


def test_what_other_parts_said_is_not_said_again() -> None:
    known = set[int]()
    for expected in ([ADDRESS], []):
        tokens = Tokens(known)
        list(tokens.watched([f'<a b="{ADDRESS}"/>'.encode()]))
        assert [item.texts[0] for item in tokens.residue() if isinstance(item, Block)] == expected


def test_a_part_with_too_much_text_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "HELD", 100)
    tokens = Tokens(set())
    list(tokens.watched([f'<a b="{ADDRESS}">{"some text of the part" * 9}</a>'.encode()]))
    tokens.give(["some text of the part" * 9])
    found = list(tokens.residue("sheet"))
    assert [item.texts[0] for item in found if isinstance(item, Block)] == [ADDRESS]
    assert [(item.location, item.coverage) for item in found if isinstance(item, Gap)] == [("sheet", "no-reader")]
