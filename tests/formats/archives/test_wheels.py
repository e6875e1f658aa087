"""The RECORD of a wheel lists the digests of the files as they are after cleaning."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile

import pytest

from tests.cleaning.marked import rewritten

_FILES = {
    "pkg/a, b.py": 'TEXT = "write to anna.ferrand@kaldor-mail.com today"\n',
    "pkg/plain.py": "ANSWER = 42\n",
    "pkg-1.dist-info/METADATA": "Name: pkg\n\nWrite to mehmet.ferrand@kaldor-mail.com\n",
}
_RECORD = "pkg-1.dist-info/RECORD"


def _listed(text: str, algorithm: str = "sha256") -> str:
    return f"{algorithm}={base64.urlsafe_b64encode(hashlib.new(algorithm, text.encode()).digest()).rstrip(b'=').decode()},{len(text)}"


def _wheel(names: list[str], algorithm: str = "sha256") -> bytes:
    lines = [(f'"{name}"' if "," in name else name) + f",{_listed(text, algorithm)}" for name, text in _FILES.items()]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, _FILES.get(name) or "\r\n".join([*lines, f"{_RECORD},,", ""]))
    return content.getvalue()


def test_record_lists_the_digests_of_the_clean_files() -> None:
    made = rewritten(_wheel([*_FILES, _RECORD]), "pkg-1-py3-none-any.whl")
    assert made.data is not None, made.cleaned.reason
    with zipfile.ZipFile(io.BytesIO(made.data)) as archive:
        record = archive.read(_RECORD).decode()
        assert "[EMAIL]" in archive.read("pkg/a, b.py").decode()
        assert archive.testzip() is None
        for name, digest, size in csv.reader(io.StringIO(record, newline="")):
            if name != _RECORD:
                assert f"{digest},{size}" == _listed(archive.read(name).decode()), name
    assert record.count("\r\n") == 4, "line ends stay"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (_wheel([_RECORD, *_FILES]), "it stands after the RECORD of the wheel, which lists its digest"),
        (_wheel([*_FILES, _RECORD], "sha512"), "its RECORD has digests of another algorithm than SHA-256"),
    ],
)
def test_wheels_whose_record_would_be_wrong_are_held(data: bytes, reason: str) -> None:
    made = rewritten(data, "pkg-1-py3-none-any.whl")
    assert made.data is None
    assert reason in (made.cleaned.reason or "")
