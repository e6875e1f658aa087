"""Collect: commits in plan order become findings, ledger and rollup, in bounded memory; run.json is written last. It knows no engine."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from veritensor_ray.config import SEVERITIES
from veritensor_ray.corpus.listing import Root
from veritensor_ray.corpus.planning import BYTE_RANGES, PlanRow, Shard, read_plan, shards_of
from veritensor_ray.corpus.stores import OutputStore, is_local
from veritensor_ray.findings.commit import read_commit
from veritensor_ray.findings.outcome import COMPLETE, MAX_GAPS, NOT_APPLICABLE
from veritensor_ray.findings.redact import name_safe
from veritensor_ray.findings.schema import FINDINGS, LEDGER, ROLLUP, SCHEMA_VERSION
from veritensor_ray.hits import Rule

_FLUSH_ROWS = 5_000
_FILE_ROWS = 1_000_000
_REASONS = 50
_HARMLESS = {NOT_APPLICABLE: 0, COMPLETE: 1}
_STATUS_ORDER = ("unreadable", "quarantined", "partial", "skipped", "scanned")


@dataclass(frozen=True)
class RunInfo:
    """What a run says about itself in run.json and in every finding; no secrets."""

    run: str
    fingerprint: str
    roots: tuple[Root, ...]
    rules: Mapping[str, Rule]
    engines: Mapping[str, Mapping[str, Any]]  # name to version, fingerprint, model
    about: Mapping[str, Any]  # further fields of run.json
    hits_per_rule: int


@dataclass
class _Summary:
    status: Counter[str] = field(default_factory=Counter)
    severity: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)  # by rule and severity
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    coverage: dict[str, Counter[str]] = field(default_factory=dict)
    totals: Counter[str] = field(default_factory=Counter)


def collect(store: OutputStore, info: RunInfo, site_key: bytes) -> dict[str, Any]:
    """Write findings/, ledger/, rollup/ and run.json; returns the content of run.json."""
    summary = _Summary()
    for name in ("findings", "ledger", "rollup", "attestation.json"):
        store.delete(name)  # of an earlier collect that did not end, or whose run.json somebody took away
    with contextlib.ExitStack() as stack:
        tables = {
            name: stack.enter_context(contextlib.closing(_Table(store, name, schema)))
            for name, schema in (("findings", FINDINGS), ("ledger", LEDGER), ("rollup", ROLLUP))
        }
        with store.open(f"_work/{info.run}/plan.parquet") as plan:
            for planned, parts in _artifacts(store, info.run, shards_of(read_plan(plan))):
                _write_artifact(Assembled(info, site_key, planned, parts), tables, summary)
    result = _run_json(info, summary)
    store.put("run.json", json.dumps(result, indent=2, ensure_ascii=True).encode())
    return result


def _artifacts(store: OutputStore, run: str, entries: Iterable[Shard | PlanRow]) -> Iterator[tuple[list[PlanRow], list[dict[str, Any]]]]:
    """Each artifact's plan rows with its committed parts; no parts where the plan itself decided."""
    planned: list[PlanRow] = []
    parts: list[dict[str, Any]] = []
    for entry in entries:
        if isinstance(entry, PlanRow):
            yield [entry], []
            continue
        for row, part in zip(entry.rows, read_commit(store, run, entry.id), strict=True):
            planned.append(row)
            parts.append(part)
            if row.part == row.parts - 1:
                yield planned, parts
                planned, parts = [], []


