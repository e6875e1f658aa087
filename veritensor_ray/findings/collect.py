"""Collect: turn commits, in plan order, into findings, ledger and rollup, in bounded memory, and write the rules that explain them.

run.json is written last. It does not depend on any engine.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.core import bounds
from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.detection import VERDICTS
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.core.uris import is_local
from veritensor_ray.corpus.datasets.dataset_folders import DatasetPart
from veritensor_ray.corpus.planning import BYTE_RANGES, PlanRow, Shard, plan_key, read_plan, shards_of
from veritensor_ray.findings.located import named, unpacked
from veritensor_ray.findings.outcome import COMPLETE, MAX_GAPS, MOST_ROWS, NOT_APPLICABLE
from veritensor_ray.findings.outgoing_texts import unsealed
from veritensor_ray.findings.recorded import RANK, Tally, joined, order, places
from veritensor_ray.findings.rule_texts import write_rules
from veritensor_ray.findings.schema import BYTES, FINDINGS, LEDGER, LOCATIONS, ROLLUP
from veritensor_ray.findings.shard_commit import read_commit
from veritensor_ray.findings.summary import RunInfo, run_json
from veritensor_ray.findings.table_files import TableWriter
from veritensor_ray.masking.redaction import name_safe, reason_safe
from veritensor_ray.masking.site_key import unseal
from veritensor_ray.policy.judge import Judge
from veritensor_ray.stores.outputs import OutputStore

_HARMLESS = {NOT_APPLICABLE: 0, COMPLETE: 1}
_VERDICT_RANKS = {None: -1} | {verdict: rank for rank, verdict in enumerate(VERDICTS)}
_STATUS_ORDER = ("unreadable", "quarantined", "partial", "skipped", "scanned")
_MORE = b"more"
_REVISION = re.compile(r"[0-9a-f]{40}")


REPEATS = pa.schema([("content_fingerprint", pa.string())])


@dataclass
class Assembly:
    """What the tables of a run leave out: prefixes that could not be listed, and artifacts with the content of an earlier one."""

    unlisted: list[str] = field(default_factory=list)
    same: list[tuple[str, str]] = field(default_factory=list)  # the artifact, and the one of the last complete sweep


def collect(store: OutputStore, info: RunInfo, site_key: bytes, judge: Judge) -> dict[str, Any]:
    """Write the tables and run.json of an audit. Returns the content of run.json."""
    for name in ("run.json", "attestation.json"):  # removed first, so that half an output is never taken for a whole one
        store.delete(name)
    assembly = assemble(store, store, info, site_key, judge)
    write_rules(store, info.rules.values())
    result = run_json(store, info, assembly.unlisted, judge)
    store.put("run.json", json.dumps(result, indent=2, ensure_ascii=True).encode())
    return result


def assemble(
    work: OutputStore, results: OutputStore, info: RunInfo, site_key: bytes, judge: Judge | None = None, repeats: bool = False
) -> Assembly:
    """Assemble the commits below `work` into findings/, ledger/ and rollup/ below `results`.

    Rows carried over from an earlier sweep are not included. With `repeats`, a table of that name holds `Assembled.repeats` of all
    artifacts.
    """
    assembly, schemas = Assembly(), {"findings": FINDINGS, "ledger": LEDGER, "rollup": ROLLUP} | ({"repeats": REPEATS} if repeats else {})
    schemas |= {"locations": LOCATIONS} if info.locates else {}
    for name in (*schemas, "locations"):
        results.delete(name)
    through = {"findings": judge.apply if judge else None}
    with contextlib.ExitStack() as stack:
        tables = {
            name: stack.enter_context(contextlib.closing(TableWriter(results, name, schema, through.get(name))))
            for name, schema in schemas.items()
        }
        with work.open(plan_key(info.run)) as plan:
            for planned, parts in _artifacts(work, info.run, shards_of(read_plan(plan))):
                row = planned[0]
                if parts and parts[0]["same_as"] is not None:
                    assembly.same.append((row.artifact, parts[0]["same_as"]))
                elif parts or row.carried_from is None:
                    _write_artifact(Assembled(info, site_key, planned, parts), tables)
                if row.status == "unlisted":
                    assembly.unlisted.append(row.artifact)
    return assembly


def _artifacts(store: OutputStore, run: str, entries: Iterable[Shard | PlanRow]) -> Iterator[tuple[list[PlanRow], list[dict[str, Any]]]]:
    """Yield the plan rows of each artifact with its committed parts; no parts if the plan itself decided."""
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
    """One artifact assembled from its parts."""

    def __init__(self, info: RunInfo, site_key: bytes, planned: list[PlanRow], parts: list[dict[str, Any]]) -> None:
        self.info, self.key, self.planned, self.parts = info, site_key, planned, parts
        self.row = planned[0]
        if len(parts) > 1:
            unsealed(parts, site_key)
        for found in (found for part in parts for found in part["findings"]):
            found["name"] = unseal(site_key, found["member_sealed"]) if found["member_sealed"] else found["member"]
        self.content_id, self.content_id_kind = self._content_id()
        started = info.about.get("started_at")
        self._now = datetime.now(UTC)
        self._seen = datetime.fromisoformat(started) if started else self._now

    def _content_id(self) -> tuple[str | None, str | None]:
        if len(self.parts) > 1 and self.row.kind in BYTE_RANGES:
            blocks = hashlib.sha256("".join(part["content_id"] or "" for part in self.parts).encode())
            return (self.row.etag, "etag") if self.row.etag else (blocks.hexdigest(), "blocks")
        if self.parts and self.parts[0]["content_id"]:
            return self.parts[0]["content_id"], self.parts[0]["content_id_kind"]
        return (self.row.etag, "etag") if self.row.etag else (None, None)

    def findings(self) -> Iterator[dict[str, Any]]:
        """Yield rows of the findings table: the facts in order of location, then the counts of those without a row.

        There is one count for each rule and severity.
        """
        for found in sorted(self._facts, key=_place):
            yield self._finding(found, sum(found["counts"]))
        for (rule, severity), count in self._rest.items():
            blank = dict.fromkeys(("member", "confidence", "evidence", "evidence_before", "evidence_after", "location"))
            more = self._counting(rule, severity) | {"engine": rule.partition(".")[0], "severity": severity}
            message = f"{count} more findings of this rule in this artifact are only counted (see rollup). {_all_of(self._totals[rule])}"
            yield self._finding({**blank, **more, "places": [], "message": message}, count)

    def repeats(self) -> Iterator[str]:
        """Yield fingerprints of rows that a schema 2 output had and this one has not.

        Schema 2 had one row for each place of a fact.
        """
        for found in self._facts:
            for ordinal in range(1, min(sum(found["counts"]), self.info.hits_per_rule)):
                yield self._fingerprint(found, ordinal)
        for rule in self._totals:
            if (rule, self.info.rules[rule].severity) not in self._rest:
                yield self._fingerprint({"rule_id": rule, "evidence_key": _MORE, "name": None})

    def locations(self) -> Iterator[pa.Table]:
        """Yield rows of the locations table, some thousands at a time: every place of every row of the findings table."""
        ids = {(found["evidence_key"], found["name"]): self._id(found) for found in self._facts}
        for part, shifts in self._shifted():
            if part["located"] is None:
                continue
            facts = [ids.get((found["evidence_key"], found["name"])) for found in part["findings"]]
            beyond = [self._id(self._counting(spot["rule_id"], spot["severity"])) for spot in part["spots"]]
            for batch in unpacked(part["located"]):
                table = named(batch, facts, beyond, part["spots"], part["keys"])
                for name, by in shifts.items():
                    at = table.schema.get_field_index(name)
                    table = table.set_column(at, name, pc.add(table.column(name), by))
                names = pa.repeat(pa.scalar(self.row.artifact, pa.string()), table.num_rows)
                yield table.append_column("artifact", names).select(LOCATIONS.names).cast(LOCATIONS)

    def _id(self, found: Mapping[str, Any]) -> str:
        return finding_id(self.key, self.row.artifact, self._fingerprint(found))

    def _counting(self, rule: str, severity: str) -> dict[str, Any]:
        """Return what identifies the row that counts places without a row of their own."""
        return {"rule_id": rule, "evidence_key": self._more(rule, severity), "name": None}

    @cached_property
    def _facts(self) -> list[dict[str, Any]]:
        """The facts that get a row, in reading order.

        Equal facts of different parts are joined, and the limit on rows per rule is applied.
        """
        facts: dict[tuple[bytes, str | None], dict[str, Any]] = {}
        for found in self._placed():
            same = found["evidence_key"], found["name"]
            facts[same] = joined(facts[same], found) if same in facts else found
        seen: Counter[str] = Counter()
        kept = []
        for found in facts.values():
            seen[found["rule_id"]] += 1
            if seen[found["rule_id"]] <= self.info.hits_per_rule:
                kept.append(found)
        return kept

    @cached_property
    def _rest(self) -> dict[tuple[str, str], int]:
        """The number of places without a row, by rule and severity, worst severity first."""
        rest = Counter[tuple[str, str]]()
        for line in self.rollup():
            rest[line["rule_id"], line["severity"]] += line["count"]
        for found in self._facts:
            rest.subtract({(found["rule_id"], name): count for name, count in zip(SEVERITIES, found["counts"], strict=True)})
        return {one: rest[one] for one in sorted(rest, key=lambda one: (one[0], -RANK[one[1]])) if rest[one] > 0}

    @cached_property
    def _totals(self) -> Counter[str]:
        """The number of places of each rule."""
        totals: Counter[str] = Counter()
        for line in self.rollup():
            totals[line["rule_id"]] += line["count"]
        return totals

    def _more(self, rule: str, severity: str) -> bytes:
        """Return the evidence key of a row that only counts.

        A row with the rule's default severity keeps the key, and so the ID, that it had before severities could vary.
        """
        return _MORE if severity == self.info.rules[rule].severity else _MORE + severity.encode()

    def _placed(self) -> Iterator[dict[str, Any]]:
        """Yield the findings of all parts. Positions counted from the beginning of a part become positions in the artifact."""
        for part, shifts in self._shifted():
            for found in part["findings"]:
                for location in (found["location"], *found["places"]):
                    _shift(location, shifts)
                yield found

    def _shifted(self) -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
        """Yield each part, and how much must be added to the numbers of a location in it."""
        lines = rows = chars = 0
        for row, part in zip(self.planned, self.parts, strict=bool(self.parts)):
            along = chars if row.kind == "lines" else 0
            yield part, {"line": lines, "row": rows, "start": along, "end": along} if row.kind in BYTE_RANGES else {}
            lines += part["lines"]
            rows += part["rows"]
            chars += part["chars"]

    def _fingerprint(self, found: Mapping[str, Any], ordinal: int = 0) -> str:
        """Return the fingerprint of a fact.

        `ordinal` numbered equal facts in schema 2; now they are one finding, which has number 0.
        """
        return content_fingerprint(self.key, f"{found['evidence_key'].hex()}\0{found['name'] or ''}\0{ordinal}\0{found['rule_id']}")

    def _finding(self, found: dict[str, Any], count: int) -> dict[str, Any]:
        rule = self.info.rules[found["rule_id"]]
        engine = self.info.engines.get(found["engine"], {})
        same = self._fingerprint(found)
        return {
            **{name: found.get(name) for name in ("member", "location", "engine", "severity", "confidence", "message")},
            **{name: found.get(name) for name in ("evidence", "evidence_before", "evidence_after")},
            "finding_id": finding_id(self.key, self.row.artifact, same),
            "content_fingerprint": same,
            "scan_id": self.info.run,
            "artifact": self.row.artifact,
            "engine_fingerprint": engine.get("fingerprint"),
            "rule_id": rule.id,
            "category": rule.category,
            "severity_original": found["severity"],
            "count": count,
            "places": _others(found),
            "taxonomy": list(rule.taxonomy),
            "content_id": self.content_id,
            "model": engine.get("model"),
            "bundle_id": self.info.about.get("bundle_id"),
            "state": "new",
            "first_seen": self._seen,
            "last_seen": self._seen,
            "detected_at": self._now,
        }

    def rollup(self) -> list[dict[str, Any]]:
        """Return the rows of the rollup table, summed over all parts."""
        merged: dict[tuple[str | None, str, str], Tally] = {}
        for line in (line for part in self.parts for line in part["rollup"]):
            merged.setdefault((line["column"], line["rule_id"], line["severity"]), Tally()).add(line["count"], line["keys"])
        return [
            {
                "artifact": self.row.artifact,
                "column": column,
                "rule_id": rule,
                "count": tally.count,
                "distinct": len(tally.keys),
                "severity": severity,
            }
            for (column, rule, severity), tally in sorted(
                merged.items(), key=lambda item: (item[0][0] or "", item[0][1], -RANK[item[0][2]])
            )
        ]

    def ledger(self, findings: int) -> dict[str, Any]:
        """Return the ledger row: the worst status of the parts, their sums, and their gaps."""
        row, root = self.row, self.info.roots[self.row.root]
        status, reason, code = row.status, row.reason, row.reason_code
        if self.parts:
            worst = min(self.parts, key=lambda part: _STATUS_ORDER.index(part["status"]))
            status, reason, code = worst["status"], worst["reason"], worst["reason_code"]
        elif reason is not None:
            reason = reason_safe(reason)  # set by the plan, and it may quote a store
        severities = [line["severity"] for part in self.parts for line in part["rollup"]]
        base = root.uri.rstrip("/") if is_local(root.uri) else root.uri
        unlisted = self._only_counted()
        sums = {name: sum(part[name] for part in self.parts) for name in ("bytes_scanned", "segments", "gaps_total", "seconds")}
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
            "reason_code": code,
            **sums,
            **self._bytes(),
            "tables": self._tables(),
            "dataset": row.dataset and _dataset(row.dataset),
            "gaps_total": sums["gaps_total"] + len(unlisted),
            "coverage": _coverage([part["coverage"] for part in self.parts]),
            "gaps": [*unlisted, *(gap for part in self.parts for gap in part["gaps"])][:MAX_GAPS],
            "findings": findings,
            "max_severity": _worst(severities) if severities else None,
        }

    def _bytes(self) -> dict[str, int | None]:
        """Return what the bytes of all parts are; null if that of one is not known."""
        columns = {name: [part[name] for part in self.parts] for name in BYTES}
        return {name: None if None in column or not column else sum(column) for name, column in columns.items()}

    def _tables(self) -> list[dict[str, Any]]:
        """Return the rows of each table, summed over all parts. If a part was not read, those of the artifact itself are not known."""
        sums: Counter[tuple[str | None, str | None]] = Counter()
        for table in (table for part in self.parts for table in part["tables"] or ()):
            sums[table["member"], table["part"]] += table["rows"]
        if any(part["status"] not in ("scanned", "partial") for part in self.parts):
            del sums[None, None]
        return [{"member": member, "part": part, "rows": rows} for (member, part), rows in sums.items() if rows <= MOST_ROWS]

    def _only_counted(self) -> list[dict[str, Any]]:
        """Return a gap for each rule with places that have no row. Everything was scanned, so these gaps make nothing partial."""
        rest: Counter[str] = Counter()
        for (rule, _), count in self._rest.items():
            rest[rule] += count
        return [
            {"member": None, "location": None, "engine": rule.partition(".")[0], "bound": "hits_per_rule", "reason_code": ReasonCode.LIMIT}
            | {
                "reason": f"{self._totals[rule] - count} of {self._totals[rule]} findings of {rule} have a row. {_all_of(self._totals[rule])}"
            }
            for rule, count in rest.items()
        ] + self._unlocated()

    def _unlocated(self) -> list[dict[str, Any]]:
        """Return a gap if there were too many places for the locations table. It makes nothing partial either."""
        lost = sum(part["unlocated"] or 0 for part in self.parts)
        if not lost:
            return []
        reason = f"{lost} of {sum(self._totals.values())} places of findings have no row in locations; the findings count them"
        return [{"member": None, "location": None, "engine": None, "reason": reason, "bound": "locations", "reason_code": ReasonCode.LIMIT}]


@lru_cache(1024)  # most artifacts share theirs with others
def _dataset(part: DatasetPart) -> dict[str, str | None]:
    """Return what is known of a dataset. The corpus gives its names, so they may hold anything; a revision is the digest of a commit."""
    return {name: value and (value if _REVISION.fullmatch(value) else name_safe(value)) for name, value in part._asdict().items()}


def _all_of(count: int) -> str:
    """Return how to get a row for every finding of a rule."""
    return f"For one row each, set limits.hits_per_rule to {count} or more and scan again"


def _others(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the first places of a fact, without the one that is shown."""
    listed = places(found)
    at = listed.index(found["location"]) if found["location"] in listed else len(listed)
    return [*listed[:at], *listed[at + 1 :]][: bounds.PLACES - 1]


