"""Tests the example of an export with the contract."""

from __future__ import annotations

from collections.abc import Iterator

from checklist_export import CHECKLIST

from veritensor_ray.testing import ExportContract


class TestChecklist(ExportContract):
    row = CHECKLIST

    def texts(self, data: bytes) -> Iterator[str]:
        """Yield what a person sees: the lines."""
        yield from data.decode().splitlines()
