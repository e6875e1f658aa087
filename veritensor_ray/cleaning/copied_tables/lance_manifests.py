"""Writes the manifests of copied Lance datasets, by the library in the process for Lance files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from veritensor_ray.cleaning.copied_tables.log_writers import DataCopy, LogWriter
from veritensor_ray.core.media_types import UNKNOWN
from veritensor_ray.formats.columnar.lance.lance_child import COPY, DATA, MANIFEST, TABLE, LanceRequest
from veritensor_ray.formats.columnar.lance.lance_process import decoded


def _manifest(_: str, about: Mapping[str, Any], files: Sequence[DataCopy]) -> bytes:
    """Return the manifest of a first version. Raises ReadError, also if the library is not installed."""
    with tempfile.TemporaryDirectory(prefix="veritensor-ray-") as folder:
        Path(folder, TABLE).write_text(json.dumps(_table(about, files)))
        list(decoded(LanceRequest(folder, task="manifest")))
        return Path(folder, COPY, MANIFEST).read_bytes()


def _table(about: Mapping[str, Any], files: Sequence[DataCopy]) -> dict[str, Any]:
    """Return what the process has to know. Files with columns of the same rows are one fragment; one without rows is none."""
    layouts: dict[str, int] = {}  # many files have the same
    fragments: dict[int, tuple[int, list[Any]]] = {}
    for file in files:
        place = file.view.fragment
        rows = place.rows - file.view.hidden - file.dropped if place else 0
        if place and rows:
            layout = layouts.setdefault(file.view.lance, len(layouts))
            name = file.name.decode() if isinstance(file.name, bytes) else file.name
            fragments.setdefault(place.number, (rows, []))[1].append((name.removeprefix(f"{DATA}/"), file.size, layout, file.is_new))
    in_order = [(rows, sorted(held)) for _, (rows, held) in sorted(fragments.items())]
    return {"schema": about["schema"], "layouts": list(layouts), "fragments": in_order}


LANCE_MANIFEST = LogWriter(MANIFEST, UNKNOWN, _manifest)

__all__ = ["LANCE_MANIFEST"]
