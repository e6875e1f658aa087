"""Reads lists of indicators as feeds provide them, one per line."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from veritensor_ray.core.errors import UsageError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DOMAIN = re.compile(r"(?=.{4,253}$)(?:[\w](?:[\w-]{0,61}[\w])?\.)+[a-z][\w-]{1,62}")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_DEFANGED = (
    (re.compile(r"\[\.\]|\(\.\)|\[dot\]", re.IGNORECASE), "."),
    (re.compile(r"\[:\]"), ":"),
    (re.compile(r"^hxxp", re.IGNORECASE), "http"),
)
_LONGEST = 512  # most characters of a path whose prefixes are looked up


@dataclass(frozen=True, slots=True)
class Indicators:
    """Digests, hosts (domains and IP addresses) and URLs without scheme, each with the note from its line."""

    sha256: dict[str, str]
    hosts: dict[str, str]
    urls: dict[str, str]
    has_ipv6: bool = False

    def digest(self) -> str:
        """Return a digest that changes with any indicator."""
        return hashlib.sha256(repr([sorted(part.items()) for part in (self.sha256, self.hosts, self.urls)]).encode()).hexdigest()

    def host(self, host: str) -> tuple[str, str]:
        """Return the listed name that `host` equals or is a subdomain of, and the rule's name; two empty texts if there is none."""
        if host in self.hosts:
            return host, "domain" if any(c.isalpha() for c in host) else "ip-address"
        rest = host
        while "." in rest:
            rest = rest.partition(".")[2]
            if rest in self.hosts:
                return rest, "domain"
        return "", ""

    def url(self, host: str, path: str) -> str:
        """Return the listed URL that equals this one or is a prefix of it (up to the end of a path segment); empty if there is none."""
        if not self.urls or not path:
            return ""
        ends = [*(match.start() for match in re.finditer(r"[/?#&]", path[:_LONGEST])), len(path), len(path.rstrip(".,;:)]}"))]
        return next((whole for end in sorted(set(ends), reverse=True) if (whole := (host + path[:end]).rstrip("/")) in self.urls), "")

    def why(self, entry: str) -> str | None:
        """Return the message for an entry with a note, or None."""
        note = self.sha256.get(entry) or self.hosts.get(entry) or self.urls.get(entry)
        return f"on the list of indicators: {note}" if note else None


NOTHING = Indicators({}, {}, {})


def refanged(text: str) -> str:
    """Undo the defanging of a host or URL."""
    for pattern, plain in _DEFANGED:
        text = pattern.sub(plain, text)
    return text


def host_and_path(text: str) -> tuple[str, str]:
    """Split a URL into its host, in lower case and without user and port, and the rest after it."""
    bare = _SCHEME.sub("", text)
    cut = re.search(r"[/?#]", bare)
    authority, path = (bare[: cut.start()], bare[cut.start() :]) if cut else (bare, "")
    host = re.sub(r":\d*$", "", authority.rpartition("@")[2])
    return host.lower().strip("."), path


def load_lists(files: Sequence[str]) -> Indicators:
    """Read lists with one digest, domain, IP address or URL per line, optionally followed by a comma or white space and a note.

    `#` begins a comment. Raises UsageError for a file that cannot be read or a line of any other form.
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
    """Add one line, and return whether it is an IPv6 address."""
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
        raise UsageError(f"{where}: {value[:80]!r} is not a SHA-256 digest, domain, IP address or URL")
    target, key = (found.urls, (host + path).rstrip("/")) if path.strip("/") else (found.hosts, host)
    target[key] = note
    return False
