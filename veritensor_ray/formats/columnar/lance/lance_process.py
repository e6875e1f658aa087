"""Has Lance files decoded in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.formats.columnar.decoding_process import IsolatedDecoder
from veritensor_ray.formats.columnar.lance.lance_child import LanceRequest

_THREADS = {"LANCE_CPU_THREADS": "1", "LANCE_IO_THREADS": "1", "RAYON_NUM_THREADS": "1"}
LANCE_DECODER = IsolatedDecoder("veritensor_ray.formats.columnar.lance.lance_child", "Lance files", "lance", _THREADS)


def decoded(request: LanceRequest) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kinds and the contents of the answers to a request. Raises ReadError."""
    yield from LANCE_DECODER.answers(request._asdict())


__all__ = ["LANCE_DECODER", "decoded"]
