"""CycloneDX 1.6: a bill of materials with the models and datasets of the corpus, and findings as vulnerabilities."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from veritensor_ray.core import media_types as types
from veritensor_ray.core.format_table import COMPRESSED, declared_type
from veritensor_ray.exports import described_findings
from veritensor_ray.exports.described_findings import shown
from veritensor_ray.exports.not_checked import missing
from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.masking.secret_kinds.uri_credentials import without_credentials
from veritensor_ray.results.run_text import FullyChecked

VERSION = "1.6"
MODELS = frozenset({types.PICKLE, types.PYTORCH, types.SAFETENSORS, types.GGUF, types.ONNX, types.HDF5})
DATA = frozenset({
    types.CSV, types.TSV, types.JSONL, types.PARQUET, types.ARROW_FILE, types.ARROW_STREAM, types.ORC, types.AVRO, types.SQLITE, types.DUCKDB, types.WARC,
    types.TFRECORD, types.NPY, types.NPZ, types.FAISS, types.FEATHER_1,
})  # fmt: skip
_KERAS = ".keras"  # a zip
_MIME = re.compile("[-+a-z0-9.]+/[-+a-z0-9.]+")
_CORPUS = "corpus"
_SEVERITIES = frozenset({"info", "low", "medium", "high", "critical"})
# Models, datasets, and whatever a finding is about. Findings that are resolved may be in artifacts that the ledger no longer has.
_COMPONENTS = """
    SELECT coalesce(l.artifact, f.artifact) AS artifact, l.size, l.media_type, l.status, l.reason,
    CASE WHEN l.content_id_kind = 'sha256' THEN l.content_id END AS sha256, f.sensitive, f.artifact IS NOT NULL AS affected
    FROM ledger l FULL JOIN (SELECT artifact, list(DISTINCT rule_id ORDER BY rule_id) FILTER (category IN ('pii', 'secret')) AS sensitive
    FROM ({query}) GROUP BY artifact) f ON f.artifact = l.artifact ORDER BY 1"""


def write(selection: Selection, file: BinaryIO) -> None:
    """Write the bill of materials. Licences are not part of it, because an audit does not record them."""
    run = selection.results.run
    gaps = [described_findings.uncovered_words(one.reason) for one in missing(selection.results)]
    head = {
        "bomFormat": "CycloneDX",
        "specVersion": VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, ' '.join((run['scan_id'], selection.query)))}",
        "version": 1,
        "metadata": _metadata(run, selection.results.checked, gaps),
    }
    packages: dict[str, described_findings.FoundPackage] = {}  # filled while the vulnerabilities are written, which is why these come first
    lists = {
        "vulnerabilities": _vulnerabilities(selection, packages),
        "components": _components(selection, packages),
    }
    described_findings.write_object(file, head, lists, {"compositions": [_INCOMPLETE], **_annotations(run, gaps)})


# The list is never complete: members of archives and the licences are not in it, and packages only if there is a finding about them.
_INCOMPLETE = {"aggregate": "incomplete", "assemblies": [_CORPUS]}


def _metadata(run: Mapping[str, Any], checked: FullyChecked, gaps: Sequence[str]) -> dict[str, Any]:
    sources = ", ".join(shown(without_credentials(str(one))) for one in run["sources"])
    properties = [
        ("scan_id", run["scan_id"]),
        ("profile", run.get("profile")),
        ("artifacts", checked.artifacts),
        ("not-fully-checked", checked.short),
        ("coverage", "incomplete" if gaps else "complete"),
        *(("not-covered", one) for one in gaps),
    ]
    return {
        "timestamp": shown(run["finished_at"]),
        "tools": {"components": [_tool(run)]},
        "component": {"type": "data", "bom-ref": _CORPUS, "name": sources or _CORPUS},
        "properties": _properties(properties),
    }


def _tool(run: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "application", "name": described_findings.PRODUCT, "version": described_findings.version_of(run)}


def _annotations(run: Mapping[str, Any], gaps: Sequence[str]) -> dict[str, Any]:
    """Return an annotation that says what was not checked, for readers who see no properties; nothing if everything was."""
    if not gaps:
        return {}
    return {
        "annotations": [
            {
                "bom-ref": "not-covered",
                "subjects": [_CORPUS],
                "annotator": {"component": _tool(run)},
                "timestamp": shown(run["finished_at"]),
                "text": f"Not everything was checked. {'; '.join(gaps)}",
            }
        ]
    }


def kind_of(artifact: str, media_type: str | None) -> str:
    """Return the type of component that an artifact is. What a compressed file holds is known only by its name."""
    name = artifact.lower()
    if media_type in COMPRESSED:
        stem, _, _ = name.rpartition(".")
        inner = declared_type(f".{stem.rpartition('.')[2]}") if "." in stem.rpartition("/")[2] else None
        media_type = inner or declared_type(f".{name.rpartition('.')[2]}")
    if media_type in MODELS or (media_type == types.ZIP and name.endswith(_KERAS)):
        return "machine-learning-model"
    return "data" if media_type in DATA else "file"


def _components(selection: Selection, packages: Mapping[str, described_findings.FoundPackage]) -> Iterator[dict[str, Any]]:
    for batch in selection.results.rows(_COMPONENTS.format(query=selection.query)):
        for row in batch.to_pylist():
            kind = kind_of(row["artifact"], row["media_type"])
            if kind != "file" or row["affected"]:
                yield _component(row, kind)
    for reference, package in packages.items():
        yield {
            "type": "library",
            "bom-ref": reference,
            "name": package.name,
            **({"version": package.version} if package.version else {}),
        }


def _component(row: Mapping[str, Any], kind: str) -> dict[str, Any]:
    name = shown(row["artifact"])
    sensitive = [shown(one) for one in row["sensitive"] or ()]
    dataset = {"type": "dataset", "name": name, **({"sensitiveData": sensitive} if sensitive else {})}
    return {
        "type": kind,
        "bom-ref": _reference("artifact", row["artifact"]),
        "name": name,
        **({"mime-type": row["media_type"]} if row["media_type"] and _MIME.fullmatch(row["media_type"]) else {}),
        **({"hashes": [{"alg": "SHA-256", "content": row["sha256"]}]} if row["sha256"] else {}),
        **({"data": [dataset]} if kind == "data" else {}),
        "properties": _properties(
            [("size", row["size"]), ("status", row["status"] or "not in this run"), ("reason", row["reason"])]
            + [("sensitive-data", one) for one in sensitive if kind != "data"]
        ),
    }


def _vulnerabilities(selection: Selection, packages: dict[str, described_findings.FoundPackage]) -> Iterator[dict[str, Any]]:
    entries, labels = described_findings.suppressions(selection.results.run), selection.labels()
    for row in selection.rows():
        package = described_findings.package_of(row)
        affected = [_reference("artifact", row["artifact"])]
        if package is not None:
            affected.append(_reference("package", f"{package.name}\0{package.version}"))
            packages.setdefault(affected[-1], package)
        analysis = _analysis(row, described_findings.suppression_of(row, entries), labels.of(row))
        yield _vulnerability(row, selection.rules.get(row["rule_id"]), analysis, package, affected)


def _vulnerability(
    row: Mapping[str, Any],
    rule: RuleText | None,
    analysis: Mapping[str, str],
    package: described_findings.FoundPackage | None,
    affected: Sequence[str],
) -> dict[str, Any]:
    numbers, addresses = described_findings.cwes(row), described_findings.references(rule)
    severity = row["severity"] if row["severity"] in _SEVERITIES else "unknown"
    words = [described_findings.place_of(row)]
    words += [f"evidence, masked: {shown(row['evidence'])}"] if row["evidence"] else []
    return {
        "bom-ref": f"finding:{row['finding_id']}",
        "id": package.advisory if package and package.advisory else shown(row["rule_id"]),
        "source": {"name": described_findings.PRODUCT},
        "ratings": [{"source": {"name": described_findings.PRODUCT}, "severity": severity, "method": "other"}],
        **({"cwes": numbers} if numbers else {}),
        "description": described_findings.headline(rule, row),
        "detail": "; ".join(words),
        **({"recommendation": shown(rule.remediation)} if rule else {}),
        **({"advisories": [{"url": one} for one in addresses]} if addresses else {}),
        "created": row["first_seen"].isoformat(),
        "updated": (row["last_seen"] or row["first_seen"]).isoformat(),  # the first version of results has no last_seen
        "analysis": analysis,
        "affects": [{"ref": one} for one in affected],
        "properties": _properties(
            [(name, row[name]) for name in ("rule_id", "engine", "category", "state", "count", "confidence", "content_fingerprint")]
        ),
    }


def _analysis(row: Mapping[str, Any], suppression: described_findings.WhySuppressed | None, label: bool | None) -> dict[str, str]:
    """Return the state of a finding. CycloneDX has none for an accepted risk: a suppressed finding is `not_affected`, with the reason.

    What somebody labelled true is `exploitable`, the only state of a finding that is confirmed and still there.
    """
    if row["state"] == "resolved":
        return {"state": "resolved"}
    if label is False:
        return {"state": "false_positive", "detail": suppression.words if suppression else "Somebody labelled it false."}
    if suppression is not None:
        return {"state": "not_affected", "detail": suppression.words}
    return {"state": "exploitable", "detail": "Somebody labelled it true."} if label else {"state": "in_triage"}


def _reference(kind: str, name: str) -> str:
    """Return a bom-ref that holds no text of the corpus."""
    return f"{kind}:{hashlib.sha256(name.encode('utf-8', 'backslashreplace')).hexdigest()[:32]}"


def _properties(pairs: Sequence[tuple[str, object]]) -> list[dict[str, str]]:
    return [{"name": f"{described_findings.PRODUCT}:{name}", "value": shown(value)} for name, value in pairs if value is not None]
