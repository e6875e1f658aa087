"""Generated pages are complete, links of hand-written pages lead to pages, and the site loads nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

import pytest
import yaml

from tests.docs.blocks import COMMANDS
from tests.docs.test_reference import keys as configuration_keys
from tools.site import markdown
from tools.site.commands import EXIT_CODES, commands, commands_page
from tools.site.hooks import generated
from tools.site.links import REFERENCE, TOP, page_of, rewritten, source_of, with_reference
from tools.site.markdown import ROOT, described, sentence, table, text
from tools.site.python_api import python_page
from tools.site.rules import index_page, rules_by_engine, rules_page
from tools.site.settings import keys, meaning_of, settings_page
from tools.site.tables import STRUCTS, codes_page, tables_page
from tools.site.tables import meaning_of as column_meaning
from veritensor_ray.core.config import Settings
from veritensor_ray.core.reasons import ReasonCode
from veritensor_ray.findings.schema import ALL_TABLES

# ---- links

LINKS = {
    ("README.md", "[air gap](docs/airgap.md)"): "[air gap](../airgap.md)",
    ("README.md", "[codes](docs/results.md#reason-codes)"): "[codes](../results.md#reason-codes)",
    ("README.md", "[`pii`](docs/engines/pii.md)"): "[`pii`](../engines/pii.md)",
    ("README.md", "[security](SECURITY.md)"): "[security](security.md)",
    ("README.md", "[Apache-2.0](LICENSE)"): "Apache-2.0 (`LICENSE`)",
    ("README.md", "[Ray](https://docs.ray.io)"): "[Ray](https://docs.ray.io)",
    ("README.md", "![a report](docs/assets/report.png)"): "![a report](../assets/report.png)",
    ("docs/view.md", "![a page](assets/view.png)"): "![a page](assets/view.png)",
    ("docs/engines/pii.md", "![a page](../assets/view.png)"): "![a page](../assets/view.png)",
    ("docs/policy.md", "[examples/policy.yaml](../examples/policy.yaml)"): "`examples/policy.yaml`",
    ("docs/policy.md", "[`policy.yaml`](../examples/policy.yaml)"): "`examples/policy.yaml`",
    ("docs/policy.md", "[a longer one](../examples/policy.yaml)"): "a longer one (`examples/policy.yaml`)",
    ("docs/policy.md", "[who](../SECURITY.md#who)"): "[who](project/security.md#who)",
    ("docs/policy.md", "[above](#keys)"): "[above](#keys)",
    ("docs/policy.md", "[engine](engines/pii.md)"): "[engine](engines/pii.md)",
    ("docs/engines/pii.md", "[the\npolicy](../policy.md)"): "[the\npolicy](../policy.md)",
    ("docs/engines/pii.md", "[card](../../veritensor_ray/models/README.md)"): "card (`veritensor_ray/models/README.md`)",
    ("docs/policy.md", "`[a](../b.py)` and [a](../b.py)"): "`[a](../b.py)` and a (`b.py`)",
    ("docs/policy.md", "```python\n[a](../b.py)\n```"): "```python\n[a](../b.py)\n```",
    ("docs/audit.md", "```sh test=audit\nls\n```\n"): "```sh\nls\n```\n",
    ("docs/audit.md", "```\nls\n```\n"): "```\nls\n```\n",
}


@pytest.mark.parametrize(("source", "written"), LINKS, ids=lambda value: value.replace("\n", " "))
def test_links_are_rewritten(source: str, written: str) -> None:
    page = page_of(source)
    assert page is not None
    assert source_of(page) == source
    assert rewritten(written, PurePosixPath(source), PurePosixPath(page)) == LINKS[source, written]


def test_a_page_leads_to_the_reference_where_there_is_one() -> None:
    there = {"reference/rules/pii.md", "reference/tables.md"}
    assert (
        with_reference("engines/pii.md", "# PII\n\nText\n", there)
        == "# PII\n\n*Reference: [rules of pii](../reference/rules/pii.md).*\n\nText\n"
    )
    assert with_reference("engines/ocr.md", "# OCR\n", there) == "# OCR\n"
    assert with_reference("results.md", "# Results\n", there) == "# Results\n\n*Reference: [all columns](reference/tables.md).*\n"
    assert {where for entries in REFERENCE.values() for _, where in entries} <= generated().keys()


# ---- generated pages


def rows(page: str) -> list[list[str]]:
    """The cells of all tables."""
    lines = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_a_cell_is_a_sentence() -> None:
    given = ("", "a link", "Done.", "`a`, `b`, …", "see `a`", "one (`b`)")
    assert [sentence(one) for one in given] == ["", "A link.", "Done.", "`a`, `b`, …", "See `a`.", "One (`b`)."]


def test_text_is_shown_as_it_is() -> None:
    assert text("a_b <x> `c_d` [e] *f*") == r"a\_b &lt;x> `c_d` \[e\] \*f\*"
    assert table(("a", "b"), [("1|2", "3\n4")]) == "| a | b |\n| --- | --- |\n| 1\\|2 | 3 4 |\n"


def test_meanings_come_from_tables_and_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "some.md").write_text(
        "# Some\n\n## One\n\n| key | type | meaning |\n| --- | --- | --- |\n| `a`, `b` | x \\| y | See [other](other.md). |\n\n"
        "- `c`: three,\n  in two lines\n- `d` and `e` - four\n- no name: five\n\n| `f`, `g` | six; seven, see below |\n\n\n## Two\n\n| `a` | another |\n"
    )
    monkeypatch.setattr(markdown, "ROOT", tmp_path)
    found = described("some.md", "One", on="reference/x.md")
    link = "See [other](../other.md)."
    assert found == {
        "a": link,
        "b": link,
        "c": "three,\n  in two lines",
        "d": "four",
        "e": "four",
        "f": "six",
        "g": "seven, see [some](../some.md)",
    }
    with pytest.raises(LookupError, match="no section 'Three'"):
        described("some.md", "Three", on="reference/x.md")


def test_every_command_argument_and_option_is_there() -> None:
    page = commands_page()
    leaves = [words for words in COMMANDS[1:] if not any(other[: len(words)] == words for other in COMMANDS if other != words)]
    assert [name for name, _ in commands()] == [f"veritensor-ray {' '.join(words)}" for words in leaves]
    for (name, command), section in zip(commands(), page.split("\n## `veritensor-ray ")[1:], strict=True):
        assert section.startswith(f"{name.removeprefix('veritensor-ray ')}`\n")
        for parameter in command.params:
            shown = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.metavar or parameter.name.upper()
            assert (f"{shown}`" in section or f"{shown}…" in section or f"{shown}]" in section) != bool(getattr(parameter, "hidden", False))
    assert {(str(code), meaning) for code, meaning in EXIT_CODES.items()} <= {tuple(row) for row in rows(page)}


def test_rows_of_options() -> None:
    found = {row[0]: row[1:3] for row in rows(commands_page())}
    assert found["`--engines`"] == ["text, repeatable", ""]
    assert found["`--group`, `--no-group`"] == ["", "`--group`"]
    assert found["`--limit`"] == ["number", "`50`"]
    assert ["`--reason`", "text", "required"] in [row[:3] for row in rows(commands_page())]


def test_every_key_is_there_with_a_meaning() -> None:
    assert [key.name for key in keys()] == [
        re.sub(r"^(pii\.custom\.|stores\.)(PREFIX\.)?", _as_shown, key) for key in configuration_keys(Settings)
    ]
    page = settings_page()
    assert [key.name for key in keys() if f"| `{key.name}`" not in page] == []
    assert [key.name for key in keys() if not meaning_of(key)] == []


def _as_shown(match: re.Match[str]) -> str:
    return "stores.PREFIX." if match[1] == "stores." else match[1]


KEYS = {
    "limits.batch_bytes": ["bytes", "`32MB`"],
    "sweep.every": ["[span of time](../configuration.md#spans-of-time)", "`24h`"],
    "sweep.trust": ["`etag`, `mtime`, `content`", "`etag`"],
    "notify.retries": ["whole number (at least 0, at most 10)", "`3`"],
    "resources.model_actors": ["whole number (at least 1) or `auto`", "`auto`"],
    "site_key": ["secret, as `env:NAME` or `file:/path`", "not set"],
    "fail_on": ["a severity", "not set"],
    "pii.custom.name": ["text", "required"],
    "sources": ["list of text", "empty"],
    "strict": ["`true` or `false`", "`false`"],
}
UNDER = {
    "max_size": ["VERITENSOR_MAX_SIZE", "--max-size"],
    "sweep.keep": ["VERITENSOR_SWEEP__KEEP", "--keep"],
    "notify.url": ["VERITENSOR_NOTIFY__URL", "--notify"],
    "injection.cascade": ["VERITENSOR_INJECTION__CASCADE", "--cascade"],
    "limits.depth": ["VERITENSOR_LIMITS__DEPTH"],
    "stores.PREFIX.key": [],
}


@pytest.mark.parametrize("key", [*KEYS, *UNDER])
def test_a_row_of_a_key(key: str) -> None:
    row = next(row for row in rows(settings_page()) if row[0].startswith(f"`{key}`"))
    assert row[1:3] == KEYS.get(key, row[1:3])
    if key in UNDER:
        assert re.findall(r'<span class="under">`([^`]+)`</span>', row[0]) == UNDER[key]


def test_every_rule_is_there() -> None:
    index = index_page()
    for engine, rules in rules_by_engine().items():
        page = rules_page(engine)
        for rule in rules:
            assert f"({engine}.md#{rule.id})" in index
            assert f"\n## `{rule.id}` {{#{rule.id}}}\n\n**{text(rule.title)}** · {rule.severity} · {rule.category}\n" in page
            assert text(rule.description) in page
            assert text(rule.remediation) in page


def test_every_column_is_there_with_a_meaning() -> None:
    found = {row[0].strip("`") for row in rows(tables_page())}
    owners = {name: list(schema.names) for name, schema in ALL_TABLES.items() if name not in ("resolved", "unverified")}
    owners |= {name: [field.name for field in struct] for name, struct in STRUCTS.items()}
    for owner, names in owners.items():
        assert set(names) <= found
        assert [f"{owner}.{name}" for name in names if not column_meaning(owner, name)] == []
    assert {"`string`", "`int64`", "`timestamp[us, tz=UTC]`", "list of [`struct`](#struct-location)"} <= {
        row[1] for row in rows(tables_page())
    }


def test_every_reason_code_is_there_with_a_meaning() -> None:
    found = {row[0]: row[1] for row in rows(codes_page())[1:]}
    assert list(found) == [f"`{code.value}`" for code in ReasonCode]
    assert all(found.values())


def test_the_python_page_asks_for_public_names() -> None:
    asked = re.findall(r"^::: ([\w.]+)$", python_page(), re.MULTILINE)
    functions, objects = (
        ("clean", "inspect", "open", "scan"),
        ("Audit", "CleanedCopy", "Decision", "Differences", "Inspection", "Passage", "Plots"),
    )
    assert asked[:11] == [f"veritensor_ray.api.{name}" for name in (*functions, *objects)]
    assert {"veritensor_ray.engines.base.TextEngine", "veritensor_ray.testing.EngineContract"} <= set(asked)


# ---- the site


def entries(nav: object) -> Iterator[str]:
    """All pages of the navigation."""
    if isinstance(nav, str):
        yield nav
    for one in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from entries(one)


def test_every_page_is_in_the_navigation_once() -> None:
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    named = list(entries(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(named) == sorted(written | {*TOP.values()} | generated().keys())


class Used(HTMLParser):
    """What a page loads, and the ids that it has."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if tag in ("script", "img", "iframe", "source", "audio", "video", "embed") and named.get("src"):
            self.loads.append(named["src"] or "")
        if tag == "link" and named.get("rel") not in ("prev", "next", "canonical", "alternate"):
            self.loads.append(named.get("href") or "")


@pytest.mark.slow
def test_the_site_is_built_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        used = Used()
        used.feed(page.read_text(encoding="utf-8"))
        assert used.loads
        for address in used.loads:
            assert not re.match(r"[a-z]+:|//", address), f"{page.name} loads {address}"
            base = tmp_path if address.startswith("/") else page.parent  # 404.html is for servers alone
            assert (base / address.lstrip("/").partition("?")[0]).exists(), f"{page.name} loads {address}"
    for sheet in tmp_path.rglob("*.css"):
        assert not re.search(r"url\(\s*[\"']?(?:https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet.name
    assert (tmp_path / "search" / "search_index.js").stat().st_size > 100_000
    assert 'iframe-worker.js"' in (tmp_path / "index.html").read_text()
