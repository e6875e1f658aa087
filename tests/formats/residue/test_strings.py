import random

from tests.cases import each
from veritensor_ray.formats.residue.strings import FoundString, strings

NOISE = bytes(range(128, 192)) + bytes(8)


@each(
    ("data", "found"),
    [
        (b"eight ch", [FoundString(0, 8, "eight ch")]),
        (b"seven c", []),
        (NOISE + b"an address\tand\r\na line" + NOISE, [FoundString(72, 22, "an address\tand\r\na line")]),
        (b"\x01first one\x02second one\x00", [FoundString(1, 9, "first one"), FoundString(11, 10, "second one")]),
        ("\x01Größe überall 日本語".encode(), [FoundString(1, 26, "Größe überall 日本語")]),
        (b"\xc3broken \xe6\x97letters", []),
        (b" " * 20, []),
        (b"\x07" + "wide text".encode("utf-16-le"), [FoundString(1, 18, "wide text", "utf-16-le")]),
        (b"\x07\x07" + "wide text".encode("utf-16-be"), [FoundString(2, 18, "wide text", "utf-16-be")]),
        (b"\x07\x07" + "wide text".encode("utf-16-be") + b"\x07", [FoundString(2, 18, "wide text", "utf-16-be")]),
        (b"", []),
    ],
    ids=[
        "short",
        "too short",
        "in noise",
        "two",
        "UTF-8",
        "broken UTF-8",
        "blanks",
        "UTF-16, odd place",
        "UTF-16, big-endian",
        "UTF-16, big-endian, before another byte",
        "empty",
    ],
)
def test_what_is_readable(data: bytes, found: list[FoundString]) -> None:
    assert list(strings(data)) == found


def test_places_are_those_of_the_bytes() -> None:
    rng = random.Random(3)
    data = b"".join(
        rng.choice((rng.randbytes(9), b"some words here", "Übergrößen".encode(), "breit und lang".encode("utf-16-le"))) for _ in range(400)
    )
    for at, size, text, via in strings(data):
        assert data[at : at + size].decode(via or "utf-8", "replace") == text
