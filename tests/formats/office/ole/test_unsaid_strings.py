"""What an OLE file holds outside of its streams, and in streams besides what readers give."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.cleaning.marked import rewritten
from tests.formats.mail.ole_builder import write
from tests.formats.reading import reader_source
from veritensor_ray.core.media_types import OUTLOOK
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.common.source import Member
from veritensor_ray.formats.mail.outlook import read_outlook
from veritensor_ray.formats.residue.read import read_residue

ADDRESS = b"written to jane.doe@vault-mail.org"
MESSAGE: Mapping[str, bytes] = {
    "__substg1.0_0037001F": "Good morning".encode("utf-16-le"),
    "__substg1.0_1000001F": ("GivenWords for everybody, and more of them. " * 200).encode("utf-16-le"),
    "__substg1.0_5D01001F": "mary.major@company.org".encode("utf-16-le"),
    "__properties_version1.0": bytes(32),
}
PLAIN = write(MESSAGE)
# The last sectors are the directory and the table; a stream of 4200 bytes ends within its ninth sector.
LONG = {**MESSAGE, "__substg1.0_10000102": b"\x80\xff" * 2100}


def _behind_a_stream() -> bytes:
    data = write(LONG)
    at = data.index(b"\x80\xff" * 2100) + 4200
    return data[:at] + ADDRESS + data[at + len(ADDRESS) :]


PLACES = {
    "behind the file": PLAIN + ADDRESS,
    "in UTF-16 behind the file": PLAIN + ADDRESS.decode().encode("utf-16-le"),
    "behind the end of a stream": _behind_a_stream(),
    "property that nobody reads": write({**MESSAGE, "__substg1.0_80010102": b"\1\2" + ADDRESS}),
    "stream that nobody reads": write({**MESSAGE, "__nameid_version1.0/__substg1.0_00040102": ADDRESS.decode().encode("utf-16-le")}),
    "name of a stream": write({**MESSAGE, "glpat-" + "Zx9Qw3Er7Ty1Ui5Op2As": b"\1"}),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_no_property_says_is_found(place: str) -> None:
    found = [mark for mark in rewritten(PLACES[place], "a.msg").marks if mark.view == "residue"]
    assert [mark.rule.split(".")[0] for mark in found] in (["pii"], ["secrets"])


@pytest.mark.parametrize("key", ["mary.major@company.org", "SMTP:MARY.MAJOR@COMPANY.ORG"])
def test_an_ordinary_message_says_nothing_else(key: str) -> None:
    data = write({**MESSAGE, "__substg1.0_300B0102": key.encode() + b"\0"})
    source = reader_source(data, Kind(OUTLOOK))
    items = [*read_outlook(source), *read_residue(source, len(data))]
    assert [item for item in items if isinstance(item, Member) and item.guessed] == []
    assert [item.texts for item in items if isinstance(item, Block) and item.view == "residue"] == []
