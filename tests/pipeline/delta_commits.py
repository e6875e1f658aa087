"""Sweeps a Delta table after every commit of random operations, and compares each sweep with a fresh audit and with the living rows."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.corpus.tables import delta_tables as delta
from tests.findings.nights import Nights


class Writing:
    """A table of people to which random operations are done with the library's writer. No value is written twice."""

    def __init__(self, folder: Path, chosen: random.Random) -> None:
        self.folder, self._chosen = folder, chosen
        self._next = self._columns = 0
        delta.write(folder, self._rows(12), partition_by=["team"])

    @property
    def _table(self) -> Any:
        from deltalake import DeltaTable

        return DeltaTable(str(self.folder))

    @property
    def ids(self) -> list[int]:
        found: list[int] = delta.living(self.folder)["id"].to_pylist()
        return found

    def values(self) -> int:
        """How many mail addresses the living rows hold."""
        rows = delta.living(self.folder)
        return sum(len(rows) - rows[name].null_count for name in rows.column_names if name.startswith("mail"))

    def _mails(self, count: int) -> list[str]:
        self._next += count
        return [f"person{number}@kaldor-mail.com" for number in range(self._next - count, self._next)]

    def _rows(self, count: int) -> pa.Table:
        first = self._next
        columns: dict[str, Any] = {"id": range(first, first + count), "mail": self._mails(count)}
        columns |= {f"mail{number}": self._mails(count) for number in range(1, self._columns + 1)}
        return pa.table(columns | {"team": [self._chosen.choice(("red", "blue")) for _ in range(count)]})

    def _some(self) -> str:
        known = self.ids
        return f"id IN ({', '.join(map(str, self._chosen.sample(known, min(len(known), self._chosen.randint(1, 3)))))})"

    def append(self) -> None:
        delta.write(self.folder, self._rows(self._chosen.randint(1, 6)), mode="append")

    def delete(self) -> None:
        self._table.delete(self._some())

    def update(self) -> None:
        self._table.update(predicate=f"id = {self._chosen.choice(self.ids)}", new_values={"mail": self._mails(1)[0]})

    def merge(self) -> None:
        rows = self._rows(4)
        known = [*self._chosen.sample(self.ids, 2), *rows["id"].to_pylist()[2:]]
        rows = rows.set_column(0, "id", pa.array(known, pa.int64()))
        merging = self._table.merge(rows, "t.id = s.id", source_alias="s", target_alias="t")
        merging.when_matched_update_all().when_not_matched_insert_all().execute()

    def optimize(self) -> None:
        self._table.optimize.compact()

    def vacuum(self) -> None:
        self._table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)

    def add_column(self) -> None:
        self._columns += 1
        delta.write(self.folder, self._rows(2), mode="append", schema_mode="merge")

    def checkpoint(self) -> None:
        self._table.create_checkpoint()


OPERATIONS = ("append", "delete", "update", "merge", "optimize", "vacuum", "add_column", "checkpoint")


def followed(base: Path, seed: int, commits: int) -> None:
    """Sweep a table after each of so many operations: each kind once, in random order, then random ones."""
    chosen = random.Random(seed)
    sweeps = Nights(base, "pii")
    table = Writing(sweeps.corpus / "people", chosen)
    sweeps.night()
    operations = chosen.sample(OPERATIONS, len(OPERATIONS))[:commits]
    operations += chosen.choices(OPERATIONS, k=commits - len(operations))
    for number, operation in enumerate(operations):
        if len(table.ids) < 6:
            table.append()
        getattr(table, operation)()
        sweeps.night()
        done = f"seed {seed}: {operations[: number + 1]}"
        assert sweeps.differences() == [], done
        counted = sum(row["count"] for row in sweeps.table("findings") if "_delta_log" not in row["artifact"])
        assert counted == table.values(), done
