"""The report in a browser: what it shows, what its tables do, what no corpus can make it do, and how it looks at every width."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pypdfium2
import pytest

from tests.browser import opened, out_of_reach, until
from tests.exports.report.many import many
from tests.exports.report.outputs import ATTACKS, hostile, mixed, swept
from tests.findings.outputs import checked, finding, written
from veritensor_ray.core.config import Settings
from veritensor_ray.exports.report import embedding
from veritensor_ray.exports.report import page as report_page
from veritensor_ray.exports.rules_of_results import rules_in
from veritensor_ray.results.results import Results

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

LINES = "#findings-table tr.line"


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return mixed(tmp_path_factory.mktemp("audit"))


def made(
    results: Results,
    file: Path,
    most_rows: int = embedding.MOST_ROWS,
    most_bytes: int = embedding.MOST_BYTES,
) -> str:
    """The address of a report."""
    with file.open("wb") as to:
        report_page.write(results, rules_in(results, Settings()), to, most_rows=most_rows, most_bytes=most_bytes)
    return file.as_uri()


@pytest.fixture(scope="module")
def report(audit: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report that nobody changes."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    made(audit, file)
    file.chmod(0o444)
    return file


@pytest.fixture(scope="module")
def url(report: Path) -> str:
    return report.as_uri()


@pytest.fixture(scope="module")
def sweep_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a sweep with a history."""
    folder = tmp_path_factory.mktemp("sweep")
    return made(swept(folder / "state"), folder / "report.html")


@pytest.fixture(scope="module")
def asked(chromium: Browser, url: str) -> Iterator[Page]:
    """One page for all questions that change nothing."""
    with opened(chromium, url) as watched:
        yield watched.page


def lines(page: Page) -> list[str]:
    """The rows that the table shows, each as the words of its cells."""
    page.wait_for_selector("#findings-table table:not([aria-busy])")
    return [" | ".join(row.locator("td").all_inner_texts()).replace("\n", " ") for row in page.locator(LINES).all()]


def ask(page: Page, question: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("(question) => ray.table.source.query(question)", dict(question))
    return found


# ── what the page holds


def test_what_was_not_checked_comes_first(chromium: Browser, url: str) -> None:
    with opened(chromium, url) as watched:
        sections = watched.page.locator("main > section h2").all_inner_texts()
        text = watched.page.locator("#missing").inner_text()
    assert sections[0] == "What was not checked"
    assert "4 of 12 artifacts were fully checked, 2 in part (1 of them read as a whole, but not by every engine) and 6 not at all." in text
    for words in ("no reader for audio/mpeg", "audio/0.mp3", "and 2 more", "encrypted", "kb/locked.pdf", "damaged text"):
        assert words in text
    assert watched.requests == []


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({}, 9),  # suppressed findings are left out
        ({"suppressed": "yes"}, 10),
        ({"suppressed": "only"}, 1),
        ({"severity": ["critical", "low"]}, 3),
        ({"engine": ["pii"]}, 4),
        ({"rule": ["signatures.override"]}, 3),
        ({"folder": "kb"}, 4),  # and what is below it
        ({"folder": "kb/deep"}, 2),
        ({"folder": "100%_off"}, 1),  # no pattern
        ({"folder": "k"}, 0),
        ({"text": "IGNORE ALL"}, 2),  # in the evidence, whatever its case
        ({"text": "in/d.csv"}, 1),  # in the member
        ({"text": "deep/b"}, 2),  # in the artifact
        ({"text": "token"}, 2),  # in the message
        ({"text": "%"}, 1),
        ({"text": "ignore", "folder": "kb/deep", "severity": ["high"]}, 1),
        ({"state": ["persisting"]}, 0),
    ],
)
def test_filters(question: dict[str, Any], expected: int, asked: Page) -> None:
    assert ask(asked, {"filter": question})["total"] == expected


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        # two rules at one passage are one place; a row that only counts further matches is a place of its own
        ("place", [("kb/a.md", 2), ("kb/deep/b.md", 1), ("kb/deep/b.md", 1), ("hr/c.zip", 1), ("hr/c.zip", 250), ("top.txt", 1), ("top.txt", 1), ("100%_off/x.md", 1)]),
        # masked evidence that looks the same may be two secrets; equal evidence in two files is one row
        ("evidence", [("kb/a.md", 2), ("kb/a.md", 1), ("kb/deep/b.md", 1), ("hr/c.zip", 1), ("hr/c.zip", 250), ("top.txt", 1), ("top.txt", 1), ("100%_off/x.md", 1)]),
        ("rule", [("top.txt", 2), ("kb/a.md", 3), ("hr/c.zip", 253)]),
        ("folder", [("top.txt", 2), ("kb/a.md", 2), ("kb/deep/b.md", 2), ("hr/c.zip", 251), ("100%_off/x.md", 1)]),
    ],
)  # fmt: skip
def test_groups(group: str, expected: list[tuple[str, int]], asked: Page) -> None:
    answer = ask(asked, {"filter": {}, "group": group})
    assert sorted((row["artifact"], row["findings"]) for row in answer["rows"]) == sorted(expected)
    assert answer["findings"] == 258


