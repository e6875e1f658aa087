"""Credentials in URIs: in front of the host, and in parameters that say so by their name; it opens nothing."""

from __future__ import annotations

import re
from urllib.parse import unquote

_PARAMETER = r"""
    (?:[\w.-]{0,40}[_.-])?(?:sig|signature|credentials?|security-?token|access_?key(?:_?id)?|secret(?:_?key)?|token|password|passwd|api_?key)
  | (?:aws|google)?access_?(?:key_?)?id | client_?secret | (?:id|access|refresh|auth|sas)_?token | auth | authorization | pwd | pass | key | [\w-]{0,24}(?:api|subscription|access)-key
"""
# The container of an Azure address stands where others have a user: abfs://container@account.dfs.core.windows.net/
_USER = r"(?<!abfs://)(?<!abfss://)(?<!wasb://)(?<!wasbs://)(?<=://)(?!\*+@)[^\s/?\#'\"<>]*@ | (?<=://)[^\s/?\#:@'\"<>]*:[^\s/?\#'\"<>]*@"
_UNQUOTED = r"(?<=://)[^\s/?\#@\[]*:(?!\d{1,5}(?:[/?\#]|$))[^\s'\"<>]*@"  # a password with a slash in it, which no library would find
_IN_URI = re.compile(rf"{_USER} | {_UNQUOTED} | (?<=[?&;\#])(?P<name>{_PARAMETER})=[^&\s'\"]*", re.IGNORECASE | re.VERBOSE)


def credential_in(uri: str) -> str | None:
    """Where a URI carries a credential, in words that do not repeat it; None where it carries none."""
    found = _IN_URI.search(unquote(uri))
    if found is None:
        return None
    return f"in its parameter {found['name']}" if found["name"] else "in front of the @"


def without_credentials(text: str) -> str:
    """A URI, or a message with URIs in it, with user names, passwords and signatures taken out."""
    return _IN_URI.sub("", text)
