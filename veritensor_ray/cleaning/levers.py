"""What releases a file that `clean` did not copy, or not as ordered: a lever for each reason code. The table in docs/clean.md has the same words.

`copy` is a value of the cleaning policy's keys.
"""

from __future__ import annotations

from collections.abc import Mapping

from veritensor_ray.core.reasons import CopyCode, ReasonCode

_UNSUPPORTED = "or copy it with its findings: `unsupported: copy`"
_UNCHECKED = "or copy it as it is: `unchecked: copy`"
_EITHER = "or copy it as it is: `unchecked: copy` or `unsupported: copy`"
LEVERS: Mapping[str, str] = {
    # because of a finding, or of what it takes to remove one
    CopyCode.FINDING: "Write a rule with another action for these findings, such as `mask` or `keep`",
    CopyCode.TYPE_NOT_REWRITTEN: f"Convert the file to a format that is rewritten, for which the policy may have a `convert`, {_UNSUPPORTED}",
    CopyCode.NO_EXACT_CHANGE: f"Write a rule with another action for these findings, such as `keep`, {_UNSUPPORTED}",
    CopyCode.IN_PICTURE: f"Replace the picture in the source, {_UNSUPPORTED}",
    CopyCode.SIGNED: f"Remove the signature from the file in the source, {_UNSUPPORTED}",
    CopyCode.VALUE_LEFT: f"Remove the value in the source at the place that the reason names, {_UNSUPPORTED}",
    CopyCode.FOUND_AGAIN: "Write a rule for what was found again, or copy it with its findings: `remaining: copy`",
    CopyCode.NAME_TAKEN: "Rename the file in the source, or choose a bucket as the destination",
    CopyCode.REFERENCE_LEFT: f"Change the reference in the source, or let files keep their names: `names: keep`, {_UNSUPPORTED}",
    # because it was not wholly read or checked
    ReasonCode.NO_READER: f"Convert the file to a format that is read, {_UNCHECKED}",
    ReasonCode.DAMAGED: f"Repair or replace the file in the source, {_EITHER}",
    ReasonCode.ENCRYPTED: f"Save the file without its password in the source, {_EITHER}",
    ReasonCode.LIMIT: f"Raise the limit that the reason names, if `limits` in the configuration has it, divide the file, {_EITHER}",
    ReasonCode.ELSEWHERE: f"Add the other files that it refers to, {_UNCHECKED}",
    ReasonCode.HIDDEN_BY_SNAPSHOT: f"Rewrite the table in the source without what its snapshot hides, {_UNCHECKED}",
    ReasonCode.ENGINE_NOT_SELECTED: f"Add the engine that the reason names to `--engines`, {_UNCHECKED}",
    ReasonCode.ENGINE_MISSING: f"Provide the model of the engine, as `veritensor-ray doctor` explains, {_UNCHECKED}",
    ReasonCode.ENGINE_FAILED: f"Clean again with `--fresh`; if the engine fails again, leave it out with `--engines`, {_UNCHECKED}",
    ReasonCode.ADVISORIES_MISSING: f"Provide a database of advisories, as `veritensor-ray advisories` explains, {_UNCHECKED}",
    ReasonCode.ADVISORIES_OLD: f"Provide a newer database of advisories, as `veritensor-ray advisories` explains, {_UNCHECKED}",
    ReasonCode.PROCESS_DIED: f"Raise `limits.worker_memory`, if memory was the cause, {_EITHER}",
    ReasonCode.TIMEOUT: f"Raise `limits.artifact_seconds`, {_EITHER}",
    # because the store did not deliver it
    ReasonCode.PERMISSION: "Let the account read it, then repeat the command with `--fresh`",
    ReasonCode.NOT_FOUND: "Repeat the command with `--fresh`, which lists the corpus again",
    ReasonCode.STORE_FAILED: "Repeat the command with `--fresh` when the store answers again",
    ReasonCode.CHANGED_DURING_RUN: "Repeat the command with `--fresh` while nobody writes to the corpus",
    ReasonCode.TABLE_NOT_READ: "Do what the reason says about the table, such as installing the extra that it names",
    # because the command left it out
    ReasonCode.NOT_INCLUDED: "Choose another `--include`",
    ReasonCode.EXCLUDED: "Choose another `--exclude`",
    ReasonCode.ABOVE_MAX_SIZE: "Choose a larger `--max-size`",
    ReasonCode.NOT_CHANGED_SINCE: "Choose an earlier `--since`",
    ReasonCode.SAMPLED_OUT: "Leave out `--sample`",
    ReasonCode.OWN_OUTPUT: "None: it is an output of veritensor-ray",
    ReasonCode.LINK: "Name what the link leads to as a source of its own",
    ReasonCode.NOT_A_FILE: "None: it is a device, a pipe or a socket",
    ReasonCode.NOT_IN_SNAPSHOT: "None: the snapshot of its table does not have it",
    ReasonCode.ARCHIVED: "Restore the object from the archive of its store",
}


def lever(code: str | None) -> str | None:
    """Return what releases files with a reason code of a manifest; None if it has none, or one of a later version."""
    return LEVERS.get(code or "")