def test_a_group_is_as_bad_as_its_worst_finding_and_can_be_opened(asked: Page) -> None:
    group = next(row for row in ask(asked, {"filter": {}, "group": "folder"})["rows"] if row["artifact"].startswith("kb/deep/"))
    inside = ask(asked, {"filter": {"group": {"group": "folder", "key": group["key"]}}, "group": "none"})
    assert (group["severity"], group["rules"], group["files"]) == ("high", ["signatures.override"], 1)
    assert [row["severity"] for row in inside["rows"]] == ["high", "low"]


@pytest.mark.parametrize(
    ("by", "descending", "column", "first"),
    [
        ("severity", True, "severity", ["critical", "critical", "high"]),
        ("severity", False, "severity", ["info", "low", "medium"]),
        ("artifact", False, "artifact", ["100%_off/x.md", "hr/c.zip", "hr/c.zip"]),
        ("rule_id", True, "rule_id", ["signatures.override"] * 3),
        ("confidence", False, "confidence", [None, 0.5, 1.0]),
        ("count", True, "count", [250, 4, 1]),
    ],
)
def test_sorting(by: str, descending: bool, column: str, first: list[Any], asked: Page) -> None:
    rows = ask(asked, {"filter": {}, "sort": {"by": by, "descending": descending}})["rows"]
    assert [row[column] for row in rows[:3]] == first


def test_counts_beside_the_filters_agree_with_the_rows(asked: Page, audit: Results) -> None:
    facets = asked.evaluate("ray.table.source.facets()")
    assert facets["severity"] == audit.run["severity"]
    assert facets["folders"] == {"kb": 2, "kb/deep": 2, "hr": 251, "": 2, "100%_off": 1}


def test_pages_and_search_by_mouse(chromium: Browser, url: str) -> None:
    with opened(chromium, url) as watched:
        page = watched.page
        page.select_option("[aria-label='Group by']", "none")
        page.evaluate("ray.table.limit = 4; ray.table.go(0)")
        assert len(lines(page)) == 4
        first = lines(page)
        page.click("#findings-table [aria-label='Next page']")
        until(page, "document.querySelector('#findings-table .range').textContent.startsWith('5–8')")
        assert not set(first) & set(lines(page))
        page.fill("#search", "ignore all")
        until(page, "document.querySelector('#findings-table .range').textContent === '1–2 of 2'")
        assert all("ignore all" in one for one in lines(page))
        page.click("text=contains “ignore all”")
        until(page, "document.querySelector('#findings-table .range').textContent.endsWith('of 9')")
        page.click(".toggle[data-severity=low]")
        until(page, "document.querySelector('#findings-table .range').textContent === '1–1 of 1'")


def test_the_table_of_what_was_not_checked(chromium: Browser, url: str) -> None:
    with opened(chromium, url) as watched:
        page = watched.page
        rows = page.locator("#gaps-table tbody tr")
        assert rows.count() == 8
        page.select_option("[aria-label='Reason code']", "engine-missing")
        assert rows.all_inner_texts()[0].split() == ["hr/f.md", "scanned", "pii", "no", "model", "engine-missing"]
        page.select_option("[aria-label='Reason code']", "")
        page.fill("[aria-label='Search what was not checked']", "in/e.bin")
        assert rows.count() == 1
        assert "page 3" in rows.all_inner_texts()[0]


# ── by keyboard, and by links


def test_everything_works_by_keyboard(chromium: Browser, url: str) -> None:
    with opened(chromium, url) as watched:
        page = watched.page
        press = page.keyboard.press
        press("j")
        press("j")
        assert page.evaluate("ray.table.at") == 1
        press("ArrowUp")
        assert page.evaluate("ray.table.at") == 0
        press("Enter")
        page.wait_for_selector(".panel")
        assert "veritensor-ray context" in page.locator(".panel").inner_text()
        press("Escape")
        assert page.locator(".panel").count() == 0
        press("g")
        until(page, "ray.table.group === 'evidence'")
        press("/")
        assert page.evaluate("document.activeElement.id") == "search"
        page.keyboard.type("jjj?g")  # letters, not commands
        until(page, "ray.table.filter.text === 'jjj?g'")
        assert page.locator(".empty").first.inner_text() == "No finding matches."
        press("Escape")
        press("x")
        until(page, "ray.table.filter.text === ''")
        press("?")
        assert page.locator("#keys").is_visible()
        assert "Next row" in page.locator("#keys").inner_text()
        press("Escape")
        assert not page.locator("#keys").is_visible()


