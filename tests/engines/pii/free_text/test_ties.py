"""A diagnosis is grave where it is somebody's, and worth a remark elsewhere."""

from __future__ import annotations

import re

import pytest

from tests.cases import each
from tests.engines.pii.test_engine import reading
from veritensor_ray.core.config import Limits
from veritensor_ray.core.segments import Block, Identity, to_batch
from veritensor_ray.engines.pii.free_text.ties import Cell, graded
from veritensor_ray.engines.pii.joining import PiiSpan

# ‹…› is a diagnosis, «…» a name.
TIED = {
    "about a patient": [
        "The patient presented with ‹chest pain› and was started on ‹aspirin›.",
        "67-year-old man with ‹chronic bronchitis›, brought in by ambulance.",
        "She denies ‹nausea›. She was diagnosed with ‹celiac disease› in 2009.",
        "PAST MEDICAL HISTORY: ‹Hypertension›, ‹GERD›.",
        "Pt. c/o ‹headache›, sent home on ‹ibuprofen›.",
        "This 73 y/o RHF came for progressive ‹memory loss›.",
        "Die Patientin leidet unter Müdigkeit; bekannt ist eine ‹Anämie›.",
        "Le patient souffre d'‹asthme› depuis l'enfance.",
        "La paciente refiere ‹migraña›.",
        "«Maria Schneider» called in. She was diagnosed with ‹lupus›.",
        "This is a 6-year-old male who comes in rechecking his ‹ADHD›. He tripped over a dog and was followed up in May.",
        "Significant for ‹asthma›.",
        "The patient reported ‹cough›. The films were reviewed, and we found a novel ‹infiltrate›. I suppose she fell over my dog.",
        "Mother died from ‹stroke›. Family history is positive for ‹diabetes›.",
        "He was admitted to the ward with ‹pneumonia› and takes 40 mg of ‹prednisone›.",
    ],
    "in a conversation with a patient": [
        "Doctor: Any history of ‹stomach ulcer›?\nPatient: No, not really.",
        "Doctor: I recommend ‹surgery›.\nGuest_family: What are the risks?",
    ],
    "first person": [
        "I was diagnosed with ‹lupus› last spring.",
        "im tired because I'm taking ‹sertraline› again",
        "We moved when my mother got ‹Alzheimer's›.",
        "Bei mir wurde ‹Diabetes› festgestellt.",
        "I have ‹diabetes›.",
        "My name is «Jo Lee» and I've got severe ‹lupus›",
        "Ich habe ‹Krebs›.",
    ],
    "near a name": [
        "«Maria Schneider» was diagnosed with ‹lupus› in March.",
        "«Jo Lee» was treated for ‹asthma› there.",
        "‹Salbutamol› was prescribed to «Jo Lee».",
        "Patient name: «Jo Lee»\nAllergies: ‹penicillin›",
        "«Jo Lee» has ‹cancer›.",
        "Name: «Jo Lee»\nDiagnosis: ‹lupus›",
    ],
}  # fmt: skip
NOBODYS = [
    "Communities face ‹Prometheus› as a monitoring service.",
    "pip install ‹dopamine›",
    "The Indiana ‹Fever› won in overtime.",
    "Do not take ‹ibuprofen› if the patient has a history of ulcers; ask your doctor if you suffer from ‹asthma›.",
    "LATIN CAPITAL LETTER C WITH ‹CARON›",
    "THE SOFTWARE IS PROVIDED AS IS, WITHOUT ‹WARRANTY› OF ANY KIND.",
    "By «Dr. Jo Lee», MD. ‹Diabetes› is diagnosed in one person of ten.",
    "Written by «Jo Lee». How ‹asthma› is treated for good.",
    "«Jo Lee», PhD, has taken part in trials of ‹insulin›.",
    "«Jo Lee» writes about ‹cancer›.",
    "In this film a 12-year-old girl with ‹leukemia› meets a boxer. She was admitted to the hospital; he underwent ‹surgery›.",
    "A 58-year-old man with ‹dementia› is nobody whom the reader knows.",
    "Her mother died of ‹cancer› in the opening chapter.",
    "«Tom Hale» plays a lawyer who was diagnosed with ‹AIDS›.",
    "My mother died of ‹cancer›, and I ask this Congress to act.",
    "In some embodiments the patient has ‹gout› and received ‹colchicine›.",
    "We enrolled 40 patients with ‹asthma›. No 12-year-old boy was excluded, and he was diagnosed with ‹rhinitis›.",
    "A patient is said to have ‹schizophrenia› if two signs last. The patient was once called mad.",
    "Suppose that a 45-year-old man has ‹hypertension›. He was prescribed ‹lisinopril›.",
    "Family history: whether relatives had ‹gout›.",
    "Chief complaint: the main symptom, such as ‹cough›.",
    "In 1889 he was admitted to the asylum with ‹epilepsy›; «Vincent» suffered from ‹depression›.",
    "| Glycine | 40 mg | ‹glutamine› | 20 mg | ‹lysine› | 3 mg | ‹choline› | 5 mg | ‹taurine› |",
    "«Jo Lee» has a book about ‹cancer›.",
    "Name: «Jo Lee»\nTopic: ‹lupus›",
    "I have a question about ‹insulin›.",
    "I am reading a book. ‹Malaria› is spread by mosquitoes.",
    "Patients with ‹hypertension› should avoid salt.",
    "Doctor: a word of seven letters. ‹Insulin› is another one.",
]