class Assembled:
    """One artifact put together from its parts."""

    def __init__(self, info: RunInfo, site_key: bytes, planned: list[PlanRow], parts: list[dict[str, Any]]) -> None:
        self.info, self.key, self.planned, self.parts = info, site_key, planned, parts
        self.row = planned[0]
        self.content_id, self.content_id_kind = self._content_id()

    def _content_id(self) -> tuple[str | None, str | None]:
        if len(self.parts) > 1 and self.row.kind in BYTE_RANGES:
            blocks = hashlib.sha256("".join(part["content_id"] or "" for part in self.parts).encode())
            return (self.row.etag, "etag") if self.row.etag else (blocks.hexdigest(), "blocks")
        if self.parts and self.parts[0]["content_id"]:
            return self.parts[0]["content_id"], self.parts[0]["content_id_kind"]
        return (self.row.etag, "etag") if self.row.etag else (None, None)

    def findings(self) -> Iterator[dict[str, Any]]:
        """Rows of the findings table, in order of place, flood control applied over all parts."""
        shown: Counter[str] = Counter()
        ordinals: Counter[tuple[bytes, str | None]] = Counter()
        for found in sorted(self._placed(), key=_place):
            rule = found["rule_id"]
            if shown[rule] >= self.info.hits_per_rule:
                continue
            shown[rule] += 1
            same = found["evidence_key"], found["member"]
            yield self._finding(found, ordinals[same], 1)
            ordinals[same] += 1
        for rule, tally in sorted(self._by_rule().items()):
            if tally["count"] > shown[rule]:
                rest = tally["count"] - shown[rule]
                blank = dict.fromkeys(("member", "confidence", "evidence", "evidence_before", "evidence_after"))
                more = {
                    "rule_id": rule,
                    "engine": rule.partition(".")[0],
                    "severity": tally["severity"],
                    "location": None,
                    "evidence_key": b"more",
                }
                yield self._finding(
                    {**blank, **more, "message": f"{rest} more findings of this rule in this artifact (see rollup)"}, 0, rest
                )

    def _placed(self) -> Iterator[dict[str, Any]]:
        """Findings of all parts; positions that a part counted from its own beginning are counted from the artifact's."""
        lines = rows = chars = 0
        for row, part in zip(self.planned, self.parts, strict=bool(self.parts)):
            for found in part["findings"]:
                location = found["location"]
                if row.kind in BYTE_RANGES and location:
                    _shift(location, lines, rows, chars if row.kind == "lines" else 0)
                yield found
            lines += part["lines"]
            rows += part["rows"]
            chars += part["chars"]

    def _finding(self, found: dict[str, Any], ordinal: int, count: int) -> dict[str, Any]:
        rule = self.info.rules[found["rule_id"]]
        engine = self.info.engines.get(found["engine"], {})
        same = f"{found['evidence_key'].hex()}\0{found['member'] or ''}\0{ordinal}\0{rule.id}"
        return {
            "member": None if found["member"] is None else name_safe(found["member"]),
            **{name: found.get(name) for name in ("location", "engine", "severity", "confidence", "message")},
            **{name: found.get(name) for name in ("evidence", "evidence_before", "evidence_after")},
            "finding_id": _mac(self.key, f"finding\0{self.row.artifact}\0{same}"),
            "content_fingerprint": _mac(self.key, f"content\0{same}"),
            "scan_id": self.info.run,
            "artifact": self.row.artifact,
            "engine_fingerprint": engine.get("fingerprint"),
            "rule_id": rule.id,
            "category": rule.category,
            "severity_original": found["severity"],
            "count": count,
            "taxonomy": list(rule.taxonomy),
            "content_id": self.content_id,
            "model": engine.get("model"),
            "bundle_id": self.info.about.get("bundle_id"),
            "state": "new",
            "detected_at": datetime.now(UTC),
        }

    def _by_rule(self) -> dict[str, dict[str, Any]]:
        totals: dict[str, dict[str, Any]] = {}
        for line in self.rollup():
            total = totals.setdefault(line["rule_id"], {"count": 0, "severity": "info"})
            total["count"] += line["count"]
            total["severity"] = _worst([total["severity"], line["severity"]])
        return totals

    def rollup(self) -> list[dict[str, Any]]:
        """Rows of the rollup table, summed over all parts."""
        merged: dict[tuple[str | None, str], dict[str, Any]] = {}
        for part in self.parts:
            for line in part["rollup"]:
                total = merged.setdefault((line["column"], line["rule_id"]), {"count": 0, "severity": "info", "keys": set()})
                total["count"] += line["count"]
                total["severity"] = _worst([total["severity"], line["severity"]])
                total["keys"].update(line["keys"])
        return [
            {
                "artifact": self.row.artifact,
                "column": c,
                "rule_id": r,
                "count": t["count"],
                "distinct": len(t["keys"]),
                "severity": t["severity"],
            }
            for (c, r), t in sorted(merged.items(), key=lambda item: (item[0][0] or "", item[0][1]))
        ]

    def ledger(self, findings: int) -> dict[str, Any]:
        """The ledger row: the worst status of the parts, their sums, their gaps."""
        row, root = self.row, self.info.roots[self.row.root]
        status, reason = row.status, row.reason
        if self.parts:
            worst = min(self.parts, key=lambda part: _STATUS_ORDER.index(part["status"]))
            status, reason = worst["status"], worst["reason"]
        severities = [line["severity"] for part in self.parts for line in part["rollup"]]
        base = root.uri.rstrip("/") if is_local(root.uri) else root.uri
        return {
            "artifact": row.artifact,
            "uri": f"{base}/{row.artifact.removeprefix(root.prefix)}",
            "size": row.size,
            "etag": row.etag,
            "mtime": row.mtime,
            "content_id": self.content_id,
            "content_id_kind": self.content_id_kind,
            "media_type": next((part["media_type"] for part in self.parts if part["media_type"]), None),
            "status": "unreadable" if status == "unlisted" else status,
            "reason": reason,
            **{name: sum(part[name] for part in self.parts) for name in ("bytes_scanned", "segments", "gaps_total", "seconds")},
            "coverage": _coverage([part["coverage"] for part in self.parts]),
            "gaps": [gap for part in self.parts for gap in part["gaps"]][:MAX_GAPS],
            "findings": findings,
            "max_severity": _worst(severities) if severities else None,
        }


