"""Finds email addresses, and decides whether each belongs to a person, a role, a public contact or nobody."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from veritensor_ray.engines.pii.joining import JoinedBatch, PiiSpan, listed
from veritensor_ray.engines.pii.mail_fields import IDS, field_of, heads_a_mail
from veritensor_ray.engines.pii.onceover import OnceOver, holds_any

_LOCAL_SPLIT = re.compile(r"[^\w.+%~'&-]")
_UNSPACED = (
    "[\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]"  # letters that follow an address without a space
)
_GLUED = re.compile(rf".*{_UNSPACED}(?=[!-~]+\Z)")
_GENERIC = "com|net|org|edu|gov|mil|info|biz"
_FOREIGN = r"(?=[^\W\d_])(?![a-z\u00c0-\u024f])"  # a letter of another script than Latin
_DOMAIN = re.compile(
    rf"(?:[^\W_](?:[\w-]{{0,61}}[^\W_])?\.){{1,8}}"
    rf"(?:(?:xn--[a-z0-9-]{{2,59}}|[a-z]{{2,24}}){_FOREIGN}|(?:xn--[a-z0-9-]{{2,59}}|[^\W\d_]{{2,24}})(?!-*\w)|(?:{_GENERIC})(?=[\d_-]))",
    re.IGNORECASE,
)
_GENERIC_START = re.compile(_GENERIC, re.IGNORECASE)
_LONGER = listed(  # top-level domains that begin like these
    "comcast commbank community company compare computer comsec education infiniti netbank netflix network organic"
)
_CAPITAL = re.compile("[a-z]{2,}(?=[A-Z])")
_FILES = listed(
    "png jpg jpeg gif svg webp bmp ico tif tiff js jsx ts tsx mjs css scss html htm xml json yaml yml toml ini cfg conf txt csv tsv pdf"
    " doc docx xls xlsx gz tgz tar bz rar jar war exe dll bin so lock log tmp bak mp mp3 mp4 wav woff ttf vue go java cpp hpp sql ipynb service socket timer mount"
    " local localhost internal lan localdomain invalid test example corp intranet beta alpha rc dev next latest canary snapshot"
)
_REAL_TLDS = frozenset(("dev", "so"))
_PLACEHOLDER = re.compile(
    r"(?:^|\.)(?:g?example\d?\.(?:com|org|net|edu)|example|(?:your-?|my-?|some-?)?(?:domain|company|organi[sz]ation|website|email)\.(?:com|tld|org|net)|test\.(?:com|org)"
    r"|x{2,}\.[a-z]{2,4}|(?:foo|bar|acme)\.com)$"
)
_NOBODY = re.compile(
    r"x{2,}|you|your(?:[._-][\w.-]+|name|e?mail|user)?|my[._-]?name|(?:first|user)[._-]?name|some(?:one|body)|undisclosed[._-]?recipients?"
)
_MACHINE_DOMAIN = re.compile(
    r"(?:^|\.)(?:no-?reply\.|calendar\.google\.com$|email\.amazonses\.com$|iam\.gserviceaccount\.com$|localhost\.|nospam\.)"
)
_MACHINE_LOCAL = re.compile(
    r"bounces?[-+._]|(?:srs[01]|prvs|btv1)\b|pine\.|[0-9a-f]{8}-[0-9a-f]{4}-|[a-z0-9]{6,7}-[a-z0-9]{6}-[a-z0-9]{2}$|\d{14}|0x[0-9a-f]{6}|\w+\.fsf$",
    re.IGNORECASE,
)
_VERP = re.compile(r"(?:bounces?|prvs|srs\d|(?:return|owner)[+._-])[^\s<>]*=$", re.IGNORECASE)

_ROLES = listed(
    "info information support help helpdesk contact contacts sales admin admins administrator sysadmin webmaster hostmaster postmaster root"
    " security abuse noreply reply donotreply team office service services servicedesk customerservice customercare daemon bot ci git hello press"
    " media marketing jobs careers recruiting recruitment legal privacy billing accounts accounting invoices orders order booking bookings"
    " reservations enquiries inquiries feedback editor editors editorial newsletter newsletters news notifications notification notify alerts"
    " updates subscribe unsubscribe subscriptions subscription list lists owner request requests bounce bounces announce announcements users"
    " user devel dev developers development discuss discussion docs bugs bug issues tickets remove removals optout system www data ftp nobody"
    " ecf notice notices kontakt kundenservice kundendienst presse datenschutz vertrieb buchhaltung contacto ventas soporte atencion assistance"
    " secretariat reception membership members community maintainers maint committers ops devops infra opensource licensing licence license"
    " copyright dmca trademark trademarks permissions compliance conduct coc organizers organisers events committee workers foundation listmaster majordomo"
    " project webmail automated auto deploy build builds hr pr mail email newsdesk courtmail promo promotions offers"
)
_ROLE_END = re.compile(
    r"(?:support|feedback|noreply|newsletters?|helpdesk|webmaster|unsubscribe|customercare|service|notices|docketing|opt-?out|remove(?:me|please))\d*$"
)
_LIST_DOMAIN = re.compile(
    r"^(?:lists?|mailman|groups|listserv|mailinglists?)\.[^.]+\.|(?:^|\.)(?:(?:google|yahoo)groups\.com|groups\.io|freelists\.org|librelist\.com|ezmlm\.org)$"
)
_CALLED_LIST = re.compile(r"mailing[ -]list|users['’]? group|list-?serv", re.IGNORECASE)

_SIGNED = re.compile(
    r"copyright|\(c\)|©|spdx-|@author|\bauthors?(?:[_-]?e?-?mails?)?\b[\"'_*]*\s*[:=<]|\b(?:module|section)author\b|maintainer|maintained by|co-authored-by|(?:signed-off|reported|reviewed|acked|tested)-by"
    r"|\b(?:written|created|contributed|developed|designed|adapted|ported|implemented|patch(?:es)?|suggested|rewritten) by\b|\binspired by\b|\bwrote this file\b",
    re.IGNORECASE,
)  # fmt: skip
_SIGNED_WORDS = ("copyright", "(c)", "©", "spdx-", "author", "maintain", "by", "wrote this file")  # every match contains one of these
_SIGNED_LINE = re.compile(r" ?-- [^<\n]{2,60}<[^>\n]+> {1,2}\w{3}, \d|\W{0,4}by [^<\n]{2,40}<", re.IGNORECASE)
_LICENCE = re.compile(r"permission|licen[cs]e|warrant|copyright|redistribut|merchantab|as is\b", re.IGNORECASE)
_LICENCE_WORDS = ("permission", "licen", "warrant", "copyright", "redistribut", "merchantab", "as is")
_HEADING = re.compile(
    r"^[^\S\n]*(?:[#=*\[\"'/]+ *)?(?:[\w.'’]+ ){0,4}(?:authors?|maintainers?|contributors|committers|credits|acknowledge?ments)\b[^\n@<]{0,60}$",
    re.IGNORECASE | re.MULTILINE,
)  # fmt: skip
_HEADING_WORDS = ("author", "maintainer", "contributors", "committers", "credits", "acknowledg")
_LISTED = re.compile(
    r"[\W_]*(?:name[\"']? ?[:=]|by )?[\W_]*(?:[^\W\d_][\w.'’-]*,?[\W_]{1,4}){0,7}(?:e?mail[\"']? ?[:=][\W_]*)?[\W_]*$", re.IGNORECASE
)
_NAMELIKE, _MOST_NAMES = (
    re.compile(r"[^\W_][\w.'’-]*"),
    9,
)  # seven parts of a name, `name` or `by`, and `email`: with more, `_LISTED` cannot match
_AUTHORS = re.compile(r"author|maintainer|contributor|committer", re.IGNORECASE)
_REACH, _CHAIN = 4000, 1500


def find(joined: JoinedBatch) -> Iterator[PiiSpan]:
    """Yield every email address. One that belongs to a role or is a public contact has severity `info`."""
    text, surroundings = joined.text, _Surroundings(joined)
    at, floor = text.find("@"), 0
    while at >= 0:
        if (end := _domain_end(text, at + 1)) is not None:
            if (start := _start(joined, at, floor, end)) is not None and (found := _graded(joined, start, end, surroundings)):
                yield found
            floor = end
        at = text.find("@", at + 1)


def _domain_end(text: str, start: int) -> int | None:
    """Return where a domain ends, before what follows it without a space; None if there is none, or a call or a value stands there."""
    domain = _DOMAIN.match(text, start)
    if not domain:
        return None
    first, *labels = domain.group().split(".")
    at, more = start + len(first), text[domain.end() : domain.end() + 1] == "@"
    for label, behind in itertools.zip_longest(labels, labels[1:]):
        if (kept := _kept(label, behind, more)) is not None:
            return at + 1 + kept
        at += 1 + len(label)
    behind = text[domain.end() : domain.end() + 2]
    return None if behind[:1] in ("(", "=") or (behind[:1] == "." and behind[1:].isalnum()) else domain.end()


def _kept(label: str, behind: str | None, more: bool) -> int | None:
    """Return how much of a label belongs to a domain that ends in it, or None if it is whole. `more` says that another address follows."""
    generic, capital = _GENERIC_START.match(label), _CAPITAL.match(label)
    if generic and len(label) > generic.end() and label.lower() not in _LONGER:
        if behind is None or more or (capital and capital.end() == generic.end()):
            return generic.end()
    elif behind and label.islower() and (generic or len(label) == 2) and (behind.istitle() or (generic and more)):
        return len(label)
    return capital.end() if capital and behind is None else None


def _start(joined: JoinedBatch, at: int, floor: int, end: int) -> int | None:
    """Return the beginning of the address around an `@`, or None if its form alone rules out an address that someone reads.

    The address before it ends at `floor`.
    """
    text = joined.text
    before = joined.before(at, 64)
    local = _LOCAL_SPLIT.split(before)[-1]
    if at - len(local) < floor:
        local = text[floor:at]
    if not local.isascii() and (glued := _GLUED.match(local)):
        local = local[glued.end() :]  # words of the sentence, which has no spaces
    if local[:1] in ("n", "r", "t") and text[at - len(local) - 1 : at - len(local)] == "\\":
        local = local[1:]  # the rest of an escaped line break
    local = local.lstrip(".'-&%~+_")
    if not local or local[-1] in ".'&%~" or ".." in local:
        return None
    name = text[at + 1 : end].lower()
    tld, start = name.rpartition(".")[2], at - len(local)
    previous, behind = text[start - 1 : start] if start else "", text[end : end + 1]
    if (tld in _FILES and tld not in _REAL_TLDS) or re.match(r"\d+x\.|\d+\.\d+", name) or (tld == "dev" and local.isdigit()):
        return None
    if previous == "@" or (local.lower() == "git" and behind in (":", "/")) or "://" in before[-40:].rpartition(" ")[2]:
        return None  # fediverse handles, Git remotes, credentials in addresses
    if previous == "/" and text[at + 1 : end].isupper():
        return None  # a Kerberos principal
    if (
        _PLACEHOLDER.search(name)
        or _NOBODY.fullmatch(local.lower())
        or _machine(local, name)
        or (previous == "=" and _VERP.search(before[: -len(local)]))
    ):
        return None
    return start


def _machine(local: str, domain: str) -> bool:
    """Return whether a program generated the address: a message id, a bounce address or an account without a mailbox."""
    digits = sum(map(str.isdigit, local))
    long = len(local) >= 18 and (digits >= 8 or (digits >= 4 and not local.islower() and "." not in local))
    return long or _MACHINE_LOCAL.match(local) is not None or _MACHINE_DOMAIN.search(domain) is not None


def _graded(joined: JoinedBatch, start: int, end: int, surroundings: _Surroundings) -> PiiSpan | None:
    local, _, domain = joined.text[start:end].lower().partition("@")
    listing = _LIST_DOMAIN.search(domain) or _CALLED_LIST.search(joined.before(start, 60))
    role = "mailing list" if listing else "role address" if _role(local) else ""
    score = 0.6 if role else 0.97
    field, pasted = joined.header(start), False
    if field in (None, "headers"):  # Outlook stores the header as one text
        field, pasted = field_of(joined, start) or field, field is None and heads_a_mail(joined, start)
    in_header = pasted or joined.header(start) is not None
    if field in IDS and in_header and not joined.before(start, 6).endswith("from "):
        return None
    if in_header:
        return PiiSpan("mail-header", start, end, score, role, "info" if role else None)
    if role:
        return PiiSpan("email", start, end, score, role, "info")
    detail = surroundings.public(start, end)
    return PiiSpan("email", start, end, score, detail, "info" if detail else None)


def _role(local: str) -> bool:
    parts = [part.rstrip("0123456789") for part in re.split(r"[.+_-]", local)]
    ends = {parts[0], "".join(parts[:2])} if "." in local else {parts[0], parts[-1], "".join(parts[:2])}  # jessica.board is a person
    return not ends.isdisjoint(_ROLES) or _ROLE_END.search(local) is not None


def _is_signed(text: str) -> bool:
    """Return whether a text contains an author or copyright line."""
    return holds_any(_SIGNED_WORDS, text) and _SIGNED.search(text) is not None


def _is_listed(before: str) -> bool:
    """Return whether a line has little more than a name before an address."""
    few = sum(1 for _ in itertools.islice(_NAMELIKE.finditer(before), _MOST_NAMES + 1)) <= _MOST_NAMES
    return few and _LISTED.fullmatch(before) is not None


class _Surroundings:
    """Determines whether an address was made public on purpose. Addresses must be checked in order."""

    def __init__(self, joined: JoinedBatch) -> None:
        self._joined = joined
        self._signed = OnceOver(_SIGNED, joined.text, words=_SIGNED_WORDS)
        self._licence = OnceOver(_LICENCE, joined.text, words=_LICENCE_WORDS)
        self._headings = OnceOver(_HEADING, joined.text, words=_HEADING_WORDS)
        self._credit = -1  # end of the last address in the current list of authors

    def public(self, start: int, end: int) -> str:
        """Return why an address is a public contact, or an empty text if it is not."""
        joined, number = self._joined, self._joined.index(start)
        column, begin, last = joined.columns[number], joined.starts[number], joined.ends[number]
        first, until = joined.line_span(start, end)
        signed = self._signed.within(first, until) or _SIGNED_LINE.match(joined.text, first, until)
        if signed or (column is not None and _AUTHORS.search(column.name)):
            return "contact in an author or copyright line"
        words = self._licence.within(max(begin, start - 400), min(last, end + 400))
        if len({word.group().lower() for word in words if word.end() <= start or word.start() >= end}) >= 3:
            return "contact in a license"
        line = joined.text.rfind("\n", max(begin, start - _REACH), start) + 1 or begin
        if not _is_listed(joined.text[max(line, start - 200) : start]):
            return ""
        follows = begin <= self._credit and start - self._credit < _CHAIN
        above = joined.before(line, 200)
        if follows or _is_signed(above) or _SIGNED_LINE.match(above) or self._headings.within(max(begin, start - _REACH), line):
            self._credit = end
            return "listed as an author"
        return ""
