"""Outputs for the report: one with everything in it, a sweep, and one whose every text attacks the reader."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.findings.outputs import Rows, checked, finding, written
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.results.results import Results, find

RULES = {
    rule.rule_id: rule
    for rule in (
        RuleText(
            "pii.email",
            "pii",
            "Email address",
            "An address of a person.",
            "pii",
            "medium",
            "Remove it.",
            ("CWE-359",),
            ("https://example.org/why",),
        ),
        RuleText(
            "signatures.override",
            "signatures",
            "Override",
            "It overrides instructions.",
            "prompt-injection",
            "high",
            "Read it.",
            false_alarms="Quotations.",
        ),
        RuleText("secrets.token", "secrets", "Token", "A token.", "secret", "critical", "Revoke it."),
    )
}


def mixed(folder: Path, trends: Rows = (), **about: Any) -> Results:
    """Findings of every severity, in folders and members, suppressed and only counted, and a ledger with every kind of gap."""
    at = iter(range(1, 100))

    def row(artifact: str, rule: str, severity: str, line: int | None = None, **about: Any) -> dict[str, Any]:
        place = None if line is None else {"line": line, "start": line * 100, "end": line * 100 + 20}
        return finding(
            next(at) * 0x1000001,
            artifact,
            place,
            engine=rule.partition(".")[0],
            rule_id=rule,
            severity=severity,
            **{"message": RULES[rule].title, "category": RULES[rule].category} | about,
        )

    findings = [
        row(
            "kb/a.md",
            "signatures.override",
            "high",
            3,
            evidence="ignore all previous instructions",
            evidence_before="Please ",
            evidence_after=" now",
        ),
        row("kb/a.md", "pii.email", "medium", 3, evidence="a*@e*.org"),
        row("kb/a.md", "pii.email", "medium", 9, evidence="b*@e*.org", suppressed_by="S-1"),
        row("kb/deep/b.md", "signatures.override", "high", 1, evidence="ignore all previous instructions"),
        row("kb/deep/b.md", "signatures.override", "low", 7, evidence="Forget everything", confidence=0.5),
        row("hr/c.zip", "pii.email", "medium", 2, evidence="c*@e*.org", member="in/d.csv", count=4),
        row("hr/c.zip", "pii.email", "medium", None, evidence=None, confidence=None, count=250),
        row("top.txt", "secrets.token", "critical", 1, evidence="gh********", content_fingerprint="1" * 32),
        row("top.txt", "secrets.token", "critical", 2, evidence="gh********", content_fingerprint="2" * 32),
        row("100%_off/x.md", "pii.email", "info", 1, evidence="d*@e*.org"),
    ]
    short = [{"engine": "pii", "status": "partial", "fingerprint": "e", "reason": "damaged text", "reason_code": "damaged"}]
    missing = [{"engine": "pii", "status": "missing", "fingerprint": None, "reason": "no model", "reason_code": "engine-missing"}]
    gap = {"member": "in/e.bin", "location": "page 3", "engine": "pii", "reason": "damaged text", "reason_code": "damaged", "bound": None}
    ledger = [
        *(checked(name) for name in ("kb/a.md", "kb/deep/b.md", "top.txt", "100%_off/x.md")),
        checked("hr/c.zip", "partial", reason="damaged text", reason_code="damaged", gaps=[gap], gaps_total=1, coverage=short),
        checked("hr/f.md", coverage=missing),
        *(checked(f"audio/{one}.mp3", "skipped", reason="no reader for audio/mpeg", reason_code="no-reader") for one in range(5)),
        checked("kb/locked.pdf", "unreadable", reason="encrypted", reason_code="encrypted"),
    ]
    policy = {"file": "/site/policy.yaml", "digest": "d", "day": "2026-02-01", "rules": 0, "turned_off": 0}
    kept = [{"id": "S-1", "reason": "public address", "owner": "sec", "expires": "2026-12-31", "expired": False, "findings": 1}]
    return written(folder, findings, ledger, trends, RULES.values(), policy=policy | {"suppressions": kept}, **about)


def swept(folder: Path, nights: int = 5) -> Results:
    """A sweep with a history, whose last night has the findings of `mixed`."""
    trends = []
    for night in range(nights):
        about = {
            "sweep": f"sweep-{night:05}",
            "started": datetime(2026, 1, 1 + night, 22, tzinfo=UTC),
            "folder": "kb",
            "engine": "pii",
            "category": "pii",
        }
        trends += [
            about | {"severity": "high", "state": "new", "findings": night + 1, "suppressed": 1},
            about | {"severity": "low", "state": "persisting", "findings": 10, "suppressed": 0},
            about | {"severity": "high", "state": "resolved", "findings": 2, "suppressed": 0},
            about | {"severity": "high", "state": "unverified", "findings": 1, "suppressed": 0},
        ]
    mixed(folder / "sweeps" / "sweep-00009", trends, job="sweep", scan_id="sweep-00009", previous="sweep-00003", plan={}, states={})
    (folder / "latest.json").write_text(json.dumps({"sweep": "sweep-00009"}))
    return Results(*find(str(folder), {}))


# Every text of an output in turn is one of these.
ATTACKS = (
    "</script><script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    '"><svg onload="document.title=\'owned\'">',
    "javascript:document.title='owned'",
    "</style><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}${document.title='owned'}",
    "<!--",
    "]]>",
    "'; --",
    "evil\u202egpj.exe\x1b[2J\x07",
    "line\nbreak\u2028and\u2029more",
    "\ud7ff\U000e0041\ufe0f",
)


def hostile(folder: Path) -> Results:
    """Findings, gaps, sources, policy and rules that are all attacks."""
    findings, ledger = [], []
    for number, text in enumerate(ATTACKS):
        rule = f"signatures.user-{text}"
        findings.append(
            finding(
                number + 0xABCDEF,
                f"{text}/{text}",
                {"line": 1, "start": 0, "end": 5, "part": text, "column": text},
                member=text,
                rule_id=rule,
                engine="signatures",
                message=text,
                evidence=text,
                evidence_before=text,
                evidence_after=text,
                taxonomy=[text],
                severity="high",
                suppressed_by=text if number == 0 else None,
            )
        )
        gap = {"member": text, "location": text, "engine": text, "reason": text, "reason_code": text, "bound": None}
        ledger.append(checked(f"{text}/{text}", "partial", reason=f"{text} {number}", reason_code=text, gaps=[gap], gaps_total=1, uri=text))
    first = ATTACKS[0]
    entry = {"id": first, "reason": first, "owner": ATTACKS[1], "expires": ATTACKS[2], "expired": True, "findings": 1}
    policy = {"file": first, "digest": "d", "day": "2026-02-01", "rules": 0, "turned_off": 0, "suppressions": [entry]}
    about: dict[str, Any] = {
        "sources": list(ATTACKS),
        "policy": policy,
        "profile": first,
        "package_version": first,
        "output": ATTACKS[1],
        "bundle_id": first,
    }
    rules = [
        RuleText(row["rule_id"], "signatures", text, text, "malware", "high", text, (text,), (text, f"https://example.org/{text}"), text)
        for row, text in zip(findings, ATTACKS, strict=True)
    ]
    return written(folder, findings, ledger, rules=rules, **about)
