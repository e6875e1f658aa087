"""The form of findings in templates, which all judges of templates share."""

from __future__ import annotations

from dataclasses import dataclass

from veritensor_ray.core.config import Severity

ESCAPE, FILES, UNREADABLE, BACKDOOR, BOMB = (
    f"modelfiles.template-{name}" for name in ("escape", "file-access", "unreadable", "backdoor", "bomb")
)


@dataclass(frozen=True, slots=True)
class TemplateFinding:
    """One finding in a template: what it does, and in which line."""

    rule: str
    what: str
    line: int
    severity: Severity | None = None
