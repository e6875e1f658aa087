"""Matching over joined cells and over chunks of files: offsets, borders, and the user's own rules."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest

from tests.cases import each
from veritensor_ray.core.config import Limits, Settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.engines import joined as joining
from veritensor_ray.engines import signatures
from veritensor_ray.engines.base import FileInfo, Hit
from veritensor_ray.engines.joined import SEPARATOR, JoinedBytes
from veritensor_ray.engines.signatures import Signatures
from veritensor_ray.engines.signatures.ruleset import RuleSet, _compile, from_folders
from veritensor_ray.engines.signatures.yara_matching import distinct, hits
from veritensor_ray.models.model_store import ModelStore


def rules(**patterns: str) -> RuleSet:
    """One rule per pattern, with ids signatures.<name>."""
    return _compile({name: f"rule {name} {{ strings: $s = {pattern} condition: $s }}" for name, pattern in patterns.items()}, "")


WORDS = rules(
    word=r"/\bbad\b/", start=r"/\bx/", odd=r"/[^\x00-\x7f]/", greedy=r"/open[^c]*/", after=r"/(^|[^a-z])odd/", spaced=r"/two\s+words/"
)


def spans(texts: Sequence[str | None], wanted: str, compiled: RuleSet = WORDS) -> list[tuple[int | None, int, int]]:
    return [
        (hit.row, hit.start, hit.end)
        for joined in JoinedBytes.pieces(pa.array(texts, pa.string()))
        for hit in hits(joined, compiled)
        if hit.rule == f"signatures.{wanted}"
    ]


@each(
    ("rule", "texts", "expected"),
    [
        ("word", [], []),
        ("word", [""], []),
        ("word", [None], []),
        ("word", ["bad"], [(0, 0, 3)]),
        ("word", ["a bad bad"], [(0, 2, 5), (0, 6, 9)]),
        ("word", ["bad", "bad"], [(0, 0, 3), (1, 0, 3)]),
        # empty and null cells count as rows
        ("word", ["", None, "bad", "", None, "bad", ""], [(2, 0, 3), (5, 0, 3)]),
        # words end where cells end
        ("word", ["so bad", "bad so"], [(0, 3, 6), (1, 0, 3)]),
        ("word", ["ba", "d"], []),
        ("word", ["bad", "d"], [(0, 0, 3)]),
        ("start", ["x", "yx", "x"], [(0, 0, 1), (2, 0, 1)]),
        # no match crosses a cell: white space does not, and what would is cut off at its end
        ("spaced", ["two ", " words", "two", "words", "two words"], [(4, 0, 9)]),
        ("greedy", ["open a", "b c"], [(0, 0, 6)]),
        ("greedy", ["open", ""], [(0, 0, 4)]),
        # what a rule wants before or behind a word may be the border of the cell
        ("after", ["odd", "odd", "", "(odd", "oddodd"], [(0, 0, 3), (1, 0, 3), (3, 0, 4), (4, 0, 3)]),
        ("after", ["é", "odd", "é odd"], [(1, 0, 3), (2, 1, 5)]),
        # offsets are characters, not bytes
        ("word", ["ä bad"], [(0, 2, 5)]),
        ("word", ["漢字 bad", "😀😀 bad é bad"], [(0, 3, 6), (1, 3, 6), (1, 9, 12)]),
        ("word", ["é" * 1000 + " bad"], [(0, 1001, 1004)]),
        ("greedy", ["é open é漢"], [(0, 2, 9)]),
        # a rule that matches single bytes of a character counts the character
        ("odd", ["aéb"], [(0, 1, 2)]),
        ("odd", ["é漢a"], [(0, 0, 1), (0, 1, 2)]),
        ("odd", ["a", "é", "b😀"], [(1, 0, 1), (2, 1, 2)]),
    ],
)
def test_cells(rule: str, texts: list[str | None], expected: list[tuple[int, int, int]]) -> None:
    assert spans(texts, rule) == expected


def test_matches_within_a_character_do_not_move_later_ones() -> None:
    found = spans(["é漢 bad"], "word", rules(word="/bad/", odd=r"/[\x80-\xbf]/"))
    assert found == [(0, 3, 6)]


@pytest.mark.parametrize("size", [1, 10, 100, 1000])
def test_many_pieces_have_the_same_hits_as_one(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [None if i % 7 == 0 else "" if i % 5 == 0 else f"é{i} bad" for i in range(200)]
    expected = spans(texts, "word")
    assert [row for row, _, _ in expected] == [i for i in range(200) if i % 7 and i % 5]
    monkeypatch.setattr(joining, "BUFFER", size)
    assert len(list(JoinedBytes.pieces(pa.array(texts)))) > 1
    assert spans(texts, "word") == expected


def test_a_slice_of_a_column_counts_from_its_own_beginning() -> None:
    column = pa.array(["bad", None, "x bad", "bad"])
    (joined,) = JoinedBytes.pieces(column.slice(2))
    assert [(hit.row, hit.start) for hit in hits(joined, rules(word="/bad/"))] == [(0, 2), (1, 0)]


def test_a_cell_may_hold_the_separator() -> None:
    assert spans([f"a{SEPARATOR}bad", "bad"], "word") == [(0, 4, 7), (1, 0, 3)]


@pytest.mark.parametrize(
    ("hits", "kept"),
    [
        ([(0, "r", 0, 5), (0, "r", 3, 8)], [0]),
        ([(0, "r", 0, 5), (0, "r", 0, 8)], [1]),  # the longest of those that begin together
        ([(0, "r", 0, 5), (0, "r", 5, 8)], [0, 1]),
        ([(0, "r", 0, 5), (0, "s", 3, 8)], [0, 1]),
        ([(0, "r", 0, 5), (1, "r", 3, 8)], [0, 1]),
    ],
)
def test_overlapping_hits_of_a_rule_are_one(hits: list[tuple[int, str, int, int]], kept: list[int]) -> None:
    made = [Hit(rule, start, end, row) for row, rule, start, end in hits]
    assert distinct(made) == [made[i] for i in kept]


def own(folder: Path, **sources: str) -> Signatures:
    """An engine with the user's rules, loaded; names with two underscores are folders."""
    for name, source in sources.items():
        path = folder / f"{name.replace('__', '/')}.yar"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, encoding="utf-8")
    engine = Signatures(Settings(rules=[str(folder)]))
    engine.load(ModelStore("embedded"))
    return engine


