"""What the errors of stores mean: which of the known troubles one is, in words that name the remedy, and whether waiting helps.

Every library wraps what its store said in errors of its own, so an error is searched together with those that caused it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from veritensor_ray.core.reasons import ReasonCode, access_code
from veritensor_ray.core.retry import Again, retry_after

RESTORE = "it is archived. Restore it in its store, and audit it again"
_NO_KEY = (
    "it is encrypted with a key that only its owner has (SSE-C), and such keys are not used here. Store a copy under a key of the store "
    "(SSE-S3 or SSE-KMS), or leave it out with exclude"
)
# An object may be called `kms:x`, and follows in the message after what was not allowed.
_KMS = r"^User: \S+ is not authorized to perform: kms:|^[^:]*\bKMS\b"
_REGION = "its bucket is in another region. Set `region` under `stores:` in the configuration"


class StoreAnswer(NamedTuple):
    """What a store said: its own code or the status of HTTP, a message, and the headers as far as they are known."""

    code: str
    message: str = ""
    operation: str = ""
    headers: Any = None


class Trouble(NamedTuple):
    """A known trouble. `code` and `message` are regular expressions for what the store said, `words` say what is wrong and what to do."""

    code: str
    words: str
    reason_code: ReasonCode
    message: str = ""
    operation: str = ""


# The answer to HEAD has no body, so that the same request as a GET says more.
WITHOUT_REASON = Trouble(
    "400",
    "the store does not say why. Either the credentials have expired, which have to be renewed, or it is encrypted with a key that only its "
    "owner has (SSE-C), and such keys are not used here",
    ReasonCode.STORE_FAILED,
    operation="HeadObject",
)
_SLOWED = "SlowDown|ServiceUnavailable|ServerBusy|RequestLimitExceeded|TooManyRequests.*|Throttl.*|(User)?[rR]ateLimitExceeded|BandwidthLimitExceeded|429|503"
_TROUBLES = (
    Trouble("InvalidObjectState|BlobArchived|BlobBeingRehydrated", RESTORE, ReasonCode.ARCHIVED),
    Trouble("InvalidRequest|400", _NO_KEY, ReasonCode.ENCRYPTED, "form of server.side encryption"),
    WITHOUT_REASON,
    Trouble(
        r"KMS\..*(Disabled|InvalidState|NotFound).*",
        "the key that it is encrypted with (SSE-KMS) is disabled or gone. Enable the key, or leave it out with exclude",
        ReasonCode.PERMISSION,
    ),
    Trouble(r"KMS\..*", "kms:Decrypt is required on the key that it is encrypted with", ReasonCode.PERMISSION),
    Trouble("AccessDenied", "kms:Decrypt is required on the key that it is encrypted with", ReasonCode.PERMISSION, _KMS),
    Trouble(
        "AccessDenied|InvalidRequest|Forbidden|400|403",
        "who reads it has to pay for that. Set `requester_pays: true` under `stores:` in the configuration",
        ReasonCode.PERMISSION,
        "requester.pays|user ?project",
    ),
    Trouble(
        "AuthorizationFailure|AuthorizationPermissionMismatch",
        "its account needs the role Storage Blob Data Reader, or Contributor to write, and its network has to be allowed",
        ReasonCode.PERMISSION,
    ),
    Trouble("Forbidden", "its account needs the role Storage Object Viewer, or Storage Object User to write", ReasonCode.PERMISSION),
    Trouble("ExpiredToken|TokenRefreshRequired", "the credentials have expired. Renew them, and submit again", ReasonCode.PERMISSION),
    Trouble("InvalidAccessKeyId", "the store does not know the access key. Check `key` under `stores:`", ReasonCode.PERMISSION),
    Trouble("SignatureDoesNotMatch", "the secret key is not that of the access key. Check `secret` under `stores:`", ReasonCode.PERMISSION),
    Trouble("RequestTimeTooSkewed", "the clock of this machine is wrong by many minutes. Set it", ReasonCode.PERMISSION),
    Trouble("PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException|301", _REGION, ReasonCode.STORE_FAILED),
    Trouble(
        _SLOWED,
        "the store asked to slow down, and did so again after several pauses. Submit again later, or with fewer CPUs (resources.cpus)",
        ReasonCode.STORE_FAILED,
    ),
)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that led to it, each once."""
    seen: set[int] = set()
    now: BaseException | None = error
    while now is not None and id(now) not in seen:
        seen.add(id(now))
        yield now
        now = now.__cause__ or now.__context__


def _answers(error: BaseException) -> Iterator[StoreAnswer]:
    """Yield what the store said, as the libraries of S3, Azure, GCS and HTTP keep it."""
    for one in causes(error):
        response, status = getattr(one, "response", None), getattr(one, "status", None)
        if isinstance(response, dict) and isinstance(said := response.get("Error"), dict):
            headers = response.get("ResponseMetadata", {}).get("HTTPHeaders")
            yield StoreAnswer(str(said.get("Code")), str(said.get("Message")), str(getattr(one, "operation_name", "")), headers)
        elif isinstance(code := getattr(one, "error_code", None), str) or (code := getattr(one, "status_code", None)):
            yield StoreAnswer(
                str(getattr(code, "value", code)), str(getattr(one, "message", "")), headers=getattr(response, "headers", None)
            )
        elif isinstance(status, int):
            yield StoreAnswer(str(status), str(getattr(one, "message", "")), headers=getattr(one, "headers", None))
        elif isinstance(code := getattr(one, "code", None), int | str) and hasattr(one, "message"):
            yield StoreAnswer(str(code), str(one.message))
        elif type(one) is OSError and str(one).startswith("Forbidden: "):  # as gcsfs says it
            yield StoreAnswer("Forbidden", str(one))


def trouble(error: BaseException) -> Trouble | None:
    """Return which of the known troubles an error is, if it is one of them."""
    for said in _answers(error):
        for known in _TROUBLES:
            if (
                re.fullmatch(known.code, said.code)
                and re.search(known.message, said.message, re.IGNORECASE)
                and known.operation in ("", said.operation)
            ):
                return known
    return None


def store_code(error: BaseException) -> ReasonCode:
    """Return the reason code for an error that a store or the operating system raised."""
    known = trouble(error)
    return known.reason_code if known is not None else access_code(error)


def expired(error: BaseException) -> bool:
    """Return whether a store refused to read an object because it is not the one that was asked for."""
    return any(said.code in ("PreconditionFailed", "412") for said in _answers(error))


def slowed(error: BaseException) -> Again | None:
    """Return how long to wait if the store asked to slow down."""
    for said in _answers(error):
        if re.fullmatch(_SLOWED, said.code):
            wait = said.headers.get("retry-after") or said.headers.get("Retry-After") if said.headers is not None else None
            return Again("the store asked to slow down", retry_after(wait))
    return None
