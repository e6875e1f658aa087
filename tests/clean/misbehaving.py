"""An engine for tests of the whole cleaning, and a rewriter of texts that crashes or hangs if a text says so."""

from __future__ import annotations

import os
import time
from typing import BinaryIO

from veritensor_ray.clean import artifact, formats
from veritensor_ray.clean.actions import CannotRewriteError
from veritensor_ray.clean.orders import Orders, Unit, applied
from veritensor_ray.extract.source import Source
from veritensor_ray.testing import Obedient

_real = formats.rewrite


class Planted(Obedient):
    """Finds FINDME; a worker that loads it also rewrites texts as `rewrite` does."""


def rewrite(source: Source, out: BinaryIO, orders: Orders) -> None:
    """Rewrite a text, unless it tells this process to die, to wait or to fail."""
    data = source.file.read()
    source.file.seek(0)
    mark = data[: source.kind.bom]
    text = data[len(mark) :].decode()
    if "ABORT-REWRITE" in text:
        os.abort()
    if "HANG-REWRITE" in text:
        time.sleep(3600)
    if "RAISE-REWRITE" in text:
        raise ValueError("as planted")
    if "EAT-REWRITE" in text:
        out.write(b"x" * (1 << 40))
    if "REFUSE-REWRITE" in text:
        raise CannotRewriteError("the text says so")
    if source.kind.media_type == "text/plain":
        out.write(mark + applied(text, orders.edits(Unit(), text)).encode())
    else:
        _real(source, out, orders)


artifact.rewrite = rewrite  # type: ignore[attr-defined]  # what it imported
