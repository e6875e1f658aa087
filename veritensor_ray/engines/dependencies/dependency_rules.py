"""The rules of the dependency engine, and the wording of its findings."""

from __future__ import annotations

from collections.abc import Iterator

from veritensor_ray.core.config import Severity
from veritensor_ray.engines.base import Rule
from veritensor_ray.engines.dependencies.advisory_model import Dependency, Index
from veritensor_ray.engines.dependencies.advisory_records import Group
from veritensor_ray.engines.dependencies.exploitation import Exploitation
from veritensor_ray.engines.dependencies.typosquats import Squat

_SHOWN = 4  # most fixed versions, and most names of an advisory, in one message

RULES = (
    Rule(
        id="dependencies.known-vulnerability",
        title="Dependency with a known vulnerability",
        description="A published advisory affects the pinned version of a package. If CISA's catalog says that the flaw is exploited (KEV), "
        "the severity is one step higher, and at least high.",
        category="vulnerable-dependency",
        severity="medium",
        remediation="Upgrade to a fixed version, or remove the package.",
        taxonomy=("OWASP-LLM03:2025", "CWE-1395"),
        references=("https://ossf.github.io/osv-schema/",),
        false_alarms="The vulnerable part may not be in use. Advisories without a rating have severity medium.",
    ),
    Rule(
        id="dependencies.malicious-package",
        title="Malicious package",
        description="An advisory reports the package, or this version of it, as malicious.",
        category="malicious-package",
        severity="critical",
        remediation="Remove the package. Treat every machine that installed it as compromised, and rotate the secrets that were on it.",
        taxonomy=("OWASP-LLM03:2025", "CWE-506"),
        references=("https://ossf.github.io/osv-schema/",),
        false_alarms="A name that was once malicious and now belongs to someone else.",
    ),
    Rule(
        id="dependencies.typosquat",
        title="Package name that imitates a popular one",
        description="The name differs from that of a popular package only by a typo, look-alike characters, separators, word order or an affix.",
        category="typosquat",
        severity="medium",
        remediation="Check the name. If it is your own package, add it to dependencies.allow.",
        taxonomy=("OWASP-LLM03:2025", "CWE-1357"),
        references=(),
        false_alarms="Your own packages, and packages that are newer than the list of names.",
        confidence=0.8,
    ),
    Rule(
        id="dependencies.extra-index",
        title="Second package index",
        description="Packages come from more than one index. Installers take the highest version from any of them, so anyone who registers your "
        "internal name on the public index gets their package installed (dependency confusion). The severity is medium if the address does not use TLS.",
        category="vulnerable-dependency",
        severity="low",
        remediation="Use a single index that mirrors the packages you need, or bind each package to its index.",
        taxonomy=("OWASP-LLM03:2025", "CWE-427"),
        references=(),
        false_alarms="Vendor indexes for special builds (accelerators).",
    ),
    Rule(
        id="dependencies.direct-url",
        title="Dependency from a direct address",
        description="The package comes from an address instead of an index, so advisories do not cover it and its content may change. "
        "The severity is medium if the address does not use TLS.",
        category="vulnerable-dependency",
        severity="info",
        remediation="Pin a commit or a hash, or publish the package on your index.",
        taxonomy=("OWASP-LLM03:2025", "CWE-829"),
        references=(),
        false_alarms="Your own packages on your own servers.",
    ),
    Rule(
        id="dependencies.mutable-reference",
        title="Image or action that may change",
        description="A container image has the tag `latest`, or neither a tag nor a digest, or an action of GitHub is used from a branch. "
        "What runs is what its publisher, or whoever takes over the account, has put there last.",
        category="vulnerable-dependency",
        severity="info",
        remediation="Name a release, or better the digest of the image or the commit of the action.",
        taxonomy=("OWASP-LLM03:2025", "CWE-829"),
        references=(),
        false_alarms="Your own images and actions, and names of images that are built in the same place.",
    ),
)


def vulnerability(dependency: Dependency, group: Group, exploited: Exploitation) -> str:
    """Return the message of `known-vulnerability`."""
    return f"{dependency.shown} has {_named(group)}{_summary(group)}{exploited.words}; {_fixed(dependency, group)}"


def malicious(dependency: Dependency, group: Group) -> str:
    """Return the message of `malicious-package`."""
    which = "is" if dependency.version else "is not pinned, and some of its versions are"
    return f"{dependency.shown} {which} malicious: {_named(group)}{_summary(group)}"


def typosquat(dependency: Dependency, squat: Squat) -> str:
    """Return the message of `typosquat`."""
    known = "; a package of this name existed in the registry when the list was made" if squat.exists else ""
    return f"{dependency.name} is not {squat.target}: {squat.how}{known}"


def index(found: Index) -> str:
    """Return the message of `extra-index`."""
    plain = ", not encrypted" if unencrypted(found.url) else ""
    return f"{found.option} {found.url[:200]}{plain}"


def direct(dependency: Dependency) -> str:
    """Return the message of `direct-url`."""
    plain = ", not encrypted" if unencrypted(dependency.url or "") else ""
    return f"{dependency.name[:100]} comes from {(dependency.url or '')[:200]}{plain}"


def mutable(dependency: Dependency, why: str) -> str:
    """Return the message of `mutable-reference`."""
    return f"{dependency.name[:200]} {why}, so its content may change"


def unencrypted(url: str) -> bool:
    """Return whether the connection is unencrypted, so that packages can be changed in transit."""
    return url.lower().startswith(("http:", "git:", "git+http:", "git+git:", "ftp:", "svn:"))


def address_severity(url: str) -> Severity | None:
    """Return `medium` for an unencrypted address, or None for the rule's own severity."""
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
