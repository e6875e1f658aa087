"""What the findings of this engine mean, and their wording; it knows no manifest and no database."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.detection import Rule
from veritensor_ray.engines.dependencies.model import Dependency, Index
from veritensor_ray.engines.dependencies.records import Group
from veritensor_ray.engines.dependencies.typosquats import Squat

_SHOWN = 4  # fixed versions and names of an advisory in one message

RULES = (
    Rule(
        "dependencies.known-vulnerability",
        "Dependency with a known vulnerability",
        "The pinned version of a package is affected by a published advisory.",
        "vulnerable-dependency",
        "medium",
        "Raise the version to one in which it is fixed, or remove the package.",
        ("OWASP-LLM03:2025", "CWE-1395"),
        ("https://ossf.github.io/osv-schema/",),
        "The vulnerable part may not be in use. Advisories without a rating are shown as medium.",
    ),
    Rule(
        "dependencies.malicious-package",
        "Malicious package",
        "An advisory names the package, or this version of it, as malicious code.",
        "malicious-package",
        "critical",
        "Remove the package. Treat every machine that installed it as taken over, and replace the secrets that were on it.",
        ("OWASP-LLM03:2025", "CWE-506"),
        ("https://ossf.github.io/osv-schema/",),
        "A name that was malicious once and belongs to somebody else now.",
    ),
    Rule(
        "dependencies.typosquat",
        "Package name that passes for a popular one",
        "The name is a slip of a key, a look-alike character, a separator or an affix away from a popular package.",
        "typosquat",
        "medium",
        "Check the name. If it is your own package, list it under dependencies.allow.",
        ("OWASP-LLM03:2025", "CWE-1357"),
        (),
        "Packages of your own, and packages younger than the list of names.",
        0.8,
    ),
    Rule(
        "dependencies.extra-index",
        "Second package index",
        "Packages come from more than one index. The installer takes the highest version wherever it is: whoever registers your "
        "internal name on the public index is installed (dependency confusion). Medium where the address is not encrypted.",
        "vulnerable-dependency",
        "low",
        "Use one index that mirrors what you need, or bind each package to its index.",
        ("OWASP-LLM03:2025", "CWE-427"),
        (),
        "Indexes of vendors for builds of another kind (accelerators).",
    ),
    Rule(
        "dependencies.direct-url",
        "Dependency from an address",
        "The package comes from an address in place of an index: no advisory is known for it and its content may change. "
        "Medium where the address is not encrypted.",
        "vulnerable-dependency",
        "info",
        "Pin a commit or a hash, or publish the package on your index.",
        ("OWASP-LLM03:2025", "CWE-829"),
        (),
        "Packages of your own on your own servers.",
    ),
)


def vulnerability(dependency: Dependency, group: Group) -> str:
    """The message of `known-vulnerability`."""
    return f"{dependency.shown} has {_named(group)}{_summary(group)}; {_fixed(dependency, group)}"


def malicious(dependency: Dependency, group: Group) -> str:
    """The message of `malicious-package`."""
    which = "is" if dependency.version else "is not pinned, and versions of it are"
    return f"{dependency.shown} {which} malicious: {_named(group)}{_summary(group)}"


def typosquat(dependency: Dependency, squat: Squat) -> str:
    """The message of `typosquat`."""
    known = "; a package of this name was in the registry when the list was made" if squat.exists else ""
    return f"{dependency.name} is not {squat.target}: {squat.how}{known}"


def index(found: Index) -> str:
    """The message of `extra-index`."""
    plain = ", not encrypted" if unencrypted(found.url) else ""
    return f"{found.option} {found.url[:200]}{plain}"


def direct(dependency: Dependency) -> str:
    """The message of `direct-url`."""
    plain = ", not encrypted" if unencrypted(dependency.url or "") else ""
    return f"{dependency.name[:100]} comes from {(dependency.url or '')[:200]}{plain}"


def unencrypted(url: str) -> bool:
    """Whether anybody on the way may change what comes from there."""
    return url.lower().startswith(("http:", "git:", "git+http:", "git+git:", "ftp:", "svn:"))


def address_severity(url: str) -> str | None:
    """`medium` for what is not encrypted, else the rule's own."""
    return "medium" if unencrypted(url) else None


def _named(group: Group) -> str:
    first, *others = group.names
    return first + (f" ({', '.join(others[:_SHOWN])})" if others else "")


def _summary(group: Group) -> str:
    return f": {group.summary}" if group.summary else ""


def _fixed(dependency: Dependency, group: Group) -> str:
    versions = list(dict.fromkeys(_all_fixed(dependency, group)))
    return f"fixed in {', '.join(versions[:_SHOWN])}" if versions else "no fixed version is known"


def _all_fixed(dependency: Dependency, group: Group) -> Iterator[str]:
    for member in group.members:
        yield from member.fixed_after(dependency.version)
