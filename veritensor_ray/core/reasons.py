"""Reason codes: why something was not scanned, as a closed set. Code compares reason codes; the sentences are for people.

The table in docs/results.md explains them to readers of results.
"""

from __future__ import annotations

from enum import StrEnum


class ReasonCode(StrEnum):
    """The column `reason_code` of the ledger, its coverage and its gaps. A code never changes its meaning; new codes may be added."""

    # left out by the plan
    NOT_INCLUDED = "not-included"
    EXCLUDED = "excluded"
    ABOVE_MAX_SIZE = "above-max-size"
    NOT_CHANGED_SINCE = "not-changed-since"
    SAMPLED_OUT = "sampled-out"
    OWN_OUTPUT = "own-output"
    LINK = "link"
    NOT_A_FILE = "not-a-file"
    NOT_IN_SNAPSHOT = "not-in-snapshot"
    ARCHIVED = "archived"
    # not delivered by the store
    PERMISSION = "permission"
    NOT_FOUND = "not-found"
    STORE_FAILED = "store-failed"
    CHANGED_DURING_RUN = "changed-during-run"
    TABLE_NOT_READ = "table-not-read"
    # not readable, wholly or in part
    NO_READER = "no-reader"
    DAMAGED = "damaged"
    ENCRYPTED = "encrypted"
    LIMIT = "limit"
    ELSEWHERE = "elsewhere"
    HIDDEN_BY_SNAPSHOT = "hidden-by-snapshot"
    # not checked by an engine
    ENGINE_NOT_SELECTED = "engine-not-selected"
    ENGINE_MISSING = "engine-missing"
    ENGINE_FAILED = "engine-failed"
    ADVISORIES_MISSING = "advisories-missing"
    ADVISORIES_OLD = "advisories-old"
    # ended the process that read it
    PROCESS_DIED = "process-died"
    TIMEOUT = "timeout"


class CopyCode(StrEnum):
    """The column `reason_code` of a copy's manifest, beside the codes of `ReasonCode`: why `clean` did not copy an artifact, or not as ordered.

    A code never changes its meaning; new codes may be added. The table in docs/clean.md says what releases the files of each code.
    """

    FINDING = "finding"
    TYPE_NOT_REWRITTEN = "type-not-rewritten"
    NO_EXACT_CHANGE = "no-exact-change"
    IN_PICTURE = "in-picture"
    SIGNED = "signed"
    VALUE_LEFT = "value-left"
    FOUND_AGAIN = "found-again"
    NAME_TAKEN = "name-taken"
    REFERENCE_LEFT = "reference-left"


# Why nothing reads an artifact: because of what it is, or because the settings leave it out.
LEFT_OUT = frozenset(
    {
        *(ReasonCode.NOT_INCLUDED, ReasonCode.EXCLUDED, ReasonCode.ABOVE_MAX_SIZE, ReasonCode.NOT_CHANGED_SINCE),
        *(ReasonCode.SAMPLED_OUT, ReasonCode.OWN_OUTPUT, ReasonCode.LINK, ReasonCode.NOT_A_FILE),
        *(ReasonCode.NOT_IN_SNAPSHOT, ReasonCode.ARCHIVED),
    }
)


def access_code(error: BaseException) -> ReasonCode:
    """Returns the reason code for an error that a store or the operating system raised."""
    if isinstance(error, PermissionError):
        return ReasonCode.PERMISSION
    return ReasonCode.NOT_FOUND if isinstance(error, FileNotFoundError) else ReasonCode.STORE_FAILED
