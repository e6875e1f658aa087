"""Group findings for people: by place, by equal evidence, by rule or by folder. It builds SQL and runs nothing."""

from __future__ import annotations

from typing import Literal, get_args

from veritensor_ray.findings.summary import NUMBER
from veritensor_ray.results.shared_places import places

Group = Literal["place", "evidence", "rule", "folder"]
GROUPS: tuple[Group, ...] = get_args(Group)

# Masked evidence may stand for different secrets, and truncated evidence for different texts: the fingerprint distinguishes them.
_SAME = "CASE WHEN evidence IS NULL OR contains(evidence, '*') OR length(evidence) >= 240 THEN content_fingerprint ELSE '' END"
FOLDER = "regexp_extract(artifact, '(?s)^(.*)/', 1)"
# None of the parts before the evidence can contain the separator. State and suppression differ only between artifacts.
_EVIDENCE = f"md5(concat(severity, '|', rule_id, '|', state, '|', suppressed_by, '|', {_SAME}, '|', evidence))"
_KEYS = {"evidence": _EVIDENCE, "rule": "rule_id", "folder": FOLDER}
_POSITION = "coalesce(location.page, 0), coalesce(location.row, 0), coalesce(location.start, 0), finding_id"
_SHOWN = ("severity", "rule_id", "artifact", "member", "location", "evidence", "message", "state", "finding_id")
# The worst finding represents its group; among equals, the first one in the corpus.
_WORST = f"arg_min(struct_pack({', '.join(_SHOWN)}), (-severity_rank(severity), artifact, {_POSITION}))"


def key_of(by: Literal["evidence", "rule", "folder"]) -> str:
    """Return the SQL expression over a finding that is the key of its group. A place has none: it depends on other findings."""
    return _KEYS[by]


def grouped(source: str, by: Group) -> str:
    """Return a query with a row for each group of the findings of `source`, a table or a subquery.

    `key` identifies the group for `opened`. `severity`, `artifact`, `member`, `location`, `evidence`, `message`, `state` and `finding_id`
    are those of the worst finding, and `rules` begins with its rule. `findings` is the number of findings, `files` that of artifacts and
    `count` that of locations. `suppressed_by` is null unless all findings of the group are suppressed.
    """
    if by == "place":
        return f"""SELECT place AS key, severity, list_prepend(rule_id, list_filter(rules, lambda r: r <> rule_id)) AS rules, artifact, member,
            location, evidence, message, CASE WHEN location IS NULL THEN count ELSE findings END AS findings, 1::BIGINT AS files, count,
            state, suppressed_by, place AS finding_id FROM ({places(source)})"""  # noqa: S608  # built from constants
    shown = ", ".join(f"worst.{name} AS {name}" for name in _SHOWN if name != "rule_id")
    rules = "list_prepend(worst.rule_id, list_filter(all_rules, lambda r: r <> worst.rule_id)) AS rules"
    return f"""SELECT key, {shown}, {rules}, findings, files, count, suppressed_by FROM (SELECT {_KEYS[by]} AS key, {_WORST} AS worst,
        list(DISTINCT rule_id ORDER BY rule_id) AS all_rules, sum({NUMBER})::BIGINT AS findings, count(DISTINCT artifact) AS files,
        sum(count)::BIGINT AS count, CASE WHEN count(suppressed_by) = count(*) THEN min(suppressed_by) END AS suppressed_by
        FROM {source} GROUP BY key)"""  # noqa: S608


def opened(source: str, by: Group) -> str:
    """Return a query with the findings of one group of `source`; its parameter `?` is the key of the group."""
    if by == "place":
        members = f"SELECT unnest(finding_ids) FROM ({places(source)}) WHERE place = ?"  # noqa: S608  # built from constants
        return f"SELECT * FROM {source} WHERE finding_id IN ({members})"  # noqa: S608
    return f"SELECT * FROM {source} WHERE {_KEYS[by]} = ?"  # noqa: S608
