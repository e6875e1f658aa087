"""Our own training texts: lines with alternatives, and a grammar; it knows no model.

`injection/{attack,benign}[.genre].LANGUAGE.txt` and `pii/*.txt` hold one text a line, `\\n` for a line break and `[[a|b]]` for alternatives.
`injection/written/*.tsv` holds texts that stand for themselves: label, language, style, channel, and the text, in which `⟦` and `⟧` enclose the
order, of which there is one, if the text is not all of it. `injection/apart/*.tsv` holds others, which no training sees.
`injection/withdrawn.tsv` holds parts of orders that withdraw a task and give another: language, part, and the part, with `{a|b}` for alternatives.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.documents import share
from training.injection_grammar import GRAMMAR

FOLDER = Path(__file__).parent
KEPT_APART = 0.15  # of the lines: never trained on, to fit the mixture and to look at languages
_RESERVED = re.compile(r"\.(example|test|invalid)\b(\.(com|org|net))?")  # only our lines have them: a model would learn that
_ENDINGS = (".com", ".com", ".com", ".org", ".net", ".io", ".de", ".fr", ".co.uk", ".info", ".app", ".ru", ".cn", ".example")
_SHORT = 220  # characters of a task or an answer
_QUOTES = ("%s", "%s", "%s", '"%s"', "“%s”", "«%s»", "'%s'")
_CHOICE = re.compile(r"\[\[([^\[\]]*)\]\]")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file: `genre` is direct, document, tool, trigger, or empty where the file mixes them."""

    text: str
    attack: bool
    genre: str
    language: str

    @property
    def kept_apart(self) -> bool:
        """Not for training."""
        return share(self.text) < KEPT_APART


def lines(kind: str = "injection") -> Iterator[Line]:
    """All lines of a kind of training text."""
    for path in sorted((FOLDER / kind).glob("*.txt")):
        label, *genre, language = path.stem.split(".")
        for text in dict.fromkeys(path.read_text("utf-8").splitlines()):
            if text.strip():
                yield Line(text.strip(), label == "attack", genre[0] if genre else "", language)


@dataclass(frozen=True, slots=True)
class Written:
    """A text of `injection/written`. `span` is where its order stands; None if there is none."""

    text: str
    attack: bool
    language: str
    style: str
    channel: str
    span: tuple[int, int] | None

    @property
    def kept_apart(self) -> bool:
        """Not for training: all texts of some styles of a language."""
        return share(f"{self.language} {self.style}") < KEPT_APART


def written(folder: str = "written") -> Iterator[Written]:
    """All of them, or those that are kept apart whole."""
    for path in sorted((FOLDER / "injection" / folder).glob("*.tsv")):
        for line in path.read_text("utf-8").rstrip("\n").split("\n"):
            label, language, style, channel, text = line.split("\t")
            before, mark, rest = text.replace("\\n", "\n").partition("⟦")
            order, _, after = rest.partition("⟧")
            whole = before + order + after
            span = None if label != "attack" else (len(before), len(before) + len(order)) if mark else (0, len(whole))
            yield Written(whole, label == "attack", language, style, channel, span)


@dataclass(frozen=True, slots=True)
class Order:
    """A text that gives a task, withdraws it and gives another, or a harmless one in the same words; `start`: where that begins."""

    text: str
    attack: bool
    start: int


def withdrawn_parts() -> dict[str, dict[str, list[str]]]:
    """The parts of orders that withdraw a task, and of harmless texts in the same words, by language and part."""
    parts: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for line in (FOLDER / "injection" / "withdrawn.tsv").read_text("utf-8").splitlines():
        language, part, text = line.split("\t")
        parts[language][part].append(text)
    return parts


