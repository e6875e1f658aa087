"""Draw the page: one HTML file with everything inside, which loads nothing and runs only the scripts whose digests it names.

`view` draws the same page, with its own script in place of the embedded rows.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO

from veritensor_ray.core.config import SEVERITIES
from veritensor_ray.core.wording import counted
from veritensor_ray.exports.report import embedding
from veritensor_ray.exports.report.default_name import mark
from veritensor_ray.exports.report.documents import asset, digest, environment, raw
from veritensor_ray.exports.report.report_data import WORST_FIRST, Report, gaps, report
from veritensor_ray.findings.rule_texts import RuleText
from veritensor_ray.masking.redaction import visible
from veritensor_ray.results.results import Results

if TYPE_CHECKING:
    import jinja2

SCRIPTS = ("uPlot.iife.min.js", "dom.js", "source.js", "findings.js", "gaps.js", "trend.js", "page.js")
STYLES = ("uPlot.min.css", "page.css")
MOST_GAPS = 20_000  # rows of the table of what was not checked
_PRINTED = 200  # findings on paper, and in a browser without scripts


@dataclass(frozen=True, slots=True)
class Live:
    """What makes the page live: a script that registers a source of rows (see assets/page.js), and its styles.

    `connect` is what the page may connect to, such as "'self'"; `about` is further data for the script.
    """

    script: str
    style: str
    connect: str
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """How many findings the file holds, how many there are, and the content security policy of the page."""

    findings: int
    total: int
    policy: str


def write(
    results: Results,
    rules: Mapping[str, RuleText],
    file: BinaryIO,
    *,
    live: Live | None = None,
    most_rows: int = embedding.MOST_ROWS,
    most_bytes: int = embedding.MOST_BYTES,
) -> Written:
    """Write the page as UTF-8. With `live`, it holds no findings, because its script fetches them.

    The caller has called `results.check()`.
    """
    about = report(results, rules)
    total = about.totals["rows"]
    found = embedding.Embedded((), 0, total) if live else embedding.findings(results, most_rows, most_bytes)
    rows, all_rows = gaps(results, MOST_GAPS)
    missing = embedding.table(rows, all_rows)
    style = "\n".join([*(asset(name) for name in STYLES), *([live.style] if live else [])])
    scripts = [*(asset(name) for name in SCRIPTS), *([live.script] if live else [])]
    policy = _policy(style, scripts, live.connect if live else "'none'")
    page = (
        _environment()
        .get_template("page.html")
        .generate(
            report=about,
            checked=about.checked,
            csp=policy,
            style=raw(style),
            scripts=[raw(script) for script in scripts],
            about=raw(_json(_about(about, found, missing, live))),
            findings=found,
            gaps=missing,
            printed=embedding.first(results, _PRINTED),
            printed_gaps=rows[:_PRINTED],
            live=live is not None,
            severities=WORST_FIRST,
        )
    )
    for piece in page:
        file.write(piece.encode("utf-8", "backslashreplace"))
    file.write(mark(results))
    return Written(found.rows, total, policy)


def _about(about: Report, found: embedding.Embedded, missing: embedding.Embedded, live: Live | None) -> dict[str, Any]:
    return {
        "output": about.output,
        "command": f"veritensor-ray context {shlex.quote(visible(about.output))} {{id}}",
        "sweep": about.run.get("job") == "sweep",
        "severities": WORST_FIRST,
        "findings": {"rows": found.rows, "total": found.total},
        "gaps": {"rows": missing.rows, "total": missing.total},
        "trend": [row | {"started": row["started"].isoformat()} for row in about.trend],
        "live": dict(live.about) if live else None,
        "copy": about.copy is not None,
    }


def _policy(style: str, scripts: Sequence[str], connect: str) -> str:
    """Return the content security policy: nothing but these scripts and these styles, and no place to send anything to."""
    allowed = " ".join(digest(script) for script in scripts)
    return (
        f"default-src 'none'; script-src {allowed}; style-src {digest(style)}; img-src data:; connect-src {connect}; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _json(value: object) -> str:
    """Return JSON that cannot end the element it stands in."""
    return json.dumps(value).replace("<", "\\u003c")


@cache
def _environment() -> jinja2.Environment:
    made = environment()
    made.filters |= {"number": _with_commas, "plural": counted, "size": _size, "time": _time}
    made.globals |= {"bars": _bars, "link": _link}
    return made


def _with_commas(value: int) -> str:
    return f"{value:,}"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def _time(text: str | datetime | None) -> str:
    """Return a time as people read it, in UTC."""
    if isinstance(text, datetime):
        return f"{text:%Y-%m-%d %H:%M} UTC"
    return _time(datetime.fromisoformat(text)) if text else ""


def _bars(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, float, float]]:
    """Return the pieces of a bar, the worst severity first: name, start and width in percent of the longest bar."""
    longest = max((one["findings"] for one in rows), default=0) or 1
    at = 0.0
    pieces: list[tuple[str, float, float]] = []
    for name in reversed(SEVERITIES):
        width = row[name] * 100 / longest
        if width:
            pieces.append((name, round(at, 3), round(max(width, 0.4), 3)))
            at += width
    return pieces


def _link(reference: str) -> str:
    """Return a reference if it may become a link, else an empty string."""
    return reference if reference.startswith(("https://", "http://")) and reference.isprintable() else ""