def test_a_link_opens_its_finding_even_if_it_is_suppressed(chromium: Browser, url: str, audit: Results) -> None:
    suppressed = audit.records("SELECT finding_id FROM findings WHERE suppressed_by IS NOT NULL")[0]["finding_id"]
    with opened(chromium, f"{url}#finding={suppressed}") as watched:
        watched.page.wait_for_selector(".panel")
        text = watched.page.locator(".panel").inner_text()
    assert suppressed in text
    assert "S-1" in text


def test_a_link_opens_its_rule(chromium: Browser, url: str) -> None:
    with opened(chromium, f"{url}#rule=pii.email") as watched:
        card = watched.page.locator("[data-rule='pii.email']")
        assert card.get_attribute("open") is not None
        text = card.inner_text()
        for words in ("An address of a person.", "Remove it.", "https://example.org/why", "1 suppressed", "hr/c.zip", "a*@e*.org"):
            assert words in text
        card.locator("text=Show in the table").click()
        until(watched.page, "ray.table.filter.rule[0] === 'pii.email'")
        assert all("pii.email" in one for one in lines(watched.page))


@pytest.mark.parametrize(
    "link", ["finding=zzz", "finding=%", "finding=", "rule=<img src=x>", "rule=%E0%A4%A", "finding=0' OR 1=1", "constructor"]
)
def test_a_link_to_nothing_does_nothing(link: str, asked: Page) -> None:
    asked.evaluate("(link) => { location.hash = link; }", link)
    assert len(lines(asked)) == 8


def test_a_number_of_the_first_tables_leads_to_its_findings(chromium: Browser, url: str) -> None:
    """A folder's number leaves out the folders below it, and so do the rows."""
    with opened(chromium, url) as watched:
        page = watched.page
        for name, findings in (("kb", "2 findings"), ("(top)", "2 findings"), ("secrets", "2 findings")):
            page.locator("#severity button", has_text=re.compile(f"^{re.escape(name)}$")).click()
            until(page, f"document.querySelector('.summary').textContent.startsWith('{findings}')")
        page.locator(".tile.f-critical button").click()
        until(page, "ray.table.filter.severity[0] === 'critical' && !ray.table.filter.engine.length")


# ── hostile text


def test_nothing_in_a_corpus_becomes_markup(chromium: Browser, tmp_path: Path) -> None:
    url = made(hostile(tmp_path / "out"), tmp_path / "r.html")
    with opened(chromium, url) as watched:
        page = watched.page
        page.select_option("[aria-label='Suppressed']", "yes")
        page.select_option("[aria-label='Group by']", "none")
        assert len(lines(page)) == len(ATTACKS)
        for index in range(len(ATTACKS)):
            page.evaluate("(index) => { ray.table.select(index); return ray.table.toggle(); }", index)
        for card in page.locator("details.card").all():
            card.evaluate("(card) => { card.open = true; }")
        for group in ("place", "evidence", "rule", "folder"):
            page.evaluate("(group) => ray.table.setGroup(group)", group)
        assert page.title().startswith("Audit ")
        assert page.locator("img, iframe, object, embed, base, form:not([method=dialog]), script[src], link").count() == 0
        links = page.locator("a").evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
        assert len(links) > 25
        assert [link for link in links if not link.startswith(("#", "https://example.org/"))] == []
        text = page.locator("body").inner_text()
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert "\\u202egpj.exe\\x1b[2J\\x07" in text
        assert "<img src=x onerror=\"document.title='owned'\">" in text
        assert "{{ 7 * 7 }}" in text
        assert page.locator("details.card").count() == len(ATTACKS)
        assert page.evaluate("getComputedStyle(document.querySelector('main')).display") == "grid"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert watched.requests == []


def test_long_words_are_broken(chromium: Browser, tmp_path: Path) -> None:
    """A file decides the names of its columns and members."""
    word = "w" * 3_000
    row = finding(1, word, {"line": 1, "column": word, "part": word}, member=word, evidence=word, taxonomy=[word], message=word)
    results = written(tmp_path / "out", [row], [checked(word, "skipped", reason=word, reason_code=word)])
    with opened(chromium, made(results, tmp_path / "r.html"), width=375) as watched:
        for card in watched.page.locator("details").all():
            card.evaluate("(card) => { card.open = true; }")
        assert watched.page.evaluate("document.documentElement.scrollWidth") == 375