def withdrawn(rng: random.Random, count: int) -> list[Order]:
    """`count` attacks and `count` harmless texts of each language, and harmless English ones. Their tasks and answers are benign texts of `written`.

    Plain orders of this kind are what a model that knows them from English fails to recognize in other languages.
    """
    parts = withdrawn_parts()
    around: dict[str, list[str]] = defaultdict(list)
    for one in written():
        if not one.attack and not one.kept_apart and len(one.text) < _SHORT:
            around[one.language].append(one.text)
    found = []
    for language, known in sorted(parts.items()):
        space = "" if language in ("zh", "ja") else " "
        others = around[language] or around["en"]
        for _ in range(count):
            task, answer = rng.choice(others), rng.choice(others)
            said = rng.choice(_QUOTES).replace("%s", answer)
            together = rng.random() < 0.65
            order = rng.choice(known["both"]) if together else rng.choice(known["drop"]) + space + rng.choice(known["say"])
            order = noisy(rng, expand(rng, order).replace("%s", said))
            before = "" if rng.random() < 0.25 else task + rng.choice((space, space, "\n", "\n\n"))
            found.append(Order(before + order, True, len(before)))
            twin = rng.choice(known["twin"] if rng.random() < 0.7 else known["say"])
            before = "" if rng.random() < 0.4 else task + rng.choice((space, "\n"))
            found.append(Order(before + noisy(rng, expand(rng, twin).replace("%s", said)), False, len(before)))
    return found + _formal(rng, parts["en"], [one.text for one in written() if _is_request(one)], 12 * count)


def _is_request(one: Written) -> bool:
    """Whether a text is an English user's own request."""
    return not one.attack and not one.kept_apart and one.language == "en" and one.channel == "user-turn" and len(one.text) < _SHORT


def _formal(rng: random.Random, known: dict[str, list[str]], requests: Sequence[str], count: int) -> list[Order]:
    """Harmless requests with demands on the form of the answer, or that ask for an answer in another form."""
    found = []
    for _ in range(count):
        demands = [expand(rng, rng.choice(known["form"])) for _ in range(rng.choice((1, 1, 2, 3)))]
        whole = [rng.choice(requests), *demands] if rng.random() < 0.8 else [expand(rng, rng.choice(known["follow"])), *demands[2:]]
        found.append(Order(noisy(rng, rng.choice((" ", " ", "\n", "\n\n")).join(whole)), False, 0))
    return found


def choose(rng: random.Random, text: str) -> str:
    """One of the texts that a line stands for."""
    text = _CHOICE.sub(lambda found: rng.choice(found[1].split("|")), text).replace("\\n", "\n").strip()
    return _RESERVED.sub(lambda _: rng.choice(_ENDINGS), text)


def variants(rng: random.Random, text: str, count: int) -> list[str]:
    """Up to `count` different texts of a line."""
    return list(dict.fromkeys(choose(rng, text) for _ in range(count)))


def expand(rng: random.Random, text: str) -> str:
    """A random sentence of the grammar: {a|b} picks one, @NAME is another entry."""
    for _ in range(60):
        name = re.search(r"@([A-Z]+)\b", text)
        choice = re.search(r"\{([^{}]*)\}", text)
        if choice:
            text = text[: choice.start()] + rng.choice(choice[1].split("|")) + text[choice.end() :]
        elif name:
            text = text[: name.start()] + rng.choice(GRAMMAR[name[1]]) + text[name.end() :]
        else:
            break
    return text


def generate(rng: random.Random, name: str, count: int) -> list[str]:
    """Sentences of an entry of the grammar, tidy."""
    return [tidy(rng, expand(rng, rng.choice(GRAMMAR[name]))) for _ in range(count)]


def tidy(rng: random.Random, text: str) -> str:
    """Capital letters after a full stop, single spaces, and some noise."""
    text = re.sub(r"([.!?] |^)([a-z])", lambda m: m[1] + m[2].upper(), re.sub(r"(?<=\S) +", " ", text)).strip()
    return noisy(rng, re.sub(r" ([.,;])", r"\1", re.sub(r"([.;:])\.", r"\1", text)))


def noisy(rng: random.Random, text: str) -> str:
    """Now and then another case, a typo, digits for letters, or other white space."""
    luck = rng.random()
    if luck > 0.97 and text:
        at = rng.randrange(len(text))
        return text[:at] + text[at + 1 :]
    if luck > 0.955:
        return text.translate(str.maketrans("aeiost", "431057"))
    if luck > 0.935:
        return re.sub(r" ", lambda _: rng.choice((" ", " ", " ", "  ", "\n")), text)
    return text.upper() if luck < 0.035 else text.lower() if luck < 0.13 else text


def wrap(rng: random.Random, text: str) -> str:
    """The text as a plain sentence, a comment, hidden markup, a cell …"""
    return str(rng.choice(GRAMMAR["WRAP"])).replace("%s", text)
