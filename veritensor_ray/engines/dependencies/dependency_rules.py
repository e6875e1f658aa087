"""What the findings of this engine mean, and their wording; it knows no manifest and no database."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.engines.base import Rule
from veritensor_ray.engines.dependencies.model import Dependency, Index
from veritensor_ray.engines.dependencies.records import Group
from veritensor_ray.engines.dependencies.typosquats import Squat

_SHOWN = 4  # fixed versions and names of an advisory in one message

RULES = (
    Rule(
        id="dependencies.known-vulnerability",
        title="Dependency with a known vulnerability",
        description="The pinned version of a package is affected by a published advisory.",
        category="vulnerable-dependency",
        severity="medium",
        remediation="Raise the version to one in which it is fixed, or remove the package.",
        taxonomy=("OWASP-LLM03:2025", "CWE-1395"),
        references=("https://ossf.github.io/osv-schema/",),
        false_alarms="The vulnerable part may not be in use. Advisories without a rating are shown as medium.",
    ),
    Rule(
        id="dependencies.malicious-package",
        title="Malicious package",
        description="An advisory names the package, or this version of it, as malicious code.",
        category="malicious-package",
        severity="critical",
        remediation="Remove the package. Treat every machine that installed it as taken over, and replace the secrets that were on it.",
        taxonomy=("OWASP-LLM03:2025", "CWE-506"),
        references=("https://ossf.github.io/osv-schema/",),
        false_alarms="A name that was malicious once and belongs to somebody else now.",
    ),
    Rule(
        id="dependencies.typosquat",
        title="Package name that passes for a popular one",
        description="The name is a slip of a key, a look-alike character, a separator or an affix away from a popular package.",
        category="typosquat",
        severity="medium",
        remediation="Check the name. If it is your own package, list it under dependencies.allow.",
        taxonomy=("OWASP-LLM03:2025", "CWE-1357"),
        references=(),
        false_alarms="Packages of your own, and packages younger than the list of names.",
        confidence=0.8,
    ),
    Rule(
        id="dependencies.extra-index",
        title="Second package index",
        description="Packages come from more than one index. The installer takes the highest version wherever it is: whoever registers your "
        "internal name on the public index is installed (dependency confusion). Medium where the address is not encrypted.",
        category="vulnerable-dependency",
        severity="low",
        remediation="Use one index that mirrors what you need, or bind each package to its index.",
        taxonomy=("OWASP-LLM03:2025", "CWE-427"),
        references=(),
        false_alarms="Indexes of vendors for builds of another kind (accelerators).",
    ),
    Rule(
        id="dependencies.direct-url",
        title="Dependency from an address",
        description="The package comes from an address in place of an index: no advisory is known for it and its content may change. "
        "Medium where the address is not encrypted.",
        category="vulnerable-dependency",
        severity="info",
        remediation="Pin a commit or a hash, or publish the package on your index.",
        taxonomy=("OWASP-LLM03:2025", "CWE-829"),
        references=(),
        false_alarms="Packages of your own on your own servers.",
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