def test_the_policy_allows_only_the_scripts_of_the_page(chromium: Browser, tmp_path: Path, report: Path) -> None:
    text = report.read_text()
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1]
    assert "unsafe" not in policy[1]
    added = text.replace("</main>", "<script>document.title='owned'</script><p style='color: red' onclick='1'>x</p></main>")
    (tmp_path / "r.html").write_text(added)
    with pytest.raises(AssertionError, match="policy: script-src"), opened(chromium, (tmp_path / "r.html").as_uri()) as watched:
        assert watched.page.title() == "Audit run-1"
        assert watched.page.evaluate("typeof eval") == "function"


# ── limits


@pytest.mark.parametrize("limit", [{"most_rows": 4}, {"most_bytes": 1}])
def test_what_the_file_does_not_hold_is_said(
    limit: dict[str, int], chromium: Browser, tmp_path: Path, audit: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "_BLOCK", 4)
    with opened(chromium, made(audit, tmp_path / "r.html", **limit)) as watched:
        text = watched.page.locator("#findings").inner_text()
        answer = ask(watched.page, {"filter": {"suppressed": "yes"}})
        tiles = watched.page.locator(".tiles").inner_text()
    assert "This file holds the worst 4 of 10 findings; the numbers above count all of them." in text
    assert [row["severity"] for row in answer["rows"]] == ["critical", "critical", "high", "high"]
    assert "258" in tiles


def test_a_large_report_is_small_and_painted_at_once(chromium: Browser, tmp_path: Path) -> None:
    """A twentieth of 100,000 findings takes at most a twentieth of 20 MB; `python -m bench.report` measures all of them."""
    results = many(tmp_path / "out", 5_000)
    url = made(results, tmp_path / "r.html")
    assert sum(map(len, embedding.findings(results).blocks)) < embedding.MOST_BYTES / 18
    assert (tmp_path / "r.html").stat().st_size < 2_000_000
    with opened(chromium, url) as watched:
        assert watched.page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") < 2_000
        assert ask(watched.page, {"filter": {}, "limit": 10_000})["total"] == 5_000
        assert len(ask(watched.page, {"filter": {}, "limit": 10_000})["rows"]) == 500


def test_no_findings(chromium: Browser, tmp_path: Path) -> None:
    from tests.findings.outputs import checked, written

    with opened(chromium, made(written(tmp_path / "out", [], [checked("a.md")]), tmp_path / "r.html")) as watched:
        assert watched.page.locator("#findings-table .empty").inner_text() == "No finding matches."
        assert "Nothing: every applicable engine has seen every byte of 1 artifact." in watched.page.locator("#missing").inner_text()


def test_the_same_results_make_the_same_file(tmp_path: Path, report: Path, audit: Results) -> None:
    made(audit, tmp_path / "again.html")
    assert report.read_bytes() == (tmp_path / "again.html").read_bytes()


def test_embedded_rows_hold_no_more_than_the_results_do(report: Path, audit: Results) -> None:
    [block] = re.findall(r'data-table="findings">([^<]+)<', report.read_text())
    columns = json.loads(gzip.decompress(base64.b64decode(block)))["columns"]
    assert "content_fingerprint" not in columns
    assert set(columns["evidence"]["values"]) == {row["evidence"] for row in audit.records("SELECT evidence FROM findings")}


# ── looks


@pytest.mark.parametrize("width", [375, 1024, 1920])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_width_in_both_themes(width: int, dark: bool, chromium: Browser, sweep_url: str) -> None:
    with opened(chromium, sweep_url, width=width, dark=dark) as watched:
        page = watched.page
        page.click("#open-rules")
        page.locator(LINES).first.click()
        page.wait_for_selector(".panel, .l1")
        wide = "[...document.querySelectorAll('main *')].filter((one) => !one.closest('.scroll, svg, .u-wrap') && one.getBoundingClientRect().right > innerWidth + 1).length"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(wide) == 0
        assert page.locator("#trend-chart canvas").bounding_box()["width"] > 200  # type: ignore[index]
        colors = "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color].map((one) => one.match(/\\d+/g).map(Number).reduce((a, b) => a + b))"
        ground, ink = page.evaluate(colors)
        assert (ground < ink) == dark
        page.click("#theme")
        ground, ink = page.evaluate(colors)
        assert (ground < ink) != dark


