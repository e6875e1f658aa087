"""Where URIs carry credentials, and what is left of one without them."""

from __future__ import annotations

import pytest

from veritensor_ray.masking.secret_kinds.uri_credentials import credential_in, without_credentials

PARAMETERS = [
    "AWSAccessKeyId",
    "Signature",
    "X-Goog-Signature",
    "X-Goog-Credential",
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token",
    "sig",
    "api_key",
    "apikey",
    "X-Api-Key",
    "key",
    "token",
    "access_token",
    "id_token",
    "client_secret",
    "password",
    "passwd",
    "pwd",
    "secret",
    "auth",
    "sas_token",
    "GoogleAccessId",
    "my_password",
    "subscription-key",
]


@pytest.mark.parametrize("name", [*PARAMETERS, *map(str.upper, PARAMETERS)])
@pytest.mark.parametrize("before", ["https://host/a?", "s3://bucket/a?x=1&", "https://host/a#", "/mnt/x http://h/a?"])
def test_parameters_that_are_named_like_credentials(name: str, before: str) -> None:
    uri = f"{before}{name}=Xk12ab34&y=2"
    assert credential_in(uri) == f"in its parameter {name}"
    assert "Xk12ab34" not in without_credentials(f"cannot read {uri}: timeout")


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "http://ghp_abc@host/x",
            "http://user:pw@host",
            "s3://key:secret@bucket/x",
            "http://user%3Apw%40x@host",
            "abfss://c:pw@account/x",
        ),
        *("zip://a.txt::http://user:pw@host/x.zip", "http://user:p/w@host/x", "http://user:@host", "http://:pw@host", "s3://user@bucket"),
    ],
)
def test_what_stands_before_the_host(uri: str) -> None:
    assert credential_in(uri) == "before the @"


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "/plain/path",
            "s3://bucket/data?.csv",
            "https://host:8080/a?x=1&monkey=2&keyboard=3",
            "http://[::1]:80/a@b",
            "http://host:80/a@b:c",
        ),
        *("abfs://container@account.dfs.core.windows.net/x", "gs://bucket/author=anna/token=1.csv", "http://host/?X-Amz-Algorithm=x"),
    ],
)
def test_no_credentials(uri: str) -> None:
    assert credential_in(uri) is None
    assert without_credentials(uri) == uri
