"""Makes Lance datasets with the library's writer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa


def write(folder: Path, table: Mapping[str, Any] | pa.Table, **options: Any) -> Any:
    """Write a dataset, or append to one."""
    import lance

    return lance.write_dataset(table if isinstance(table, pa.Table) else pa.table(table), str(folder), **options)


def opened(folder: Path, **options: Any) -> Any:
    """The dataset in its latest version."""
    import lance

    return lance.dataset(str(folder), **options)


def data_files(folder: Path, **options: Any) -> list[Path]:
    """The data files of a version, in order."""
    return [folder / "data" / file.path for fragment in opened(folder, **options).get_fragments() for file in fragment.data_files()]


def manifests(folder: Path) -> list[Path]:
    """The manifests, the latest first."""
    return sorted((folder / "_versions").glob("*.manifest"))