def spans(text: str) -> tuple[str, list[PiiSpan]]:
    """A text without its marks, and what they mark."""
    plain, found = "", []
    for part in re.split("([‹«].*?[›»])", text):
        if part[:1] in ("‹", "«"):
            found.append(PiiSpan("medical" if part[0] == "‹" else "person", len(plain), len(plain) + len(part) - 2, 0.9))
            plain += part[1:-1]
        else:
            plain += part
    return plain, found


def said(text: str) -> set[tuple[str | None, str]]:
    plain, found = spans(text)
    return {(span.severity, span.detail) for span in graded({0: found}, {0: Cell(0, None, None, plain)})[0] if span.rule == "medical"}


@each(("tie", "text"), [(tie, text) for tie, texts in TIED.items() for text in texts])
def test_somebodys(tie: str, text: str) -> None:
    assert said(text) == {("high", tie)}


@each("text", NOBODYS)
def test_nobodys(text: str) -> None:
    assert said(text) == {("info", "no connection to a person found")}


def test_a_number_of_a_person_ties_and_keeps_its_own_severity() -> None:
    number = PiiSpan("medical", 0, 11, 0.9, "MBI")
    near, far = PiiSpan("medical", 20, 26, 0.9), PiiSpan("medical", 900, 906, 0.9)
    result = graded({0: [number, near, far]}, {0: Cell(0, None, None, "." * 1000)})[0]
    assert result[0] == number
    assert [(span.severity, span.detail) for span in result[1:]] == [
        ("high", "near a personal number"),
        ("info", "no connection to a person found"),
    ]


@pytest.mark.parametrize(
    ("columns", "severity"),
    [
        (("name", "diagnosis"), "high"),
        (("patient.lastName", "currentMedication"), "high"),
        (("author", "diagnosis"), "info"),
        (("name", "title"), "info"),
        (("name", "notes"), "high"),
        (("patientName", "befund"), "high"),
        (("city", "notes"), "info"),
        (("doctor_name", "notes"), "info"),
    ],
)
def test_a_row_of_a_table_ties(columns: tuple[str, str], severity: str) -> None:
    found = {0: [PiiSpan("person", 0, 6, 0.9)], 1: [PiiSpan("medical", 0, 6, 0.9)], 2: [PiiSpan("medical", 0, 6, 0.9)]}
    cells = {0: Cell(0, 7, columns[0], "Jo Lee"), 1: Cell(0, 7, columns[1], "asthma"), 2: Cell(0, 8, columns[1], "asthma")}
    result = graded(found, cells)
    assert result[1][0].severity == severity
    assert result[2][0].severity == "info", "another row is another person"


def test_the_engine_says_what_tied() -> None:
    made, names = reading(gate=False)
    names.read = lambda texts: [  # type: ignore[method-assign]
        [PiiSpan("medical" if m.group() == "asthma" else "person", *m.span(), 0.9) for m in re.finditer("asthma|Jo Lee", text)]
        for text in texts
    ]
    batch = to_batch(Block(["Jo Lee", "asthma"], row=[3, 3], column=["name", "diagnosis"]), Identity(0, "t.csv", "text/csv"), Limits())
    assert [(hit.rule, hit.severity, hit.message) for hit in made.scan_text(batch)] == [
        ("pii.person", None, None),
        ("pii.medical", "high", "a name in the same row"),
    ]
    cells = ["Nguyen", "asthma", "", "asthma", "Lee", "asthma"]  # names that the model does not know
    columns = ["patient", "notes", "patient", "notes", "doctor", "notes"]
    batch = to_batch(Block(cells, row=[0, 0, 1, 1, 2, 2], column=columns), Identity(0, "t.csv", "text/csv"), Limits())
    assert [(hit.row, hit.severity) for hit in made.scan_text(batch)] == [(1, "high"), (3, "info"), (5, "info")]
