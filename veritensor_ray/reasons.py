"""Why something was not scanned, as a closed set of codes: whoever decides compares these, and sentences are for people.

It knows nothing else of the package. The table in docs/results.md says the same for whoever reads results.
"""

from __future__ import annotations

from enum import StrEnum


class ReasonCode(StrEnum):
    """The column `reason_code` of the ledger, of its coverage and of its gaps. A code never changes its meaning; new ones may come."""

    # the plan left it out
    NOT_INCLUDED = "not-included"
    EXCLUDED = "excluded"
    ABOVE_MAX_SIZE = "above-max-size"
    NOT_CHANGED_SINCE = "not-changed-since"
    SAMPLED_OUT = "sampled-out"
    OWN_OUTPUT = "own-output"
    LINK = "link"
    NOT_A_FILE = "not-a-file"
    # the store did not give it
    PERMISSION = "permission"
    NOT_FOUND = "not-found"
    STORE_FAILED = "store-failed"
    CHANGED_DURING_RUN = "changed-during-run"
    # it, or a part of it, could not be read
    NO_READER = "no-reader"
    DAMAGED = "damaged"
    ENCRYPTED = "encrypted"
    LIMIT = "limit"
    ELSEWHERE = "elsewhere"
    # an engine did not look at it
    ENGINE_NOT_SELECTED = "engine-not-selected"
    ENGINE_MISSING = "engine-missing"
    ENGINE_FAILED = "engine-failed"
    ADVISORIES_MISSING = "advisories-missing"
    ADVISORIES_OLD = "advisories-old"
    # it ended the process that read it
    PROCESS_DIED = "process-died"
    TIMEOUT = "timeout"


def access_code(error: BaseException) -> ReasonCode:
    """Of what a store or the system raised instead of giving something out."""
    if isinstance(error, PermissionError):
        return ReasonCode.PERMISSION
    return ReasonCode.NOT_FOUND if isinstance(error, FileNotFoundError) else ReasonCode.STORE_FAILED
