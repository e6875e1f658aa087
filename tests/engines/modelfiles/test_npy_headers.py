"""Headers of NumPy arrays that are code, that are not a dictionary of the format, or that claim too much; each with a twin."""

from __future__ import annotations

import struct

from tests.cases import each
from tests.engines.modelfiles.building import judged, scan
from veritensor_ray.core.detection import Hit
from veritensor_ray.engines.modelfiles.modelfile_rules import RULES

SEVERITIES = {rule.id: rule.severity for rule in RULES}


def npy(header: str, data: bytes = bytes(8), major: int = 1) -> bytes:
    raw = header.encode() + b"\n"
    return b"\x93NUMPY" + bytes([major, 0]) + struct.pack("<H" if major == 1 else "<I", len(raw)) + raw + data


def plain(descr: str = "'<f8'", shape: str = "(1,)", more: str = "") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, {more}}}"


@each("major", [1, 2, 3])
@each(
    ("header", "severity"),
    [
        (plain(), None),
        (plain("[('a', '<f8')]"), None),
        (plain("'<f4'", "(1, 2)"), None),
        (plain("[('a', __import__('os').system('echo harmless'))]"), "high"),
        (plain(shape="(exec('x'),)"), "high"),
        ("open('/tmp/x')", "high"),
        (plain(shape="(x for x in (1,))"), "medium"),
        (plain(shape="(n,)"), "medium"),
        (plain(more="'code': 1"), "medium"),
        ("[1, 2]", "medium"),
        ("{'descr': '<f8'}", "medium"),
        ("(" * 5000, "medium"),
        (plain(shape="(1099511627776, 1024)"), "medium"),
        (plain(shape="(4, 4)"), None),
    ],
)
def test_headers(header: str, severity: str | None, major: int) -> None:
    hits = [hit for hit in scan(npy(header, major=major), "a.npy") if isinstance(hit, Hit)]
    assert [hit.severity or SEVERITIES[hit.rule] for hit in hits] == ([severity] if severity else [])


def test_only_what_the_file_holds_is_inert() -> None:
    for header, expected in ((plain(), "inert"), (plain(shape="(4, 4)"), "unknown"), (plain(shape="(1 << 50,)"), "unknown")):
        passed = judged(npy(header), "a.npy")
        assert passed is not None
        assert passed.verdict == expected