@pytest.mark.parametrize("width", [320, 420, 721])
def test_the_navigation_is_within_reach(width: int, chromium: Browser, sweep_url: str) -> None:
    with opened(chromium, sweep_url, width=width, height=600) as watched:
        page = watched.page
        assert page.locator(".top nav a").count() == 6
        assert out_of_reach(page) == []
        for entry in page.locator(".top nav a").all():
            entry.click()
            heading = page.locator(str(entry.get_attribute("href"))).bounding_box()
            bar = page.locator(".top").bounding_box()
            assert heading and bar
            assert heading["y"] >= bar["y"] + bar["height"], entry.inner_text()  # the bar does not cover it
            assert heading["y"] < 600, entry.inner_text()


def test_words_on_colors_have_contrast(chromium: Browser, url: str) -> None:
    """WCAG AA: 4.5 to 1."""
    measure = """() => {
      const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255).map((one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ground = (one) => { for (; one; one = one.parentElement) { const color = getComputedStyle(one).backgroundColor; if (!/, 0\\)|\\/ 0|color/.test(color) && color !== 'transparent') return color; } return 'rgb(255, 255, 255)'; };
      const low = [];
      for (const one of document.querySelectorAll('.sev, .tag, .quiet, .lead, .tile span, .tile b, thead th, a, button:not(:disabled), dt, mark, h4')) {
        if (!one.offsetParent) continue;
        const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < 4.5) low.push(`${one.className || one.tagName} ${one.textContent.trim().slice(0, 20)} ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
      }
      return [...new Set(low)];
    }"""
    for dark in (False, True):
        with opened(chromium, url, dark=dark) as watched:
            watched.page.click("#open-rules")
            assert watched.page.evaluate(measure) == []


def test_every_control_has_a_name(chromium: Browser, url: str) -> None:
    with opened(chromium, url) as watched:
        watched.page.locator(LINES).first.click()
        names = "[...document.querySelectorAll('button, input, select, a, summary')].filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.closest('label'))).map((one) => one.outerHTML)"
        assert watched.page.evaluate(names) == []
        assert watched.page.evaluate(
            "[...document.querySelectorAll('[id]')].length === new Set([...document.querySelectorAll('[id]')].map((one) => one.id)).size"
        )


def test_on_paper(chromium: Browser, tmp_path: Path, audit: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page, "_PRINTED", 4)
    with opened(chromium, made(audit, tmp_path / "r.html"), dark=True) as watched:
        watched.page.pdf(path=tmp_path / "r.pdf", format="A4", print_background=True)
        assert watched.page.evaluate("document.querySelectorAll('details.card[open]').length") == 0  # as it was before
    document = pypdfium2.PdfDocument(tmp_path / "r.pdf")
    text = " ".join("".join(one.get_textpage().get_text_bounded() for one in document).split())
    for words in (
        "What was not checked",
        "An address of a person.",
        "Quotations.",
        "The worst 4 findings of 10; 6 more are in the file",
        "ignore all previous instructions",
        "The first 4 of 8 rows; the ledger has all of them.",
    ):
        assert words in text
    assert "Search" not in text
    corner = document[0].render(scale=0.1).to_pil().getpixel((1, 1))
    assert min(corner) > 240, "dark pages waste ink"


def test_without_scripts_the_numbers_and_the_worst_findings_are_there(chromium: Browser, url: str) -> None:
    with opened(chromium, url, scripts=False) as watched:
        assert watched.page.locator(".print-findings tbody tr").first.is_visible()
        assert watched.page.locator("#severity table").first.is_visible()


def test_a_long_history_still_has_bars(chromium: Browser, tmp_path: Path) -> None:
    with opened(chromium, made(swept(tmp_path / "state", 28), tmp_path / "r.html"), width=375) as watched:
        colored = """() => {
          const canvas = document.querySelector('#trend-chart canvas');
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          let found = 0;
          for (let at = 0; at < data.length; at += 4) if (data[at + 3] && Math.max(data[at], data[at + 1], data[at + 2]) - Math.min(data[at], data[at + 1], data[at + 2]) > 90) found++;
          return found / (canvas.width * canvas.height);
        }"""
        assert watched.page.evaluate(colored) > 0.1


def test_the_trend_can_be_pointed_at(chromium: Browser, sweep_url: str) -> None:
    with opened(chromium, sweep_url) as watched:
        page = watched.page
        page.locator("#trend").scroll_into_view_if_needed()
        box = page.locator("#trend-chart .u-over").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2)
        until(page, "document.querySelector('.tip').textContent.includes('15 open findings')")
        assert "5 high, 10 low; 5 new or reopened, 2 resolved" in page.locator(".tip").inner_text()