def in_file(engine: Signatures, data: bytes, name: str = "a.bin", offset: int = 0) -> list[tuple[str, int, int]]:
    about = FileInfo(name, len(data), "application/octet-stream", offset=offset)
    found = engine.scan_file(io.BytesIO(data), about)
    return [(hit.rule.removeprefix("signatures."), hit.start, hit.end) for hit in found if "user-" in hit.rule]


class Short(io.BytesIO):
    """Gives less than it is asked for, as streams may."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size, 7) if size and size > 0 else size)


@pytest.mark.parametrize("at", [0, 20, 27, 28, 29, 30, 31, 32, 33, 60, 63, 64, 96, 117])
def test_a_match_over_the_border_of_chunks_is_found_once(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "CHUNK", 32)
    monkeypatch.setattr(signatures, "OVERLAP", 8)
    engine = own(tmp_path, one='rule one { strings: $s = "needle!!" condition: $s }')
    data = (b"." * at + b"needle!!").ljust(125, b".")
    assert in_file(engine, data) == [("user-one", at, at + 8)]
    assert [hit.start for hit in engine.scan_file(Short(data), FileInfo("a", 125, "x")) if hit.rule == "signatures.user-one"] == [at]


@pytest.mark.parametrize(("chunk", "overlap"), [(16, 4), (16, 16), (4, 8), (1000, 8), (100, 8)])
def test_chunks_cover_every_byte_with_their_overlap(chunk: int, overlap: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "CHUNK", chunk)
    monkeypatch.setattr(signatures, "OVERLAP", overlap)
    data = bytes(range(100))
    pieces = list(signatures._chunks(io.BytesIO(data)))
    assert all(data[offset : offset + len(piece)] == piece for offset, piece in pieces)
    assert max(offset + len(piece) for offset, piece in pieces) == 100
    for (offset, piece), (after, _) in pairwise(pieces):
        assert offset + len(piece) - after == min(overlap, len(piece))


def test_an_empty_file_is_one_empty_chunk() -> None:
    assert list(signatures._chunks(io.BytesIO())) == [(0, b"")]


FAR = b"first" + b"." * 5000 + b"second"


@pytest.mark.parametrize(
    ("condition", "data", "expected"),
    [
        ("all of them", FAR, [("user-far", 0, 5), ("user-far", 5005, 5011)]),
        ("all of them", b"only the first", []),
        ("$a at 0 and $b and filesize > 5000", FAR, [("user-far", 0, 5), ("user-far", 5005, 5011)]),
        ("$a and #b == 2", FAR, []),
        ("not $a and not $b", b"neither", [("user-far", 0, 7)]),  # a rule without a match stands at the beginning
        ("not $a and not $b", b"neither of both in here", [("user-far", 0, 16)]),
        ("uint16be(0) == 0x4d5a", b"MZ", [("user-far", 0, 2)]),
        ('all of them and extension == ".bin" and offset == 0', FAR, [("user-far", 0, 5), ("user-far", 5005, 5011)]),
        ('all of them and extension == ".txt"', FAR, []),
    ],
)
def test_conditions_of_the_users_rules_hold_over_the_whole_file(
    condition: str, data: bytes, expected: list[tuple[str, int, int]], tmp_path: Path
) -> None:
    strings = "" if "uint16be" in condition else 'strings: $a = "first" $b = "second"'
    assert in_file(own(tmp_path, far=f"rule far {{ {strings} condition: {condition} }}"), data) == expected


@pytest.mark.parametrize(
    ("via", "media_type", "seen"),
    [
        (None, "text/plain", False),  # its raw bytes have been scanned already
        ("gzip", "text/plain", True),
        (None, "application/vnd.apache.parquet", True),
    ],
)
def test_the_users_rules_read_text_that_is_not_in_the_raw_bytes(via: str | None, media_type: str, seen: bool, tmp_path: Path) -> None:
    engine = own(tmp_path, both='rule both { strings: $a = "one" $b = "two" condition: all of them }')
    block = Block(["é one two", "one", "two", "two one"], decoded_via=via)
    hits = engine.scan_text(to_batch(block, Identity(0, "a", media_type), Limits()))
    expected = [(0, 2), (0, 6), (3, 0), (3, 4)] if seen else []
    assert [(hit.row, hit.start) for hit in hits if hit.rule == "signatures.user-both"] == expected


def test_rules_of_several_folders_and_files_are_all_there(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        for suffix in ("yar", "yara"):
            path = tmp_path / folder / "deep" / f"same.{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"rule {folder}_{suffix} {{ condition: true }}", encoding="utf-8")
    found = from_folders([str(tmp_path / "one"), str(tmp_path / "two")])
    assert sorted(found.rules) == [f"signatures.user-{a}-{b}" for a in ("one", "two") for b in ("yar", "yara")]
    assert {rule for rule, _, _ in found.match(b"x")} == set(found.rules)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("rule broken }", r"rules: sub/own\.yar does not compile: line 1: syntax error"),
        ("rule a { condition: $x }", r"rules: sub/own\.yar does not compile: line 1: undefined string"),
        ("rule a { condition: unknown_name }", r"rules: sub/own\.yar does not compile"),
        ('include "/etc/passwd"', r"rules: sub/own\.yar does not compile: line 1: includes are disabled$"),
        ('include "beside.inc"', r"rules: sub/own\.yar does not compile: line 1: includes are disabled$"),
    ],
)
def test_a_rule_that_does_not_compile_is_named(source: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        own(tmp_path, good="rule good { condition: true }", sub__own=source)


@pytest.mark.parametrize(("folder", "message"), [("none", "is not a folder"), (".", "contains no .yar or .yara file")])
def test_a_folder_without_rules_is_refused(folder: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        Signatures(Settings(rules=[str(tmp_path / folder)])).rules()


@pytest.mark.parametrize(
    ("meta", "field", "expected"),
    [
        ("", "severity", "medium"),
        ('severity = "HIGH"', "severity", "high"),
        ('severity = "terrible"', "severity", "medium"),
        ("severity = 75", "severity", "medium"),
        ("", "category", "malware"),
        ('category = "unsafe-deserialization"', "category", "unsafe-deserialization"),
        ('category = "nonsense"', "category", "malware"),
        ("", "title", "Own_Rule"),
        ('description = "What it is"', "title", "What it is"),
        ("", "remediation", "Ask the rule's author."),
        ("", "confidence", 1.0),
        ('confidence = "0.5"', "confidence", 0.5),
        ("confidence = 7", "confidence", 1.0),
        ('confidence = "sure"', "confidence", 1.0),
        ('taxonomy = "CWE-1, CWE-2,"', "taxonomy", ("CWE-1", "CWE-2")),
        ('reference = "https://example.com"', "references", ("https://example.com",)),
        ('files = "*.exe"', "id", "signatures.user-own-rule"),  # in a rule of others, whatever it means there
    ],
)
def test_metadata_of_the_users_rules_falls_back(meta: str, field: str, expected: object, tmp_path: Path) -> None:
    section = f"meta: {meta}" if meta else ""
    engine = own(tmp_path, own=f"rule Own_Rule {{ {section} condition: true }}")
    (found,) = (rule for rule in engine.rules() if rule.id == "signatures.user-own-rule")
    assert getattr(found, field) == expected


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ('severity = "meduim"', "severity 'meduim' is not one of info, low, medium, high, critical; did you mean 'medium'?"),
        ('severity = "Hihg"', "severity 'Hihg' is not one of info, low, medium, high, critical; did you mean 'high'?"),
        ('category = "secrets"', "category 'secrets' is not one of .*; did you mean 'secret'?"),
        ('category = "prompt_injection"', "category 'prompt_injection' is not one of .*; did you mean 'prompt-injection'?"),
    ],
)
def test_a_misspelled_value_of_the_users_rules_is_refused(meta: str, message: str, tmp_path: Path) -> None:
    """With the file and the rule; a word of somebody else's vocabulary falls back instead, as above."""
    with pytest.raises(UsageError, match=f"^rules: own.yar, rule Own_Rule: {message.replace('?', '[?]')}$"):
        own(tmp_path, own=f"rule Own_Rule {{ meta: {meta} condition: true }}").rules()


@pytest.mark.parametrize(
    ("media_type", "severity"),
    [("application/x-elf", "high"), ("application/x-pickle", "high"), ("application/octet-stream", "low"), ("application/zip", "medium")],
)
def test_a_file_that_is_not_what_its_name_says(media_type: str, severity: str) -> None:
    (hit,) = Signatures(Settings()).scan_file(io.BytesIO(b"x"), FileInfo("a.PNG", 1, media_type, mismatched=True))
    assert (hit.rule, hit.severity, hit.message) == ("signatures.format-mismatch", severity, f"named .png, but its content is {media_type}")
