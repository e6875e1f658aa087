"""What columns hold, as labels for a data catalog: tags of OpenMetadata, and change proposals of DataHub.

The rows of a selection are those of `results/kinds_by_column.py` in the order of datasets, with the `uri` of each artifact. It does not
depend on a catalog: files are written, and nothing is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, BinaryIO
from urllib.parse import quote

from veritensor_ray.core.config import Settings
from veritensor_ray.core.uris import is_local, local_path
from veritensor_ray.core.wording import counted, percent
from veritensor_ray.exports.described_findings import markdown_safe, shown, write_object
from veritensor_ray.exports.not_checked import missing
from veritensor_ray.exports.plain_tables import write_list
from veritensor_ray.exports.rules_of_results import rules_in
from veritensor_ray.exports.selection import Selection
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.results.kinds_by_column import BY_DATASET
from veritensor_ray.results.results import Results

_CLASSIFICATION = "Veritensor"
_ABOUT = "What veritensor-ray found in the column."
_DATASET = ("uri", "member", "part")
_PLAIN = re.compile(r"[\w-]+")
# DataHub calls its platforms by other names than addresses do.
_PLATFORMS = {"s3a": "s3", "gs": "gcs", "az": "abs", "abfs": "abs", "abfss": "abs"}
_RESERVED = re.compile("[(),\u241f]")  # in a component of a URN


def label_selection(results: Results, kinds: str, settings: Settings) -> Selection:
    """Return the selection for a query of `kinds_by_column`."""
    query = f"SELECT k.*, coalesce(l.uri, k.artifact) AS uri FROM ({kinds}) k JOIN ledger l USING (artifact)"  # noqa: S608  # checked
    return Selection(results, query, rules_in(results, settings), BY_DATASET)


def write_openmetadata(selection: Selection, file: BinaryIO) -> None:
    """Write one JSON object: the classification and the tags to create, the columns of each table with their labels, and what is missing."""
    tags: dict[str, dict[str, Any]] = {}
    write_object(
        file,
        {"classification": {"name": _CLASSIFICATION, "description": _ABOUT, "mutuallyExclusive": False}},
        {"tables": _tables(selection, tags), "tags": tags.values()},  # they are known once all tables are written
        {"not_checked": [one.words for one in missing(selection.results)]},
    )


def write_datahub(selection: Selection, file: BinaryIO) -> None:
    """Write one JSON list of change proposals: the properties of each tag, and the tags of each field."""
    write_list(_proposals(selection), file)


def _tables(selection: Selection, tags: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield each dataset with its columns, and collect the tags that must exist."""
    for dataset, rows in groupby(selection.rows(), lambda row: [row[name] for name in _DATASET]):
        columns = []
        for column, kinds in groupby(rows, _field):
            columns.append({"name": column, "tags": [_tag_label(row, selection.rules, tags) for row in kinds]})
        yield dict(zip(_DATASET, dataset, strict=True)) | {"columns": columns}


def _tag_label(row: Mapping[str, Any], rules: Mapping[str, RuleText], tags: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a label for a column. The tag is that of the rule, below the tag of its engine."""
    engine, _, name = row["rule_id"].partition(".")
    above = f"{_CLASSIFICATION}.{_part_of_name(engine)}"
    tag = f"{above}.{_part_of_name(name)}"
    tags.setdefault(above, {"name": engine, "description": _ABOUT, "classification": _CLASSIFICATION})
    about = {"displayName": _title(row, rules), "description": markdown_safe(_description(row, rules))}
    tags.setdefault(tag, {"name": name, "classification": _CLASSIFICATION, "parent": above} | about)
    return {
        "tagFQN": tag,
        "displayName": _title(row, rules),
        "description": markdown_safe(_numbers(row)),
        "source": "Classification",
        "labelType": "Automated",
        "state": "Suggested",
    }


def _part_of_name(name: str) -> str:
    """Return a part of a fully qualified name, in quotes if it has a dot or a quote itself."""
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def _proposals(selection: Selection) -> Iterator[dict[str, Any]]:
    """Yield a proposal for each tag before it is used, and one for each field."""
    tags: set[str] = set()
    for (*dataset, column), rows in groupby(selection.rows(), lambda row: [*(row[name] for name in _DATASET), _field(row)]):
        used = []
        for row in rows:
            tag = f"urn:li:tag:{_encoded('veritensor.' + row['rule_id'])}"
            if tag not in tags:
                tags.add(tag)
                about = {"name": f"veritensor.{shown(row['rule_id'])}", "description": _description(row, selection.rules)}
                yield _proposal("tag", tag, "tagProperties", about)
            used.append({"tag": tag, "context": _numbers(row)})
        field = f"urn:li:schemaField:({_dataset_urn(*dataset)},{_encoded(column)})"
        yield _proposal("schemaField", field, "globalTags", {"tags": used})


def _proposal(entity: str, urn: str, aspect: str, value: Mapping[str, Any]) -> dict[str, Any]:
    return {"entityType": entity, "entityUrn": urn, "changeType": "UPSERT", "aspectName": aspect, "aspect": {"json": value}}


def _dataset_urn(uri: str, member: str | None, part: str | None) -> str:
    """Return what DataHub's own sources call a file in a store or in a file system; what is inside it follows after a slash."""
    scheme, _, rest = ("file", "", str(local_path(uri))) if is_local(uri) else uri.partition("://")
    name = rest + (f"!/{member}" if member else "") + (f"/{part}" if part else "")
    return f"urn:li:dataset:(urn:li:dataPlatform:{_encoded(_PLATFORMS.get(scheme, scheme))},{_encoded(name)},PROD)"


def _encoded(text: str) -> str:
    """Return a component of a URN, in which DataHub encodes what has a meaning there."""
    return _RESERVED.sub(lambda found: quote(found.group()), text)


def _field(row: Mapping[str, Any]) -> str:
    """Return the name of a column. In a database, it begins with that of the table, which the dataset already has."""
    column: str = row["column"]
    return column.removeprefix(f"{row['part']}.")


def _title(row: Mapping[str, Any], rules: Mapping[str, RuleText]) -> str:
    rule = rules.get(row["rule_id"])
    return shown(rule.title if rule else row["rule_id"])


def _description(row: Mapping[str, Any], rules: Mapping[str, RuleText]) -> str:
    rule = rules.get(row["rule_id"])
    return shown(rule.description if rule else row["rule_id"])


def _numbers(row: Mapping[str, Any]) -> str:
    """Return the numbers of a row and its example as a sentence."""
    rows = (
        counted(row["rows"], "row") if row["share"] is None else f"{row['rows']:,} of {row['table_rows']:,} rows ({percent(row['share'])})"
    )
    least = "" if row["complete"] else "at least "
    example = f", for example {shown(row['example'])}" if row["example"] else ""
    return f"{shown(row['severity'])}: {least}{rows}, {counted(row['count'], 'location')}{example}"