def _shift(location: dict[str, Any], shifts: Mapping[str, int]) -> None:
    for name, by in shifts.items():
        if location[name] is not None:
            location[name] += by


def _place(found: dict[str, Any]) -> tuple[Any, ...]:
    return (found["name"] or "", *order(found["location"]), found["rule_id"], found["location"].get("end") or -1)


def _worst(severities: Sequence[str]) -> str:
    return max(severities, key=SEVERITIES.index)


def content_fingerprint(key: bytes, same: str) -> str:
    """Return the fingerprint of a finding, independent of its path.

    `same` distinguishes it from others in its artifact and contains evidence in keyed form only.
    """
    return _mac(key, f"content\0{same}")


def finding_id(key: bytes, artifact: str, fingerprint: str) -> str:
    """Return the ID of a finding in an artifact. It is computed again when the artifact is renamed."""
    return _mac(key, f"finding\0{artifact}\0{fingerprint}")


def _mac(key: bytes, text: str) -> str:
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)[:16].hex()


def _coverage(parts: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return one entry per engine.

    An entry that reports something unchecked comes first, then one that reports a check, then any other. The verdict is the worst one.
    """
    merged: dict[str, dict[str, Any]] = {}
    for entry in (entry for part in parts for entry in part):
        known = merged.setdefault(entry["engine"], entry)
        first, other = (entry, known) if _HARMLESS.get(entry["status"], 2) > _HARMLESS.get(known["status"], 2) else (known, entry)
        worst = max(first, other, key=lambda one: _VERDICT_RANKS[one["verdict"]])
        merged[entry["engine"]] = first | {name: worst[name] for name in ("verdict", "verdict_reasons")}
    return list(merged.values())


def _write_artifact(artifact: Assembled, tables: Mapping[str, TableWriter]) -> None:
    count = 0
    for finding in artifact.findings():
        tables["findings"].add(finding)
        count += 1
    if "locations" in tables:
        for some in artifact.locations():
            tables["locations"].write(some)
    if "repeats" in tables:
        for fingerprint in artifact.repeats():
            tables["repeats"].add({"content_fingerprint": fingerprint})
    for line in artifact.rollup():
        tables["rollup"].add(line)
    tables["ledger"].add(artifact.ledger(count))
