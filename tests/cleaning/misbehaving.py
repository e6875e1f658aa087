"""An engine for tests of the whole cleaning, and a rewriter that crashes or hangs if a file says so."""

from __future__ import annotations

import os
import time
from typing import BinaryIO

from veritensor_ray.cleaning import artifact_cleaner
from veritensor_ray.formats import format_registry as formats
from veritensor_ray.formats.common.source import Source
from veritensor_ray.formats.editing.actions import CannotRewriteError
from veritensor_ray.formats.editing.edits import Orders
from veritensor_ray.testing import Obedient

_real = formats.rewrite


class Planted(Obedient):
    """Finds FINDME. A worker that loads it also rewrites files as `rewrite` does."""


def rewrite(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a file, unless it tells this process to die, to wait or to fail."""
    data = source.file.read()
    source.file.seek(0)
    if b"ABORT-REWRITE" in data:
        os.abort()
    if b"HANG-REWRITE" in data:
        time.sleep(3600)
    if b"RAISE-REWRITE" in data:
        raise ValueError("as planted")
    if b"EAT-REWRITE" in data:
        out.write(b"x" * (1 << 40))
    if b"REFUSE-REWRITE" in data:
        raise CannotRewriteError("the text says so")
    _real(source, out, orders)


artifact_cleaner.rewrite = rewrite  # type: ignore[attr-defined]  # what it imported