def _shift(location: dict[str, Any], lines: int, rows: int, chars: int) -> None:
    for name, by in (("line", lines), ("row", rows), ("start", chars), ("end", chars)):
        if location[name] is not None:
            location[name] += by


def _place(found: dict[str, Any]) -> tuple[Any, ...]:
    at = found["location"] or {}
    numbers = tuple(-1 if at.get(name) is None else at[name] for name in ("page", "row", "byte_offset", "start"))
    return (found["member"] or "", at.get("part") or "", *numbers, at.get("column") or "", found["rule_id"], at.get("end") or -1)


def _worst(severities: Sequence[str]) -> str:
    return max(severities, key=SEVERITIES.index)


def _mac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)[:16].hex()


def _coverage(parts: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Per engine the first entry that says something is not checked, else the first that says something is, else the first."""
    merged: dict[str, dict[str, Any]] = {}
    for entry in (entry for part in parts for entry in part):
        known = merged.get(entry["engine"])
        if known is None or _HARMLESS.get(entry["status"], 2) > _HARMLESS.get(known["status"], 2):
            merged[entry["engine"]] = entry
    return list(merged.values())


def _write_artifact(artifact: Assembled, tables: Mapping[str, _Table], summary: _Summary) -> None:
    count = 0
    for finding in artifact.findings():
        tables["findings"].add(finding)
        count += 1
        summary.severity[finding["severity"]] += finding["count"]
        summary.rules[finding["rule_id"], finding["severity"]] += finding["count"]
    for line in artifact.rollup():
        tables["rollup"].add(line)
    row = artifact.ledger(count)
    tables["ledger"].add(row)
    unlisted = artifact.row.status == "unlisted"
    summary.status["unlisted" if unlisted else row["status"]] += 1
    summary.totals.update(
        artifacts=int(not unlisted),  # the first update of a Counter would keep a bool
        bytes=artifact.row.size or 0,
        bytes_scanned=row["bytes_scanned"],
        segments=row["segments"],
        gaps=row["gaps_total"],
    )
    if row["status"] != "scanned" or row["reason"]:
        reason = ("unlisted" if unlisted else row["status"], row["reason"] or "")
        known = reason in summary.reasons or len(summary.reasons) < _REASONS * 100
        summary.reasons[reason if known else (reason[0], "other reasons")] += 1
    for entry in row["coverage"]:
        summary.coverage.setdefault(entry["engine"], Counter())[entry["status"]] += 1


def _run_json(info: RunInfo, summary: _Summary) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "scan_id": info.run,
        "fingerprint": info.fingerprint,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        **info.about,
        "engines": dict(info.engines),
        "totals": dict(summary.totals),
        "status": dict(summary.status),
        "severity": {name: summary.severity[name] for name in reversed(SEVERITIES) if summary.severity[name]},
        "rules": [{"rule_id": r, "title": info.rules[r].title, "severity": s, "count": n} for (r, s), n in summary.rules.most_common()],
        "not_covered": [{"status": s, "reason": r, "artifacts": n} for (s, r), n in summary.reasons.most_common(_REASONS)],
        "coverage": {engine: dict(counts) for engine, counts in sorted(summary.coverage.items())},
    }


class _Table:
    """Rows into numbered Parquet files, a few thousand in memory at a time."""

    def __init__(self, store: OutputStore, name: str, schema: pa.Schema) -> None:
        self._store, self._name, self._schema = store, name, schema
        self._rows: list[dict[str, Any]] = []
        self._number = self._written = 0
        self._stack = contextlib.ExitStack()
        self._writer = self._open()

    def _open(self) -> Any:
        file = self._stack.enter_context(self._store.writer(f"{self._name}/part-{self._number:05d}.parquet"))
        return self._stack.enter_context(pq.ParquetWriter(file, self._schema, compression="zstd"))

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) >= _FLUSH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._written >= _FILE_ROWS:
            self._stack.close()
            self._number, self._written = self._number + 1, 0
            self._writer = self._open()
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._written += len(self._rows)
        self._rows = []

    def close(self) -> None:
        self._flush()
        self._stack.close()
