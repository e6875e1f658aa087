"""Lists of indicators, one a line, as feeds give them; it reads no corpus."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from veritensor_ray.errors import UsageError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DOMAIN = re.compile(r"(?=.{4,253}$)(?:[\w](?:[\w-]{0,61}[\w])?\.)+[a-z][\w-]{1,62}")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_DEFANGED = (
    (re.compile(r"\[\.\]|\(\.\)|\[dot\]", re.IGNORECASE), "."),
    (re.compile(r"\[:\]"), ":"),
    (re.compile(r"^hxxp", re.IGNORECASE), "http"),
)
_LONGEST = 512  # characters of a path whose beginnings are looked up


@dataclass(frozen=True, slots=True)
class Indicators:
    """Digests, hosts (domains and addresses) and URLs without scheme, each with what its line says of it."""

    sha256: dict[str, str]
    hosts: dict[str, str]
    urls: dict[str, str]
    has_ipv6: bool = False

    def digest(self) -> str:
        """Changes with any of them."""
        return hashlib.sha256(repr([sorted(part.items()) for part in (self.sha256, self.hosts, self.urls)]).encode()).hexdigest()

    def host(self, host: str) -> tuple[str, str]:
        """The listed name that `host` is, or is below of, and the rule's name; empty where there is none."""
        if host in self.hosts:
            return host, "domain" if any(c.isalpha() for c in host) else "ip-address"
        rest = host
        while "." in rest:
            rest = rest.partition(".")[2]
            if rest in self.hosts:
                return rest, "domain"
        return "", ""

    def url(self, host: str, path: str) -> str:
        """The listed URL that this is, or begins with at the end of a part of its path."""
        if not self.urls or not path:
            return ""
        ends = [*(match.start() for match in re.finditer(r"[/?#&]", path[:_LONGEST])), len(path), len(path.rstrip(".,;:)]}"))]
        return next((whole for end in sorted(set(ends), reverse=True) if (whole := (host + path[:end]).rstrip("/")) in self.urls), "")

    def why(self, entry: str) -> str | None:
        """What the list says of an entry."""
        note = self.sha256.get(entry) or self.hosts.get(entry) or self.urls.get(entry)
        return f"on the list of indicators: {note}" if note else None


NOTHING = Indicators({}, {}, {})


def refanged(text: str) -> str:
    """A host or URL as it was before someone made it safe to click."""
    for pattern, plain in _DEFANGED:
        text = pattern.sub(plain, text)
    return text


def host_and_path(text: str) -> tuple[str, str]:
    """Lower-case host, without user and port, and the rest behind it."""
    bare = _SCHEME.sub("", text)
    cut = re.search(r"[/?#]", bare)
    authority, path = (bare[: cut.start()], bare[cut.start() :]) if cut else (bare, "")
    host = re.sub(r":\d*$", "", authority.rpartition("@")[2])
    return host.lower().strip("."), path


def load_lists(files: Sequence[str]) -> Indicators:
    """Read lists: a digest, domain, address or URL a line, then, behind a comma or white space, a note. `#` begins a comment.

    Raises UsageError for a file that is not there or a line that is none of these.
    """
    found = Indicators({}, {}, {})
    ipv6 = False
    for name in files:
        try:
            lines = Path(name).read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"iocs: {name} cannot be read: {error}") from None
        for number, line in enumerate(lines, 1):
            stripped = line.strip()
            if stripped and not stripped.startswith("#"):
                ipv6 |= _add(found, stripped, f"iocs: {name}, line {number}")
    return Indicators(found.sha256, found.hosts, found.urls, ipv6)


def _add(found: Indicators, line: str, where: str) -> bool:
    """Sort one line in; whether it is an IPv6 address."""
    value, note = [*re.split(r"[,;\s]+", line.replace('"', ""), maxsplit=1), ""][:2]
    plain, note = refanged(value), note.lstrip("# ").strip()
    if _SHA256.fullmatch(plain.lower().removeprefix("sha256:")):
        found.sha256[plain.lower().removeprefix("sha256:")] = note
        return False
    try:
        address = ipaddress.ip_address(plain)
    except ValueError:
        address = None
    if address is not None:
        found.hosts[str(address)] = note
        return address.version == 6
    host, path = host_and_path(plain)
    if not _DOMAIN.fullmatch(host) and not re.fullmatch(r"[\d.]+", host):
        raise UsageError(f"{where}: {value[:80]!r} is no SHA-256 digest, domain, address or URL")
    target, key = (found.urls, (host + path).rstrip("/")) if path.strip("/") else (found.hosts, host)
    target[key] = note
    return False
