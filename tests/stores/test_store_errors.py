"""What the libraries of stores raise, in words with a remedy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.cases import each
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.stores.filesystems import denied
from veritensor_ray.stores.store_errors import slowed, store_code


def from_s3(code: str, message: str = "", operation: str = "GetObject", headers: dict[str, str] | None = None) -> Exception:
    """As s3fs raises it."""
    from botocore.exceptions import ClientError
    from s3fs.errors import translate_boto_error

    said: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPHeaders": headers or {}}}
    error: Exception = translate_boto_error(ClientError(said, operation))
    return error


def from_azure(code: str, status: int = 409, headers: dict[str, str] | None = None) -> Exception:
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import StorageErrorCode

    error: Any = HttpResponseError("This operation is not permitted.")
    error.error_code, error.status_code = StorageErrorCode(code), status
    error.response = SimpleNamespace(headers=headers or {}, status_code=status, reason="")
    made: Exception = error
    return made


def from_gcs(code: int, message: str) -> Exception:
    from gcsfs.retry import HttpError  # type: ignore[import-untyped]

    error: Exception = HttpError({"code": code, "message": message})
    return error


def from_http(status: int, headers: dict[str, str] | None = None) -> Exception:
    """As fsspec raises what went wrong while it looked for the size."""
    import aiohttp

    error = FileNotFoundError("https://h/x")
    error.__cause__ = aiohttp.ClientResponseError(SimpleNamespace(real_url="https://h/x"), (), status=status, headers=headers)  # type: ignore[arg-type]
    return error


SSE_C = "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
KMS = "User: arn:aws:iam::1:user/x is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:1:key/k"

NO_KMS = "User: arn:aws:iam::1:user/KMS is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/kms:y KMS"


@each(
    ("error", "code", "words"),
    lambda: [
        (from_s3("InvalidObjectState"), "archived", "it is archived. Restore it in its store"),
        (from_azure("BlobArchived"), "archived", "it is archived. Restore it in its store"),
        (from_azure("BlobBeingRehydrated"), "archived", "it is archived. Restore it in its store"),
        (from_s3("InvalidRequest", SSE_C), "encrypted", r"\(SSE-C\), and such keys are not used here. Store a copy"),
        (from_s3("400", "Bad Request", "HeadObject"), "store-failed", r"Either the credentials have expired, .* or .* \(SSE-C\)"),
        (from_s3("400", "Bad Request", "ListObjectsV2"), "store-failed", "cannot read s3://b/k: .*Bad Request"),
        (from_s3("AccessDenied", KMS), "permission", "kms:Decrypt is required on the key"),
        (from_s3("AccessDenied", NO_KMS), "permission", "access denied: s3:GetObject is required on s3://b/k"),
        (from_s3("AccessDenied", "Access to KMS was denied"), "permission", "kms:Decrypt is required on the key"),
        (from_s3("KMS.DisabledException", "arn is disabled."), "permission", r"\(SSE-KMS\) is disabled or gone. Enable the key"),
        (from_s3("KMS.UnknownException", ""), "permission", "kms:Decrypt is required"),
        (from_s3("AccessDenied", "Access Denied"), "permission", "access denied: s3:GetObject is required on s3://b/k"),
        (from_s3("AccessDenied", "The bucket is a Requester Pays bucket"), "permission", "Set `requester_pays: true` under `stores:`"),
        (from_gcs(400, "Bucket is a requester pays bucket but no user project provided."), "permission", "Set `requester_pays: true`"),
        (from_s3("ExpiredToken"), "permission", "the credentials have expired. Renew them"),
        (from_s3("InvalidAccessKeyId"), "permission", "does not know the access key. Check `key`"),
        (from_s3("SignatureDoesNotMatch"), "permission", "is not that of the access key. Check `secret`"),
        (from_s3("RequestTimeTooSkewed"), "permission", "the clock of this machine is wrong"),
        (from_s3("PermanentRedirect"), "store-failed", "in another region. Set `region`"),
        (from_s3("SlowDown"), "store-failed", "asked to slow down, and did so again after several pauses. Submit again later"),
        (from_http(429), "store-failed", "asked to slow down"),
        (from_http(404), "not-found", "does not exist"),
        (OSError("no route"), "store-failed", "cannot read s3://b/k: no route"),
    ],
)
def test_a_trouble_has_a_remedy(error: Exception, code: str, words: str) -> None:
    import re

    assert store_code(error) == ReasonCode(code)
    assert re.search(words, denied("s3://b/k", "read", error))


@each(
    ("error", "wait"),
    lambda: [
        (from_s3("SlowDown", headers={"retry-after": "7"}), 7.0),
        (from_s3("503"), "ours"),
        (from_s3("TooManyRequestsException"), "ours"),
        (from_azure("ServerBusy", 503, {"Retry-After": "3"}), 3.0),
        (from_gcs(429, "rate"), "ours"),
        (from_http(429, {"Retry-After": "2"}), 2.0),
        (from_http(503), "ours"),
        (from_http(500), None),
        (from_s3("AccessDenied"), None),
        (PermissionError(), None),
    ],
)
def test_who_asks_to_slow_down(error: Exception, wait: float | str | None) -> None:
    again = slowed(error)
    assert (None if again is None else again.wait or "ours") == wait


def test_a_chain_of_errors_that_leads_back_to_itself_ends() -> None:
    one, other = OSError("a"), OSError("b")
    one.__cause__, other.__cause__ = other, one
    assert store_code(one) == ReasonCode.STORE_FAILED
