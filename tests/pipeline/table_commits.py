"""Sweeps a table after every commit of random operations, and compares each sweep with a fresh audit and with the living rows."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.corpus.tables import delta_tables as delta
from tests.corpus.tables import iceberg_tables as ice
from tests.corpus.tables import lance_tables as lance
from tests.findings.nights import Nights
from tests.pipeline.auditing_tables import LOGS


class Writing(ABC):
    """A table of people to which random operations are done with a library's writer. No value is written twice.

    `mails` are the columns with mail addresses, by the names that they have now.
    """

    library: str
    operations: tuple[str, ...]

    def __init__(self, folder: Path, chosen: random.Random) -> None:
        self.folder, self._chosen = folder, chosen
        self._next, self._numbers, self.mails = 0, 0, ["mail"]
        self._create(self._rows(12))

    @abstractmethod
    def _create(self, rows: pa.Table) -> None: ...

    @abstractmethod
    def living(self) -> pa.Table:
        """The rows of the latest snapshot as the library reads them."""

    @abstractmethod
    def append(self) -> None: ...

    @property
    def ids(self) -> list[int]:
        found: list[int] = self.living()["id"].to_pylist()
        return found

    def values(self) -> int:
        """How many mail addresses the living rows hold."""
        rows = self.living()
        return sum(len(rows) - rows[name].null_count for name in self.mails)

    def _new_name(self) -> str:
        self._numbers += 1
        return f"mail{self._numbers}"

    def _new_mails(self, count: int) -> list[str]:
        self._next += count
        return [f"person{number}@kaldor-mail.com" for number in range(self._next - count, self._next)]

    def _rows(self, count: int) -> pa.Table:
        first = self._next
        columns: dict[str, Any] = {"id": range(first, first + count)} | {name: self._new_mails(count) for name in self.mails}
        return pa.table(columns | {"team": [self._chosen.choice(("red", "blue")) for _ in range(count)]})

    def _few(self) -> pa.Table:
        return self._rows(self._chosen.randint(1, 6))

    def _known(self) -> list[int]:
        known = self.ids
        return self._chosen.sample(known, min(len(known), self._chosen.randint(1, 3)))

    def _some(self) -> str:
        return f"id IN ({', '.join(map(str, self._known()))})"

    def _changes(self) -> pa.Table:
        """Four rows, two of which take the place of others."""
        rows = self._rows(4)
        return rows.set_column(0, "id", pa.array([*self._chosen.sample(self.ids, 2), *rows["id"].to_pylist()[2:]], pa.int64()))


class DeltaWriting(Writing):
    library = "deltalake"
    operations = ("append", "delete", "update", "merge", "optimize", "vacuum", "add_column", "checkpoint")

    def _create(self, rows: pa.Table) -> None:
        delta.write(self.folder, rows, partition_by=["team"])

    def living(self) -> pa.Table:
        return delta.living(self.folder)

    @property
    def _table(self) -> Any:
        from deltalake import DeltaTable

        return DeltaTable(str(self.folder))

    def append(self) -> None:
        delta.write(self.folder, self._few(), mode="append")

    def delete(self) -> None:
        self._table.delete(self._some())

    def update(self) -> None:
        self._table.update(predicate=f"id = {self._chosen.choice(self.ids)}", new_values={"mail": self._new_mails(1)[0]})

    def merge(self) -> None:
        merging = self._table.merge(self._changes(), "t.id = s.id", source_alias="s", target_alias="t")
        merging.when_matched_update_all().when_not_matched_insert_all().execute()

    def optimize(self) -> None:
        self._table.optimize.compact()

    def vacuum(self) -> None:
        self._table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)

    def add_column(self) -> None:
        self.mails.append(self._new_name())
        delta.write(self.folder, self._rows(2), mode="append", schema_mode="merge")

    def checkpoint(self) -> None:
        self._table.create_checkpoint()


class IcebergWriting(Writing):
    library = "pyiceberg"
    operations = ("append", "delete", "delete_rows", "upsert", "rewrite", "rename_column", "add_column", "change_partitions", "expire")

    def _create(self, rows: pa.Table) -> None:
        self._table = ice.create(self.folder, rows)

    def living(self) -> pa.Table:
        return ice.living(self._table)

    def append(self) -> None:
        self._table.append(self._few())

    def delete(self) -> None:
        self._table.delete(self._some())

    def delete_rows(self) -> None:
        """Delete a row with a delete file."""
        file = self._chosen.choice(ice.data_files(self._table))
        ice.delete(self._table, {file.file_path: [self._chosen.randrange(file.record_count)]})

    def upsert(self) -> None:
        self._table.upsert(self._changes().select(self._table.schema().column_names), join_cols=["id"])

    def rewrite(self) -> None:
        """Write all rows into new files."""
        self._table.overwrite(self.living())

    def rename_column(self) -> None:
        number, new = self._chosen.randrange(len(self.mails)), self._new_name()
        with self._table.update_schema() as changing:
            changing.rename_column(self.mails[number], new)
        self.mails[number] = new

    def add_column(self) -> None:
        from pyiceberg.types import StringType

        self.mails.append(self._new_name())
        with self._table.update_schema() as changing:
            changing.add_column(self.mails[-1], StringType())
        self._table.append(self._rows(2))

    def change_partitions(self) -> None:
        """Add the field by which the table is partitioned, or remove it."""
        with self._table.update_spec() as changing:
            if self._table.spec().fields:
                changing.remove_field("by_team")
            else:
                changing.add_field("team", "identity", "by_team")
        self._table.append(self._few())

    def expire(self) -> None:
        self._table.maintenance.expire_snapshots().older_than(datetime.now(UTC)).commit()


class LanceWriting(Writing):
    library = "lance"
    operations = ("append", "delete", "update", "merge", "compact", "cleanup", "rename_column", "add_column", "drop_column")

    def _create(self, rows: pa.Table) -> None:
        lance.write(self.folder, rows, max_rows_per_file=8)

    def living(self) -> pa.Table:
        return self._table.to_table()

    @property
    def _table(self) -> Any:
        return lance.opened(self.folder)

    def append(self) -> None:
        lance.write(self.folder, self._few(), mode="append")

    def delete(self) -> None:
        self._table.delete(self._some())

    def update(self) -> None:
        self._table.update({self._chosen.choice(self.mails): f"'{self._new_mails(1)[0]}'"}, where=f"id = {self._chosen.choice(self.ids)}")

    def merge(self) -> None:
        self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(self._changes())

    def compact(self) -> None:
        self._table.optimize.compact_files()

    def cleanup(self) -> None:
        self._table.cleanup_old_versions(timedelta(0), delete_unverified=True)

    def rename_column(self) -> None:
        number, new = self._chosen.randrange(len(self.mails)), self._new_name()
        self._table.alter_columns({"path": self.mails[number], "name": new})
        self.mails[number] = new

    def add_column(self) -> None:
        """Add a column to the rows that are there, in files of its own."""
        name = self._new_name()
        self._table.add_columns({name: f"concat('{name}.', {self.mails[0]})"})
        self.mails.append(name)

    def drop_column(self) -> None:
        if len(self.mails) > 1:
            self._table.drop_columns([self.mails.pop()])


TABLES: dict[str, type[Writing]] = {"delta": DeltaWriting, "iceberg": IcebergWriting, "lance": LanceWriting}


def followed(base: Path, kind: str, seed: int, commits: int) -> None:
    """Sweep a table after each of so many operations: each of its operations once, in random order, then random ones."""
    chosen = random.Random(seed)
    sweeps = Nights(base, "pii")
    made = TABLES[kind]
    table = made(sweeps.corpus / "people", chosen)
    sweeps.night()
    operations = chosen.sample(made.operations, len(made.operations))[:commits]
    operations += chosen.choices(made.operations, k=commits - len(operations))
    for number, operation in enumerate(operations):
        if len(table.ids) < 6:
            table.append()
        getattr(table, operation)()
        sweeps.night()
        done = f"{kind}, seed {seed}: {operations[: number + 1]}"
        assert sweeps.differences() == [], done
        counted = sum(row["count"] for row in sweeps.table("findings") if not LOGS & set(row["artifact"].split("/")))
        assert counted == table.values(), done
