"""What the page may ask for, as models of its JSON. It does not depend on the server."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator

from veritensor_ray.core.config import Section, Severity, explain
from veritensor_ray.core.errors import UsageError

_Text = Annotated[str, Field(max_length=4096)]
_Names = Annotated[list[_Text], Field(max_length=100)]
_Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
_T = TypeVar("_T", bound=BaseModel)
Group = Literal["none", "place", "evidence", "rule", "folder"]
SORTS = ("severity", "state", "folder", "rule_id", "artifact", "files", "findings", "confidence", "count", "first_seen")


class OneGroup(Section):
    """A group, as a row of grouped findings names it."""

    group: Literal["place", "evidence", "rule", "folder"]
    key: _Text


class Filter(Section):
    """Which findings are meant. Lists that are empty and texts that are empty restrict nothing."""

    severity: Annotated[list[Severity], Field(max_length=5)] = Field(default_factory=list)
    engine: _Names = Field(default_factory=list)
    rule: _Names = Field(default_factory=list)
    folder: _Text = ""
    state: _Names = Field(default_factory=list)
    text: _Text = ""
    suppressed: Literal["no", "yes", "only"] = "no"
    where: _Text = ""
    finding: Annotated[str, Field(pattern="^([0-9a-fA-F]{6,32})?$")] = ""
    group: OneGroup | None = None


class Sort(Section):
    """The column to sort by."""

    by: Literal["severity", "state", "folder", "rule_id", "artifact", "files", "findings", "confidence", "count", "first_seen"]
    descending: bool = False


class Query(Section):
    """A page of findings, or of groups of findings."""

    filter: Filter = Filter()
    group: Group = "none"
    sort: Sort | None = None
    offset: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class FileFilter(Section):
    """Which files of a copy are meant. Empty texts restrict nothing."""

    result: _Text = ""
    code: _Text = ""
    rule: _Text = ""
    action: _Text = ""
    text: _Text = ""


class FileQuery(Section):
    """A page of what became of the files of a copy."""

    filter: FileFilter = FileFilter()
    offset: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class OpenRequest(Section):
    """The token of the link."""

    token: _Text


class EmptyRequest(Section):
    """A request without parameters."""


class PassageRequest(Section):
    """A passage to read back from the corpus."""

    finding_id: _Id
    place: Annotated[int, Field(ge=1, le=1 << 31)] = 1
    lines: Annotated[int, Field(ge=0, le=100)] = 3
    reveal: bool = False
    reason: _Text | None = None


class Target(Section):
    """The findings of a decision; see `results/new_suppressions.py`."""

    kind: Literal["finding", "fingerprint", "sha256", "rule-in-artifact", "artifact", "rule-in-folder", "filter"]
    finding_id: _Id | None = None
    rule: _Text = ""
    folder: _Text = ""
    filter: Filter | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Target:
        if self.kind == "filter":
            if self.filter is None:
                raise ValueError("a filter is missing")
        elif self.finding_id is None and not (self.kind == "rule-in-folder" and self.rule and self.folder):
            raise ValueError("finding_id is missing")
        return self


class SuppressionRequest(Section):
    """A suppression, or the numbers of one that is not decided yet."""

    scope: Target
    reason: _Text = ""
    owner: _Text | None = None
    expires: Annotated[str, Field(max_length=40)] | None = None


class LabelRequest(Section):
    """A label for findings, or none to remove it."""

    scope: Target
    label: Literal["true", "false"] | None


def parsed(model: type[_T], data: bytes) -> _T:
    """Return the request in a body of JSON. Raises UsageError with one sentence."""
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        if error.errors()[0]["type"] == "json_invalid":
            raise UsageError("The request is not valid JSON.") from None
        raise UsageError(f"The request is not valid: {next(explain(error, model, 'key'))}.") from None
