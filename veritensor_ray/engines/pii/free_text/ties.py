"""Decides whether a diagnosis belongs to a person, by its surroundings in the passage or in its row of a table.

Medical words are everywhere: in leaflets, contracts, package names and weather reports. They are serious only if they concern a person.
This module lists the evidence for that; without any, a diagnosis has severity info. A name is evidence only with a verb that connects it to
the diagnosis, because authors and doctors are mentioned near diagnoses as well.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from veritensor_ray.engines.pii.free_text.patients import KIN, PatientSigns
from veritensor_ray.engines.pii.joining import PiiSpan, listed, words_of_name
from veritensor_ray.engines.pii.onceover import OnceOver

_WIDTH = 300  # characters of a passage on either side
_NUMBERS = listed("medical date-of-birth us-ssn national-id passport")

_SPEAKS = re.compile(
    r"^[ \t>*_-]{0,4}(?:doctor|dr\.?|nurse|physician|clinician|therapist|arzt|médecin|médico)[*_]{0,2} ?:", re.IGNORECASE | re.MULTILINE
)
_ANSWERS = re.compile(r"^[ \t>*_-]{0,4}(?:patient|patientin|paciente|pt|guest_\w+)[*_]{0,2} ?:", re.IGNORECASE | re.MULTILINE)
# In the sentence of the diagnosis.
_FIRST_PERSON = re.compile(
    r"\bI(?: was|'ve been| have been| am| got|'m| had been)(?: (?:just|recently|also|first|being|finally|officially))* (?:diagnosed|hospitali[sz]ed|treated (?:for|with)|prescribed|admitted (?:to|with)|operated on|"
    r"put on|taking|allergic to|being treated|suffering from|struggling with|recovering from|battling|living with)\b"
    r"|\bI (?:suffer(?:ed)? from|was born with|live with|tested positive for)\b"
    r"|\bmy (?:diagnosis|oncologist|psychiatrist|cardiologist|prescription|chemo\w*)\b"
    r"|\bbei mir wurde\b|\bich (?:leide an|bin an)\b|\bje souffre d|\bj'ai été (?:diagnostiqué|hospitalisé|opéré)|\bme (?:diagnosticaron|operaron)\b|\bsufro de\b",
    re.IGNORECASE,
)
_MY_KIN = re.compile(
    rf"\bmy (?:own )?{KIN} (?:was|is|has|had|suffers?|died|got|takes)\b", re.IGNORECASE
)  # speakers tell of theirs in public
# Between a name and the diagnosis, in either order.
_LEADS = re.compile(
    r"\b(?:diagnosed|diagnosis of|suffer(?:s|ed|ing)? from|treated for|hospitali[sz]ed|prescribed|admitted (?:to|with)|died (?:of|from)|living with|battl(?:es|ed|ing)|tested positive|is allergic|has (?:been )?(?:a history|taking)|takes"
    r"|diagnostiziert|leidet an|erkrankt|behandelt|atteinte? d|souffre d|diagnosticad[oa]|sufre de|padece)\b",
    re.IGNORECASE,
)
# Directly before the diagnosis: "I have", or "has" after a name.
_I_HAVE = re.compile(
    r"\b(?:I have|I've(?: got| had)?|I had|I got|ich habe|ich hatte|j'ai|tengo|ho)(?: (?:a|an|the|ein|eine|einen|un|une|una|mild|severe|chronic|bad|type \w+|really|been|terminal|stage \w+))* $",
    re.IGNORECASE,
)
_HAS = re.compile(
    r"^,?(?: who)? (?:has|had|has got|hat|hatte|a|tiene|ha)(?: (?:a|an|ein|eine|un|une|una|mild|severe|chronic|type \w+|terminal|stage \w+))* $",
    re.IGNORECASE,
)
_DIAGNOSED = re.compile(
    r"\b(?:diagnosis|diagnoses|condition|disease|illness|diagnose|diagnostic|diagnóstico) ?[:=] ?[^\n]{0,60}$", re.IGNORECASE
)
_NAMED = re.compile(r"\b(?:name|patient|nom|nombre) ?[:=] ?$", re.IGNORECASE)
_LABEL = re.compile(
    r"\b(?:patient|patient name|name of patient|patientenname|nom du patient|nombre del paciente)\s*(?:name)?\s*[:=]\s*$", re.IGNORECASE
)
_BIRTH = re.compile(r"(?:\bdob|birth\w*|geboren|geburtsdatum|naissance|nacimiento)\W{1,4}$", re.IGNORECASE)
_DOCTOR = re.compile(r"(?:\b(?:dr|prof|doctor|professor|by|author|editor|physician|provider|copyright)\b\.?|©|\(c\))[\s:]*$", re.IGNORECASE)
_DEGREE = re.compile(r"^,? *(?:m\.?d|ph\.?d|d\.?o|r\.?n|mph|msc|et al)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")
_OF_DIAGNOSES = listed(
    "diagnosis diagnoses condition conditions disease diseases disorder medication medications drug drugs medicine allergy allergies treatment symptom symptoms"
    " illness prescription complaint icd diagnose diagnosen erkrankung medikament medikamente allergien diagnostic maladie diagnóstico enfermedad medicamento"
)
_OF_OTHERS = listed(
    "author authors editor creator doctor physician provider director actor user reviewer owner publisher surgeon nurse title company"
)
# Columns with the names of the people whom a table is about; `name` alone only if a name was found in it.
_OF_NAMES = listed(
    "patient patients patientin employee customer client member insured beneficiary surname firstname lastname fullname forename vorname"
    " nachname familienname prénom prenom apellido apellidos nombre"
)
_OF_WORKS = listed("title headline book article product publication url")  # what stands there is about what people wrote or sell
_NAME = listed("name names nom")
_WHOSE = listed("first last full given family middle maiden patient employee customer client member person") | _OF_NAMES


@dataclass(frozen=True, slots=True)
class Cell:
    """A text with its artifact, the row of its table (None outside tables) and the name of its column."""

    artifact: int
    row: int | None
    column: str | None
    text: str


def cells_of(texts: pa.RecordBatch, rows: Sequence[int]) -> dict[int, Cell]:
    """Return some segments of a batch, by their numbers."""
    some = texts.select(["artifact", "row", "column", "text"]).take(pa.array(rows, pa.int32()))
    return {at: Cell(*values) for at, *values in zip(rows, *(column.to_pylist() for column in some.columns), strict=True)}


def diagnosis(span: PiiSpan) -> bool:
    """Return whether a span is a diagnosis in words rather than the number of a record or insurance, which has a `detail`."""
    return span.rule == "medical" and not span.detail


def named_rows(texts: pa.RecordBatch) -> Iterator[tuple[int, int]]:
    """Yield artifact and number of the rows of tables in which a column for the name of a person is filled in."""
    columns = texts.column("column")
    wanted = [at for at, name in enumerate(columns.dictionary.to_pylist()) if _names_person(name or "")]
    if wanted:
        some = texts.filter(pc.is_in(columns.indices, pa.array(wanted, columns.indices.type)))
        for artifact, row, text in zip(*(some.column(name).to_pylist() for name in ("artifact", "row", "text")), strict=True):
            if row is not None and text and any(map(str.isalpha, text)):
                yield artifact, row


def _names_person(column: str) -> bool:
    words = words_of_name(column)
    if not words or _OF_OTHERS & set(words):
        return False
    return words[-1] in _OF_NAMES or (words[-1] in _NAME and bool(_WHOSE & set(words[:-1])))


def graded(
    found: Mapping[int, Sequence[PiiSpan]], cells: Mapping[int, Cell], named: Collection[tuple[int, int | None]] = ()
) -> dict[int, list[PiiSpan]]:
    """Return the spans by segment, adding severity and evidence to diagnoses. Spans of a segment must be in order and must not overlap.

    `named` are the rows of `named_rows`.
    """
    records = _records(found, cells, named)
    result = {}
    for at, spans in found.items():
        record = records.get((cells[at].artifact, cells[at].row), _NO_RECORD)
        passage = _Passage(cells[at].text, spans)
        result[at] = [_graded(span, cells[at], passage, record) if diagnosis(span) else span for span in spans]
    return result


def _graded(span: PiiSpan, cell: Cell, passage: _Passage, record: _RecordTie) -> PiiSpan:
    tie = passage.tie(span)
    column = set(words_of_name(cell.column or ""))
    if not tie and (_OF_DIAGNOSES & column or (record.anywhere and not _OF_WORKS & column)):
        tie = record.evidence
    return span._replace(severity="high" if tie else "info", detail=tie or "no connection to a person found")


@dataclass(frozen=True, slots=True)
class _RecordTie:
    """What connects a row of a table to a person, and whether that goes for a diagnosis in any of its columns."""

    evidence: str
    anywhere: bool = False


_NO_RECORD = _RecordTie("")


def _records(
    found: Mapping[int, Sequence[PiiSpan]], cells: Mapping[int, Cell], named: Collection[tuple[int, int | None]]
) -> dict[tuple[int, int | None], _RecordTie]:
    """Return the table rows that concern a person, with the evidence."""
    records: dict[tuple[int, int | None], _RecordTie] = {row: _RecordTie("a name in the same row", True) for row in named}
    for at, spans in found.items():
        cell = cells[at]
        if cell.row is None or cell.column is None or _OF_OTHERS & set(words_of_name(cell.column)):
            continue
        place = cell.artifact, cell.row
        if any(_is_number(span) for span in spans):
            records[place] = _RecordTie("a personal number in the same row", place in records and records[place].anywhere)
        elif any(span.rule == "person" for span in spans):
            is_name = words_of_name(cell.column)[-1:] in (("name",), ("names",), ("nom",))
            if is_name or place not in records:
                records[place] = _RecordTie("a name in the same row", is_name)
    return records


def _is_number(span: PiiSpan) -> bool:
    return span.rule in _NUMBERS and not diagnosis(span) and span.severity in (None, "high", "medium")


class _Passage:
    """A text with diagnoses, which must be checked in order. `spans` are in order and do not overlap."""

    def __init__(self, text: str, spans: Sequence[PiiSpan]) -> None:
        self._text = text
        self._numbers, self._persons = [one for one in spans if _is_number(one)], [one for one in spans if one.rule == "person"]
        self._diagnoses = [one for one in spans if diagnosis(one)]
        self._signs = PatientSigns(text)
        self._speaks, self._answers = (OnceOver(pattern, text) for pattern in (_SPEAKS, _ANSWERS))

    def tie(self, span: PiiSpan) -> str | None:
        """Return the evidence that connects a diagnosis to a person, or None."""
        text = self._text
        start, end = max(0, span.start - _WIDTH), min(len(text), span.end + _WIDTH)
        persons = _near(self._persons, start, end)
        if self._signs.about_one(
            start, end, len(_near(self._diagnoses, start, end)), lambda: any(_is_patient(text, one) for one in persons)
        ):
            return "about a patient"
        if self._speaks.within(start, end) and self._answers.within(start, end):
            return "in a conversation with a patient"
        if any(
            other.rule != "date-of-birth" or _BIRTH.search(text[max(0, other.start - 24) : other.start])
            for other in _near(self._numbers, start, end)
        ):
            return "near a personal number"
        first, last = _sentence(text, span)
        if _FIRST_PERSON.search(text[first:last]) or _I_HAVE.search(text[max(first, span.start - 60) : span.start]):
            return "first person"
        if _MY_KIN.search(text[first:last]) and not self._signs.public(start, end):
            return "first person"
        if any(_labelled(text, other, span) for other in persons):
            return "near a name"
        if any(_leads(text, other, span) for other in persons) and not self._signs.public(start, end):
            return "near a name"
        return None


def _near(spans: Sequence[PiiSpan], start: int, end: int) -> Sequence[PiiSpan]:
    """Return the spans, given in order, that overlap `[start, end)`."""
    return spans[bisect_right(spans, start, key=lambda other: other.end) : bisect_left(spans, end, key=lambda other: other.start)]


def _sentence(text: str, span: PiiSpan) -> tuple[int, int]:
    """Return the sentence around a span, limited to `_WIDTH` characters on either side."""
    start, end = max(0, span.start - _WIDTH), min(len(text), span.end + _WIDTH)
    first = max((m.end() for m in _SENTENCE.finditer(text, start, span.start)), default=start)
    behind = _SENTENCE.search(text, span.end, end)
    return first, behind.start() if behind else end


def _is_patient(text: str, person: PiiSpan) -> bool:
    """Return whether a name may be that of a patient: not that of a doctor or an author."""
    return not (_DOCTOR.search(text[max(0, person.start - 24) : person.start]) or _DEGREE.match(text[person.end : person.end + 10]))


def _labelled(text: str, person: PiiSpan, span: PiiSpan) -> bool:
    """Return whether a label says that a name is the patient's."""
    before = text[max(0, person.start - 24) : person.start]
    if not _is_patient(text, person):
        return False
    return _LABEL.search(before) is not None or (
        person.end <= span.start
        and _NAMED.search(before) is not None
        and _DIAGNOSED.search(text[max(0, span.start - 100) : span.start]) is not None
    )


def _leads(text: str, person: PiiSpan, span: PiiSpan) -> bool:
    """Return whether a verb connects a diagnosis to a person in the same sentence."""
    first, last = _sentence(text, span)
    if not first <= person.start <= last or not _is_patient(text, person):
        return False
    between = text[min(person.end, span.end) : max(person.start, span.start)]
    return _LEADS.search(between) is not None or (person.end <= span.start and _HAS.match(between) is not None)
