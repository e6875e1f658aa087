"""Answer the questions of the page with SQL over a copy of the results. Values are always parameters; it does not depend on the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.errors import UsageError
from veritensor_ray.results.labels import Labels
from veritensor_ray.results.place_names import within
from veritensor_ray.view.http_requests import Filter, OneGroup, Query
from veritensor_ray.view.table_copy import Copy

MOST_IDS = 500_000  # findings that one entry of a policy lists
_FOLDERS = 1000  # that the page suggests
_KEYS = {"place": "place", "evidence": "e", "rule": "rule_id", "folder": "d"}
_SHOWN = """finding_id, severity, rule_id, engine, artifact, member, location, evidence, evidence_before, evidence_after, message,
    confidence, count, state, suppressed_by, first_seen"""
_SEARCHED = ("member", "evidence", "message")  # and the artifact
# Columns of `slim` to sort rows by, and expressions over them for groups. In a group, severity is that of its worst finding.
_ROWS = {
    "severity": "rank", "state": "state", "folder": "d", "rule_id": "rule_id", "artifact": "a", "files": "1", "findings": "number",
    "confidence": "confidence", "count": "count", "first_seen": "first_seen",
}  # fmt: skip
_GROUPS = {
    "severity": "max(rank)", "state": "min(state)", "folder": "min(d)", "rule_id": "min(rule_id)", "artifact": "min(a)",
    "files": "count(DISTINCT a)", "findings": "sum(number)", "confidence": "max(confidence)", "count": "sum(count)",
    "first_seen": "min(first_seen)",
}  # fmt: skip
# The same choice of an example as in `results/shared_places.py` and `results/grouping.py`.
_WORST = {"place": "(-rank, coalesce(-confidence, 0), n)"}


class Queries:
    """The questions of the page about one copy. Each takes a cursor of it, which another thread may interrupt."""

    def __init__(self, copy: Copy, labels: Labels) -> None:
        self._copy, self._labels = copy, labels

    def page(self, cursor: Any, query: Query) -> dict[str, Any]:
        """Return one page: `total` rows, of which `rows` are on this page, and the number of `findings` that they stand for."""
        where, values = self._where(cursor, query.filter)
        if query.group == "none":
            total, findings = cursor.execute(
                f"SELECT count(*), coalesce(sum(number), 0)::BIGINT FROM slim WHERE {where}", values
            ).fetchone()
            order = self._order(query, _ROWS, "o", "hidden, o")
            chosen = cursor.execute(
                f"SELECT n FROM slim WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?", [*values, query.limit, query.offset]
            ).fetchall()
            rows = self._rows(cursor, [n for (n,) in chosen])
        else:
            number = "count(*) FILTER (n = place)" if self._whole_places(query) else f"count(DISTINCT {_KEYS[query.group]})"
            total, findings = cursor.execute(
                f"SELECT {number}, coalesce(sum(number), 0)::BIGINT FROM slim WHERE {where}", values
            ).fetchone()
            rows = self._grouped(cursor, query, where, values)
        return {"total": total, "findings": findings, "rows": rows}

    def facets(self, cursor: Any) -> dict[str, dict[str, int]]:
        """Return the numbers of findings that are not suppressed, by severity, engine, rule, state and folder."""
        where, values = self._where(cursor, Filter())
        found: dict[str, dict[str, int]] = {"severity": {}, "engine": {}, "rule": {}, "state": {}, "folders": {}}
        for rank, engine, rule, state, number in cursor.execute(
            f"SELECT rank, engine, rule_id, state, sum(number)::BIGINT FROM slim WHERE {where} GROUP BY ALL", values
        ).fetchall():
            for facet, name in (("severity", SEVERITIES[rank - 1]), ("engine", engine), ("rule", rule), ("state", state)):
                found[facet][name] = found[facet].get(name, 0) + number
        found["folders"] = dict(
            cursor.execute(
                f"""SELECT folder, number FROM (SELECT d, sum(number)::BIGINT AS number FROM slim WHERE {where} GROUP BY d)
                JOIN folders USING (d) ORDER BY number DESC, folder LIMIT {_FOLDERS}""",
                values,
            ).fetchall()
        )
        return found

    def ids(self, cursor: Any, about: Filter) -> tuple[str, ...]:
        """Return the ids of the findings of a filter. Raises UsageError if there are more than an entry of a policy can list."""
        where, values = self._where(cursor, about)
        found = cursor.execute(
            f"SELECT finding_id FROM findings WHERE rowid IN (SELECT n FROM slim WHERE {where} LIMIT {MOST_IDS + 1})", values
        ).fetchall()
        if len(found) > MOST_IDS:
            raise UsageError(
                f"more than {MOST_IDS:,} findings match, and one entry of a policy lists no more. Narrow the filter, or choose a rule in a folder"
            )
        return tuple(one for (one,) in found)

    # ── rows

    def _rows(self, cursor: Any, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Return the rows with these numbers in findings, in this order."""
        if not numbers:
            return []
        listed = ", ".join(str(int(n)) for n in numbers)
        found = cursor.sql(f"SELECT rowid AS n, content_fingerprint, {_SHOWN} FROM findings WHERE rowid IN ({listed})")
        rows = {row["n"]: self._row(row) for row in found.to_arrow_table().to_pylist()}
        return [rows[n] for n in numbers]

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        label = self._labels.of(row)
        n, _ = row.pop("n"), row.pop("content_fingerprint")
        return row | {
            "location": within(row),
            "only_counted": row["location"] is None,
            "first_seen": row["first_seen"].isoformat(timespec="seconds") if row["first_seen"] else None,
            "suppressed_by": row["suppressed_by"] or self._copy.hidden_now.get(n),
            "label": None if label is None else "true" if label else "false",
        }

    def _grouped(self, cursor: Any, query: Query, where: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        key, sorted_by = _KEYS[query.group], self._order(query, _GROUPS, "min(o)", "min(o)")
        groups = f"SELECT {key} AS key FROM slim WHERE {where} GROUP BY key ORDER BY {sorted_by}"
        if self._whole_places(query):
            groups = f"SELECT place FROM slim WHERE {where} AND n = place ORDER BY hidden, o"
        chosen = [one for (one,) in cursor.execute(f"{groups} LIMIT ? OFFSET ?", [*values, query.limit, query.offset]).fetchall()]
        if not chosen:
            return []
        cast = {"e": "UHUGEINT", "rule_id": "VARCHAR"}.get(key, "BIGINT")
        groups = cursor.execute(
            f"""SELECT {key}, arg_min(n, {_WORST.get(query.group, "o")}), list(DISTINCT rule_id ORDER BY rule_id), sum(number)::BIGINT,
            count(DISTINCT a), sum(count)::BIGINT, bool_and(hidden)
            FROM slim WHERE {where} AND {key} IN (SELECT unnest(?::{cast}[])) GROUP BY {key}""",
            [*values, [str(one) if key == "e" else one for one in chosen]],
        ).fetchall()
        by_key = {one: about for one, *about in groups}
        rows = {}
        worst = [by_key[one][0] for one in chosen]
        for row, one in zip(self._rows(cursor, worst), chosen, strict=True):
            _, rules, findings, files, count, _ = by_key[one]
            rows[one] = row | {
                "rules": [row["rule_id"], *(name for name in rules if name != row["rule_id"])],
                "findings": findings,
                "files": files,
                "count": count,
            }
        return [rows[one] | {"key": self._key(cursor, query.group, one, rows[one])} for one in chosen]

    def _whole_places(self, query: Query) -> bool:
        """Whether the findings of a place are all there or all missing, so that the worst stands for it. This is how the page opens."""
        kept = Filter(folder=query.filter.folder, suppressed=query.filter.suppressed)
        return query.group == "place" and query.sort is None and query.filter == kept and not self._copy.hidden_now

    @staticmethod
    def _key(cursor: Any, group: str, value: Any, row: Mapping[str, Any]) -> str:
        """Return the key of a group as text, as `results/grouping.py` gives it."""
        if group == "place":
            return str(cursor.execute("SELECT finding_id FROM findings WHERE rowid = ?", [value]).fetchone()[0])
        if group == "evidence":
            return f"{int(value):032x}"
        return str(row["rule_id"] if group == "rule" else row["artifact"].rpartition("/")[0])

    @staticmethod
    def _order(query: Query, columns: Mapping[str, str], last: str, default: str) -> str:
        if query.sort is None:
            return default
        direction = "DESC" if query.sort.descending else "ASC"
        return f"{columns[query.sort.by]} {direction} NULLS LAST, {last}"

    # ── conditions

    def _where(self, cursor: Any, about: Filter) -> tuple[str, list[Any]]:
        """Return a condition over `slim` and its values."""
        parts: list[str] = []
        values: list[Any] = []

        def add(condition: str, *given: Any) -> None:
            parts.append(condition)
            values.extend(given)

        for column, names in (("engine", about.engine), ("rule_id", about.rule), ("state", about.state)):
            if names:
                add(f"{column} IN (SELECT unnest(?::VARCHAR[]))", names)
        if about.severity:
            add("rank IN (SELECT unnest(?::TINYINT[]))", [SEVERITIES.index(name) + 1 for name in about.severity])
        if about.folder:
            add("d IN (SELECT d FROM folders WHERE folder = ? OR starts_with(folder, ?))", about.folder, f"{about.folder}/")
        if text := about.text.strip().lower():
            columns = " OR ".join(f"contains(lower({name}), ?)" for name in _SEARCHED)
            add(
                f"(a IN (SELECT a FROM names WHERE contains(lower(artifact), ?)) OR n IN (SELECT rowid FROM findings WHERE {columns}))",
                *[text] * (len(_SEARCHED) + 1),
            )
        if about.finding:
            add("n IN (SELECT rowid FROM findings WHERE starts_with(finding_id, ?))", about.finding.lower())
        if about.where.strip():
            add(f"n IN ({self._copy.chosen(cursor, about.where)})")
        if about.group:
            add(*self._member(about.group))
        if about.suppressed != "yes":
            add(self._hidden(about.suppressed == "only"))
        return " AND ".join(parts) or "true", values

    @staticmethod
    def _member(one: OneGroup) -> tuple[str, Any]:
        """Return the condition that a finding belongs to a group, and its value."""
        if one.group == "place":
            return "place = (SELECT rowid FROM findings WHERE finding_id = ?)", one.key
        if one.group == "folder":
            return "d = (SELECT d FROM folders WHERE folder = ?)", one.key
        if one.group == "evidence":
            return "e = try_cast('0x' || ? AS UHUGEINT)", one.key
        return "rule_id = ?", one.key

    def _hidden(self, hidden: bool) -> str:
        if not self._copy.hidden_now:
            return "hidden" if hidden else "NOT hidden"
        return f"({'' if hidden else 'NOT '}(hidden OR n IN (SELECT n FROM hidden_now)))"
