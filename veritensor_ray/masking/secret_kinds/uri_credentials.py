"""Finds credentials in URIs: before the host, and in parameters with a telling name."""

from __future__ import annotations

import re
from urllib.parse import unquote

_PARAMETER = r"""
    (?:[\w.-]{0,40}[_.-])?(?:sig|signature|credentials?|security-?token|access_?key(?:_?id)?|secret(?:_?key)?|token|password|passwd|api_?key)
  | (?:aws|google)?access_?(?:key_?)?id | client_?secret | (?:id|access|refresh|auth|sas)_?token | auth | authorization | pwd | pass | key | [\w-]{0,24}(?:api|subscription|access)-key
"""
# In an Azure address, the container takes the position of the user: abfs://container@account.dfs.core.windows.net/
_USER = r"(?<!abfs://)(?<!abfss://)(?<!wasb://)(?<!wasbs://)(?<=://)(?!\*+@)[^\s/?\#'\"<>]*@ | (?<=://)[^\s/?\#:@'\"<>]*:[^\s/?\#'\"<>]*@"
_UNQUOTED = (
    r"(?<=://)[^\s/?\#@\[]*:(?!\d{1,5}(?:[/?\#]|$))[^\s'\"<>]*@"  # a password that contains a slash, which no library would recognize
)
_IN_URI = re.compile(rf"{_USER} | {_UNQUOTED} | (?<=[?&;\#])(?P<name>{_PARAMETER})=[^&\s'\"]*", re.IGNORECASE | re.VERBOSE)


def credential_in(uri: str) -> str | None:
    """Describe where a URI contains a credential, without repeating it. Returns None if there is none."""
    found = _IN_URI.search(unquote(uri))
    if found is None:
        return None
    return f"in its parameter {found['name']}" if found["name"] else "before the @"


def without_credentials(text: str) -> str:
    """Return a URI, or a message that contains URIs, without user names, passwords and signatures."""
    return _IN_URI.sub("", text)
