"""Patterns of secrets without a provider's prefix: key files, password hashes and tokens in three parts."""

from __future__ import annotations

import re

_BETWEEN = r"""[\s>#*"'+,|;\\]"""  # between the lines of a key, which may be quoted, indented or a literal of source code
# From within the content of a PEM block: its further lines, and its end if that follows.
KEY_REST = re.compile(
    rf"[A-Za-z0-9+/]*+={{0,2}}(?:{_BETWEEN}*+[A-Za-z0-9+/]{{16,}}+={{0,2}})*+"
    rf"(?:(?:{_BETWEEN}*+[A-Za-z0-9+/]{{1,15}}={{0,2}})?{_BETWEEN}*+-----END [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)?-----)?"
)
PUTTY_KEY = re.compile(r"PuTTY-User-Key-File-[123]: [\w.-]+\s[\s\S]{0,6000}?Private-Lines: \d+\s[A-Za-z0-9+/=\s]{20,8000}")
_HASH = (
    r"\$2[abxy]?\$\d\d\$[./A-Za-z0-9]{53}|\$1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}|\$5\$(?:rounds=\d{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43}"
    r"|\$6\$(?:rounds=\d{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}|\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}|\$[89]\$[./A-Za-z0-9]{14}\$[./A-Za-z0-9]{43}"
    r"|\$y\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}|\$argon2(?:id|i|d)\$v=\d+\$[\w=,]{5,40}\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{16,128}"
    r"|\$krb5(?:asrep|tgs)\$\d\d\$[^\s\"']{60,4000}"
)
PASSWORD_HASH = re.compile(rf"(?<![\w$])(?:{_HASH})(?![./A-Za-z0-9])")
DISCORD = re.compile(r"\.[\w-]{6}\.[\w-]{27,38}(?![\w-])", re.ASCII)
DISCORD_HEAD = re.compile(r"(?<![\w-])[MNO][\w-]{23,25}\Z", re.ASCII)
# The same patterns, regardless of the surrounding text.
ANY_PASSWORD_HASH = re.compile(_HASH)
ANY_DISCORD_TOKEN = re.compile(r"[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,38}", re.ASCII)
PEM_IN_BASE64 = re.compile(r"(?:0tLS0tQkVHSU4|tLS0tLUJFR0lO)[A-Za-z0-9+/]{40,8000}={0,2}")  # "-----BEGIN" after one or two other bytes
