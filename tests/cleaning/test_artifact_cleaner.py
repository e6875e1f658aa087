"""An artifact is rewritten within its time, however often its rewriter says that it makes progress, and only where something was found."""

from __future__ import annotations

import itertools

import pytest

from tests.cleaning.marked import rewritten
from tests.engines.secrets.building import ALNUM, letters
from tests.formats.office.building import docx
from veritensor_ray.cleaning.cleaning_policy import parse
from veritensor_ray.cleaning.copy_manifest import Result

_LATE = "rewriting it takes too long (limits.artifact_seconds: 300)"


def paragraph(count: int, **parts: str | bytes) -> bytes:
    runs = (f"<w:r><w:t>write to ada{number}@kaldor-mail.com </w:t></w:r>" for number in range(count))
    return docx(f"<w:p>{''.join(runs)}</w:p>", **parts)


@pytest.mark.parametrize(
    ("data", "policy", "result", "reason"),
    [
        (paragraph(100), "", Result.CLEANED, None),
        (paragraph(400), "", Result.HELD, _LATE),
        (paragraph(400), "unsupported: copy", Result.COPIED, f"copied with 400 findings in it, as the policy says: {_LATE}"),
    ],
)
def test_a_rewriter_has_so_many_seconds(data: bytes, policy: str, result: Result, reason: str | None) -> None:
    clock = itertools.count()  # a second passes whenever a rewriter shows that it is alive
    found = rewritten(data, "x.docx", parse(policy), clock=lambda: next(clock)).cleaned
    assert (found.result, found.reason) == (result, reason)


def test_a_larger_artifact_has_more_of_them() -> None:
    clock = itertools.count()
    data = paragraph(400, media__bin=bytes(1 << 20))
    assert rewritten(data, "x.docx", parse("unchecked: copy"), clock=lambda: next(clock)).cleaned.result is Result.HELD
    found = rewritten(data, "x.docx", parse("unchecked: copy"), clock=lambda: next(clock), limits={"split_bytes": len(data) // 4})
    assert found.cleaned.result is Result.CLEANED


def test_a_file_of_aws_credentials_keeps_its_other_lines_and_no_finding() -> None:
    key_id, secret = "AKIA" + letters(ALNUM[26:].upper(), 16), letters(ALNUM + "/+", 40)
    lines = "[default]\naws_access_key_id = {}\n# rotated in May\naws_secret_access_key = {}\nregion = eu-central-1\n"
    made = rewritten(lines.format(key_id, secret).encode(), "credentials")
    assert made.data == lines.format("[AWS_ACCESS_KEY]", "[AWS_SECRET_KEY]").encode()
    assert rewritten(made.data, "credentials").marks == []
