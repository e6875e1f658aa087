"""Check the content of a run.json, which may come from anyone: other code relies on the types of its fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, NonNegativeInt, TypeAdapter, ValidationError

from veritensor_ray.core.errors import StoreError, UsageError

CLEAN_KIND = "cleaned corpus"  # the field `kind` of the run.json that `clean` writes; other run.json files have none
_REMEDY = "Copy the output again from its origin, or scan again with --fresh"


def _any_text(value: Any) -> Any:
    """Accept any text. Names of sources that are not UTF-8 have surrogates, which the type `str` would refuse."""
    if not isinstance(value, str):
        raise ValueError("it is not text")  # noqa: TRY004  # pydantic reports only these
    return value


def _time(value: Any) -> Any:
    datetime.fromisoformat(_any_text(value))
    return value


_Text = Annotated[Any, AfterValidator(_any_text)]
_Time = Annotated[Any, AfterValidator(_time)]
_Severity = Literal["info", "low", "medium", "high", "critical"]
_Counts = dict[_Text, NonNegativeInt]


class _Checked(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Engine(_Checked):
    version: _Text | None = None
    model: _Text | None = None
    missing: _Text | None = None


class _Rule(_Checked):
    rule_id: _Text
    severity: _Severity
    count: NonNegativeInt
    title: _Text


class _NotCovered(_Checked):
    status: _Text
    reason: _Text
    reason_code: _Text | None = None
    artifacts: NonNegativeInt


class _Suppression(_Checked):
    id: _Text
    reason: _Text
    owner: _Text | None = None
    expires: _Text | None = None
    expired: bool = False
    findings: NonNegativeInt = 0


class _Policy(_Checked):
    file: _Text | None = None
    in_output: bool = False
    suppressions: list[_Suppression] = []


class _ByExtent(_Checked):
    artifacts: NonNegativeInt
    fully: NonNegativeInt
    partly: NonNegativeInt
    lacking: NonNegativeInt
    unread: NonNegativeInt


class _RunFile(_Checked):
    scan_id: _Text
    finished_at: _Time
    started_at: _Time | None = None
    sources: list[_Text]
    engines: dict[_Text, _Engine]
    totals: _Counts
    status: _Counts
    checked: _ByExtent | None = None
    severity: dict[_Severity, NonNegativeInt]
    severity_new: dict[_Severity, NonNegativeInt] = {}
    suppressed: NonNegativeInt = 0
    rules: list[_Rule]
    not_covered: list[_NotCovered]
    reason_codes: _Counts = {}
    coverage: dict[_Text, _Counts]
    models: _Counts = {}
    policy: _Policy | None = None
    plan: _Counts | None = None
    states: _Counts | None = None
    fingerprint_parts: dict[_Text, Any] | None = None
    schema_version: _Text | None = None
    package_version: _Text | None = None
    profile: _Text | None = None
    locations: Literal["first", "all"] = "first"
    output: _Text | None = None
    job: _Text | None = None
    previous: _Text | None = None
    bundle_id: _Text | None = None
    advisories: dict[_Text, _Text | None] = {}
    site_key_id: _Text | None = None


class _OfAudit(_Checked):
    scan_id: _Text
    sha256: _Text


class _Below(_Checked):
    rule: _Text
    severity: _Severity
    count: NonNegativeInt


class _CleanRunFile(_Checked):
    verdict: Literal["clean", "findings-left", "incomplete", "empty"]
    level: _Severity
    left: dict[_Severity, NonNegativeInt]
    below: list[_Below]
    not_checked: _Counts
    not_copied: _Counts
    before: _OfAudit
    after: _OfAudit | None


@cache
def _checker(kind: type[_RunFile] | type[_CleanRunFile]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def parsed(data: bytes, where: str) -> dict[str, Any]:
    """Return the content of a run.json as it is.

    Raises StoreError, with the remedy, if it is not a JSON object, and UsageError if it describes a cleaned corpus instead of an audit.
    """
    try:
        run = json.loads(data)
    except (ValueError, RecursionError):
        run = None
    if not isinstance(run, dict):
        raise StoreError(f"the run.json of {where} is damaged: it is not a JSON object. {_REMEDY}")
    if run.get("kind") == CLEAN_KIND:
        raise UsageError(
            f"{where} holds a cleaned corpus and two audits; name {where}/before or {where}/after, or use `veritensor-ray clean verify`"
        )
    return run


def check(run: Mapping[str, Any], where: str) -> None:
    """Raise StoreError, with the remedy, if a field that reports and exports rely on is missing or of another type.

    For the run.json of a cleaned corpus, these are the fields of its verdict.
    """
    try:
        _checker(_CleanRunFile if run.get("kind") == CLEAN_KIND else _RunFile).validate_python(run)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "its content"
        raise StoreError(f"the run.json of {where} is damaged: {name} is wrong ({first['msg']}). {_REMEDY}") from None
