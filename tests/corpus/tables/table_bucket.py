"""A bucket with a table in it, and what a plan says of its data files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from veritensor_ray.core.config import Settings, Store
from veritensor_ray.corpus.fetch import OpenArtifact
from veritensor_ray.corpus.listing import roots
from veritensor_ray.corpus.planning import PlanRow, plan_rows
from veritensor_ray.corpus.tables.table_kinds import Snapshot, TableFolder, opened
from veritensor_ray.stores.filesystems import filesystem


@dataclass(frozen=True)
class TableBucket:
    """The table is `in/table` in the bucket `name`."""

    name: str
    kind: str
    stores: dict[str, Store]
    fs: Any

    def put(self, key: str, data: bytes) -> None:
        """Write an object beside the table, whose name may be any."""
        self.fs.call_s3("put_object", Bucket=self.name, Key=f"in/{key}", Body=data)

    @property
    def snapshot(self) -> Snapshot:
        return opened(TableFolder(self.kind, f"s3://{self.name}/in/table", self.stores))

    @property
    def settings(self) -> Settings:
        return Settings(sources=[f"s3://{self.name}/in"], stores=self.stores)

    def data_files(self) -> list[PlanRow]:
        """The rows of a plan for the data files of the table."""
        return [row for row in plan_rows(self.settings, ["pii"], lambda *_: []) if row.view is not None]

    def file(self, row: PlanRow) -> BinaryIO:
        """A data file, as a run opens it."""
        return OpenArtifact(row, roots(self.settings.sources, self.stores)[0], self.stores).file()


@contextlib.contextmanager
def table_bucket(endpoint: str, kind: str, table: Path) -> Iterator[TableBucket]:
    """Make a bucket of its own for a kind of table, and put a table into it."""
    store = Store(endpoint=endpoint, region="us-east-1", path_style=True, key="env:LAKE_KEY", secret="env:LAKE_SECRET")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAKE_KEY", "k")
        patch.setenv("LAKE_SECRET", "s")
        name, stores = f"lake-of-{kind}", {"s3://": store}
        fs, _ = filesystem(f"s3://{name}", stores)
        fs.call_s3("create_bucket", Bucket=name)
        fs.put(str(table), f"{name}/in/table", recursive=True)
        yield TableBucket(name, kind, stores, fs)
