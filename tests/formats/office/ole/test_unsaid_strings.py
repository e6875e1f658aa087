"""What an OLE file holds outside of its streams, and in streams besides what readers give."""

from __future__ import annotations

import zlib
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


def _over(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


# Sectors of 512 bytes follow a header of 512 bytes; after the directory stand the numbers of the small pieces, of which few are in use.
_TABLE = (int.from_bytes(PLAIN[60:64], "little") + 1) * 512
_BEYOND = len(PLAIN) - 4 * 16  # numbers of sectors that the file does not have

PLACES = {
    "table of pieces": _over(PLAIN, _TABLE + 480 - len(ADDRESS), ADDRESS),
    "table of sectors": _over(PLAIN, _BEYOND, ADDRESS),
    "behind the file": PLAIN + ADDRESS,
    "in UTF-16 behind the file": PLAIN + ADDRESS.decode().encode("utf-16-le"),
    "behind the end of a stream": _behind_a_stream(),
    "from the end of a stream on": _over(_behind_a_stream(), _behind_a_stream().index(ADDRESS) - 4, zlib.compress(ADDRESS)),
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


PICTURE = b"\x89PNG\r\n\x1a\n" + ADDRESS
RECORD = b"\xa0\x46\x1e\xf0" + (17 + len(PICTURE)).to_bytes(4, "little") + bytes(17) + PICTURE


@pytest.mark.parametrize(("behind", "expected"), [(b"", []), (ADDRESS, ["residue"])])
def test_the_data_of_a_document_are_searched_beside_pictures(behind: bytes, expected: list[str]) -> None:
    document = write({"WordDocument": bytes(400), "Data": bytes(64) + RECORD + behind})
    marks = rewritten(document, "a.doc").marks
    assert [mark.view for mark in marks if mark.member is None] == expected
