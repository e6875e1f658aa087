"""Where large files are cut."""

from __future__ import annotations

import io

from veritensor_ray.pipeline.splitting import _lines

LINE = b"one line of text\n"
KEY = b"-----BEGIN PRIVATE KEY-----\n" + b"MIIE\n" * 40 + b"-----END PRIVATE KEY-----\n"


def test_no_private_key_is_cut_in_two() -> None:
    data = b"".join(LINE * (n % 7) + KEY for n in range(100))
    parts = [data[start:end] for _, start, end in _lines("lines", io.BytesIO(data), len(data), 1000)]
    assert b"".join(parts) == data
    assert len(parts) > 10
    assert all(part.count(b"-----BEGIN ") == part.count(b"-----END ") for part in parts)


def test_a_file_that_is_one_key_gets_no_empty_part() -> None:
    data = b"-----BEGIN PRIVATE KEY-----\n" + b"MIIE\n" * 1000
    assert _lines("lines", io.BytesIO(data), len(data), 1000) == []
