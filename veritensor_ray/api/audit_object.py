"""The results of an audit as an object for notebooks."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from veritensor_ray.api.arguments import one_of, path_of
from veritensor_ray.api.differences import Differences, differences
from veritensor_ray.api.frames import escaped, frame, html_table, need_pandas
from veritensor_ray.api.labelling import labelled, precision_of
from veritensor_ray.api.passages import passage_of
from veritensor_ray.api.plots import Plots
from veritensor_ray.api.row_masks import keep_mask, row_flags
from veritensor_ray.api.similar import similar_to
from veritensor_ray.api.suppressing import Decision, decide
from veritensor_ray.api.writing_exports import export_to, report_to
from veritensor_ray.core.config import load_settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.safe_imports import Guard
from veritensor_ray.findings.unsuppressed import UNSUPPRESSED
from veritensor_ray.masking.redaction import visible
from veritensor_ray.results.access_log import accesses
from veritensor_ray.results.grouping import GROUPS, Group, grouped
from veritensor_ray.results.kinds_by_column import columns_query
from veritensor_ray.results.located_rows import Chosen, locations_query, rows_of
from veritensor_ray.results.results import Results, find
from veritensor_ray.results.run_text import summary_text, worst_first

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    import pandas as pd

    from veritensor_ray.pipeline.passages.passage import Passage

# What a notebook does not offer on TAB: building blocks of other modules.
_UNLISTED = frozenset({"connection", "matching", "reader", "records", "relation"})

_GROUPED = "severity, rules, findings, files, count, artifact, member, location, evidence, message, state, finding_id, key"


class Audit(Results):
    """The results of a complete audit. `run` is the content of run.json; tables are read on first access."""

    def __repr__(self) -> str:
        found, artifacts = sum(self.run["severity"].values()), self.run["totals"].get("artifacts", 0)
        return f"<Audit {visible(self.store.uri)}: {found:,} findings in {artifacts:,} artifacts>"

    def __dir__(self) -> Iterable[str]:
        unlisted = _UNLISTED | ({"rules", "trends"} - {*self.tables})
        return [name for name in super().__dir__() if name not in unlisted]

    @cached_property
    def findings(self) -> pa.Table:
        """One row per finding."""
        return self.dataset("findings").to_table()

    @cached_property
    def ledger(self) -> pa.Table:
        """One row per artifact: which parts were checked and which were not."""
        return self.dataset("ledger").to_table()

    @cached_property
    def rollup(self) -> pa.Table:
        """Counts by artifact, column and rule. They are complete even if not every finding has a row."""
        return self.dataset("rollup").to_table()

    @cached_property
    def rules(self) -> pa.Table:
        """One row per rule of the run, with what it means and what to do about it. Outputs before schema 4 have no such table."""
        return self.dataset("rules").to_table()

    @cached_property
    def trends(self) -> pa.Table:
        """Counts of findings by folder, engine, category, severity and state, for each sweep so far. An audit has no such table."""
        return self.dataset("trends").to_table()

    @property
    def plot(self) -> Plots:
        """Plots of this audit: `severity()`, `coverage()`, `trend()` and `scores()`."""
        return Plots(self)

    def to_pandas(self, name: str = "findings", *, group_by: Group | None = None, where: str | None = None) -> pd.DataFrame:
        """Return a table as a DataFrame, in which severities are ordered: they sort from info to critical, and compare.

        With `group_by`, there is a row for each place, evidence, rule or folder with findings, as `grouped` returns it. `where` is a SQL
        condition over findings, such as "rule glob 'pii.*' and artifact glob 'hr/*'". Raises UsageError.
        """
        if group_by is None and where is None:
            return frame(self.dataset(name).to_table())
        if name != "findings":
            raise UsageError(f"group_by and where are for the table findings, not for {name!r}; use sql for other tables")
        if group_by is not None:
            return frame(self.grouped(group_by, where=where))
        return frame(self._table(f"SELECT * FROM {self._source(where)} ORDER BY artifact, rule_id, finding_id"))  # noqa: S608  # checked

    def grouped(self, by: Group, *, where: str | None = None) -> pa.Table:
        """Return a row for each place, evidence, rule or folder with findings that count, worst first.

        A place is a passage; all findings that overlap there share a row, whatever rules found them. `severity`, `artifact`, `location` and
        `evidence` are those of the worst finding, whose id is `finding_id`. `rules` lists all rules, and `findings`, `files` and `count` are
        the numbers of findings, artifacts and locations. `where` is a SQL condition over findings. Raises UsageError.
        """
        one_of(by, GROUPS, "group_by")
        counting = f"(SELECT * FROM {self._source(where)} WHERE {UNSUPPRESSED})"  # noqa: S608  # checked
        order = "severity DESC, findings DESC, artifact, key"
        return self._table(f"SELECT {_GROUPED} FROM ({grouped(counting, by)}) ORDER BY {order}")  # noqa: S608  # built from constants

    def _source(self, where: str | None) -> str:
        return "findings" if where is None else self.matching(where)

    def _table(self, query: str) -> pa.Table:
        with Guard(), self.reader(query) as reader:
            return reader.read_all()

    def sql(self, query: str) -> pd.DataFrame:
        """Runs a DuckDB query over the tables, by their names. It cannot reach any other file, or the network.

        Severities are ordered from info to critical, also when they are compared with a word in quotes. The view `places` has a row for each
        place. Raises UsageError for a query that is not valid, and CannotRunError if pandas is not installed.
        """
        with Guard():
            need_pandas()
            with self.relation(query) as relation:
                made: pd.DataFrame = relation.df()
                return made

    def locations(
        self, artifact: str | None = None, *, severity: str | None = None, where: str | None = None, suppressed: bool = False
    ) -> pa.Table:
        """Return a row for each place of each finding, in the order of the corpus. The run must have kept all of them (`locations: all`).

        `artifact` leaves out all others. `severity` is the lowest severity at a place, and `where` a SQL condition over findings. Suppressed
        findings are included only if `suppressed` is set. For more places than fit into memory, use `dataset("locations")`. Raises UsageError.
        """
        query, values = locations_query(self, artifact, Chosen(severity, where, suppressed))
        with Guard(), self.reader(query, values) as reader:
            return reader.read_all()

    def columns(
        self, artifact: str | None = None, *, severity: str | None = None, where: str | None = None, suppressed: bool = False
    ) -> pa.Table:
        """Return a row for each rule that has findings in a column of a dataset: what the column holds, for a catalog.

        A dataset is an artifact, or its `member` or `part`, that has rows. `findings`, `count` and `rows` are the numbers of different findings,
        of their locations and of the rows that have one. `share` is that of the `table_rows`, and null if these are not known. `example` is the
        masked evidence of one of the worst findings, whose id is `finding_id`. Where not every location is known, because the run did not keep
        them (`locations: all`) or there are too many, `complete` is false: the numbers are then too small, columns can be missing, and `share`
        is null. The arguments are those of `locations`. Raises UsageError.
        """
        query, values = columns_query(self, artifact, Chosen(severity, where, suppressed))
        with Guard(), self.reader(query, values) as reader:
            return reader.read_all()

    def rows_of(
        self, artifact: str, member: str | None = None, *, severity: str | None = None, where: str | None = None, suppressed: bool = False
    ) -> list[int]:
        """Return the numbers of the rows of a dataset that have a finding, in order, counted from 0 as in `location.row`.

        `member` is a file inside the artifact, as `locations` names it. The other arguments are those of `locations`. Findings that are in no
        row, such as those in the metadata of a file, are not among them. Raises UsageError, also if the artifact was not read or has more places
        than the table lists, because rows would be missing.
        """
        return [*rows_of(self, artifact, member, Chosen(severity, where, suppressed))]

    def keep(
        self,
        data: Any,
        artifact: str,
        member: str | None = None,
        *,
        severity: str | None = None,
        where: str | None = None,
        suppressed: bool = False,
    ) -> Any:
        """Return a mask that is true for the rows of a dataset without a finding, so that `data[audit.keep(data, "train.parquet")]` is clean.

        `data` has all rows of the artifact, or of its `member`, in the order of the file. For a pandas DataFrame, the mask is a Series with the
        same index, else a NumPy array. The other arguments, and what is raised, are those of `rows_of`.
        """
        with Guard():
            return keep_mask(data, member or artifact, rows_of(self, artifact, member, Chosen(severity, where, suppressed)))

    def flags(
        self,
        data: Any,
        artifact: str,
        member: str | None = None,
        *,
        severity: str | None = None,
        where: str | None = None,
        suppressed: bool = False,
    ) -> list[str | None]:
        """Return the worst severity in each row of a dataset, None where there is no finding: a column for `datasets.Dataset.add_column`.

        The arguments, and what is raised, are those of `keep`.
        """
        return row_flags(data, member or artifact, rows_of(self, artifact, member, Chosen(severity, where, suppressed)))

    def similar(self, finding: str, *, least: float = 0.3, limit: int = 100) -> pd.DataFrame:
        """Return findings whose evidence resembles that of a finding, whatever their rule. `finding` is its id, or at least six digits.

        The column `similarity` is the share of sequences of three characters that both texts have in common, ignoring case and whitespace:
        1 for equal texts, and at least `least`. The finding itself comes first. This compares spelling, not meaning: a translation or a
        paraphrase is not found. Findings of personal data and secrets are left out, because their evidence is masked. Raises UsageError.
        """
        with Guard():
            return frame(similar_to(self, finding, least, limit))

    def diff(self, other: Audit | str | os.PathLike[str]) -> Differences:
        """Compare these results with later ones, as `veritensor-ray diff` does: these come first, `other` second.

        `other` is an audit, or the path of an output or of a sweep's state. Raises UsageError if the two used different site keys.
        """
        return differences(self, self._opened(other, "the results to compare with"))

    def _opened(self, other: Audit | str | os.PathLike[str], what: str) -> Audit:
        return other if isinstance(other, Audit) else Audit(*find(path_of(other, what), self.store.stores))

    def suppress(
        self,
        finding: str | Iterable[str] | None = None,
        *,
        where: str | None = None,
        reason: str,
        owner: str | None = None,
        expires: str | date | None = None,
        by: str = "finding",
        policy: str | os.PathLike[str] | None = None,
        dry_run: bool = False,
        config: str | None = None,
    ) -> Decision:
        """Add a suppression to the policy file. The findings stay in the results, but do not count from the next run on.

        `finding` is an id, or a list of complete ids, such as the column finding_id of a table; `where` is a SQL condition over findings
        instead. One entry lists all findings that match now; those that appear later are not covered. With a single id, `by` may cover more:
        "fingerprint" (the same content in any artifact), "sha256" (everything in a file with this content), "rule" (this rule in this
        artifact), "path" (everything in this artifact) or "folder" (this rule in the artifact's folder and below).

        `expires` is a day, or a time from now such as "90d". `policy` is the file; by default it is the configured one, else the policy.yaml
        that is kept in the output. With `dry_run`, nothing is written. Raises UsageError; CannotRunError if the file cannot be written.
        """
        file = None if policy is None else path_of(policy, "the policy file")
        with Guard():
            return decide(self, finding, where, by, (reason, owner, expires), file, dry_run, load_settings(config))

    def label(self, value: bool | None, finding: str | Iterable[str] | None = None, *, where: str | None = None) -> int:
        """Label findings as true (they are what the rule says) or false positives, and return their number. None removes their labels.

        `finding` is an id, or a list of ids; at least six digits of each are enough. `where` is a SQL condition over findings instead. Labels
        are stored beside the results. A label also counts for equal content in other artifacts, and in later sweeps. Raises UsageError;
        StoreError if the labels cannot be written.
        """
        with Guard():
            return labelled(self, value, finding, where)

    def precision(self, *, target: float = 0.9, rule: str = "*", labels: Iterable[Audit | str | os.PathLike[str]] = ()) -> pd.DataFrame:
        """Return how precise each rule is according to labels: a row for each rule that has findings or labels.

        `true` and `false` are numbers of labels, `precision` is the share that is true, `low` and `high` are its 95 % interval, and
        `min_confidence` is the lowest threshold with which that share reaches `target`; if there is none, `why_not` says why. `rule` is a
        glob. `labels` are other outputs whose labels count too. Raises UsageError.
        """
        with Guard():
            return precision_of(self, target, rule, [self._opened(one, "an output with labels") for one in labels])

    def export(
        self, path: str | os.PathLike[str], format: str | None = None, *, where: str | None = None, config: str | None = None
    ) -> None:
        """Write findings to a file or an object in a store, in one of the formats of `veritensor-ray findings --format`.

        Without `format`, the end of the name decides, such as .csv or .jsonl. "openmetadata" and "datahub" write what `columns` returns, as tags
        for a catalog. `where` is a SQL condition over findings. Suppressed findings are included, except in tags. The file appears when it is
        complete, with mode 0600, and replaces an earlier one. Raises UsageError, also for a file in the corpus or in the results;
        CannotRunError if it cannot be written.
        """
        with Guard():
            export_to(self, path, format, where, load_settings(config))

    def report(self, path: str | os.PathLike[str] | None = None, *, rows: int = 100_000, config: str | None = None) -> None:
        """Write a report for people: one HTML file that needs no network, as `veritensor-ray report` does.

        It holds at most `rows` findings, the worst first, and warns if there are more; its totals count all of them. The file appears when it
        is complete, with mode 0600, and replaces an earlier one. Without a `path`, it is report.html in the working directory, where only an
        earlier report on the same output is replaced. Raises UsageError, also for a file in the corpus or in the results; CannotRunError if it
        cannot be written.
        """
        with Guard():
            report_to(self, path, rows, load_settings(config))

    def context(
        self,
        finding: str,
        *,
        place: int = 1,
        lines: int = 3,
        reveal: bool = False,
        reason: str | None = None,
        config: str | None = None,
    ) -> Passage:
        """Read the passage of a finding again from the corpus, in a separate process with limits. `finding` is its id, or at least six digits.

        `place` is the number of one of the locations that its row lists. The passage is masked like evidence, wherever findings of the artifact
        cover it; if not all of them have rows, every word is masked. With `reveal` it is shown unmasked, after the output has recorded who saw
        it, when, and for what `reason`. Raises UsageError; NotAsScanned if the artifact or the location no longer exists; StoreError if the
        access cannot be recorded; CannotRunError.
        """
        with Guard():
            return passage_of(self, finding, place, lines, reveal, reason, load_settings(config))

    def accesses(self) -> list[dict[str, Any]]:
        """Returns who saw which passages unmasked, oldest entry first."""
        return accesses(self.store)

    def summary(self) -> str:
        """Returns the summary of the run as text: gaps first, then findings."""
        return summary_text(self.run)

    def _repr_html_(self) -> str:
        columns = ("severity", "rule", "findings", "title")
        rows = [(one["severity"], one["rule_id"], one["count"], one["title"]) for one in worst_first(self.run["rules"])]
        return f"<pre>{escaped(summary_text(self.run, rules=False), lines=True)}</pre>{html_table(columns, rows)}"
