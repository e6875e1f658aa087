"""The vocabulary of cleaning: what can be done about a finding, and the error for a file that cannot be rewritten."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from veritensor_ray.core.errors import ReadError, VeritensorError
from veritensor_ray.core.reasons import CopyCode, ReasonCode


class Action(StrEnum):
    """What to do about a finding."""

    KEEP = "keep"
    MASK = "mask"
    PSEUDONYM = "pseudonym"
    STRIP = "strip"
    DROP_CELL = "drop-cell"
    DROP_ROW = "drop-row"
    DROP_FILE = "drop-file"
    QUARANTINE = "quarantine"


class Strippable(StrEnum):
    """What a policy can remove from every file, whether or not anything was found in it."""

    HIDDEN_TEXT = "hidden-text"
    COMMENTS = "comments"
    METADATA = "metadata"
    MACROS = "macros"
    NOTEBOOK_OUTPUTS = "notebook-outputs"
    ATTACHMENTS = "attachments"


class Conversion(StrEnum):
    """What a policy lets a file become, if it cannot stay in its own format."""

    SAFETENSORS = "safetensors"  # pickles with tensors and nothing else
    OFFICE = "office"  # legacy office documents, in the formats that followed them


class Ruling(NamedTuple):
    """What a policy says about a finding. With `keep_length`, a mask is as long as the text that it replaces.

    With `unless_stripped`, a file is quarantined only if the text of the finding is not removed together with a comment that is stripped.
    """

    action: Action
    keep_length: bool = False
    unless_stripped: bool = False


class CannotRewriteError(VeritensorError):
    """A file cannot be rewritten as ordered, so it is held back or copied, as the policy says. The message completes "… because …".

    Its code is that of the error that it was raised from, unless that one has the default.
    """

    def __init__(self, message: str, code: CopyCode | ReasonCode = CopyCode.NO_EXACT_CHANGE) -> None:
        super().__init__(message)
        self._code = code

    @property
    def reason_code(self) -> CopyCode | ReasonCode:
        """Why, as a code."""
        cause = self.__cause__
        inherits = self._code is CopyCode.NO_EXACT_CHANGE and isinstance(cause, (CannotRewriteError, ReadError))
        return cause.reason_code if inherits else self._code  # type: ignore[union-attr]  # only these have one
