"""What the embedded PII model's README says, and the digests that seal its folder; it knows no training."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from training.base import write_json
from training.documents import Document

_TEXT = """# Embedded PII model

A GLiNER (token level, `subtoken_pooling: last`) on the first {layers} layers of all-MiniLM-L6-v2 (Apache-2.0), carried as a DeBERTa-v2 without relative
attention, with {words} words and one LSTM layer; {parameters:.1f}M parameters, as an ONNX graph
with matrices in eight bits (`model.onnx`). Made by `python -m training pii {command}` and `python -m training.pii_export`.
The base knows no capitals: the tokenizer marks them (`†` before a word with a capital, `‡` before one in capitals).

Labels, in this order: {labels}. `location` is asked for after them and not reported: it draws off cities and countries that stand alone. Windows of up to {window} words.

## Thresholds

{thresholds}

Each is the best F1 by overlap on our own lines kept apart among those with at most 1 false alarm in 100 clean windows: {clean} excerpts of
documentation, code, manual pages, configuration and help texts of packages that were never trained on, without those in which something
looks like the name of a real person or organisation.

## Measured

Precision / recall / F1. Overlap: spans of one label that share half of their extent. Words: as in Presidio's evaluator, word by word.

{table}

The parts of an address that stand beside each other count as one span, cities and countries among them, except where the row says otherwise.
`presidio_synth_v2` was not trained on, but it comes from the author of the set that was, made with the same tools from similar templates; its errors
were read while the generators were changed, so it is no blind reading. `presidio_generated_large` was trained on. Our own lines kept apart are
filled from the same lists of names as those trained on.

## Trained on

{sources}

`presidio_generated_large` is MIT (presidio-research), as it is and with its entities replaced. Names, cities and companies come from Faker {faker} (MIT) in
38 locales and from lists of ours; templates, conditions and medicines are our own. No sample is meant to hold data of a real person; public figures and authors in documents may have slipped through. Text without names comes from
{documents} documents of {packages} Debian and Python packages under permissive licences, short excerpts of some of which were read in training.

## Not good for

Scripts other than the Latin one; languages other than English, German, French and Spanish. Names that are also words, in lower case. Names of
organisations without a legal form or a telling word. Medical terms in text about nobody in particular are found as well. Identifiers with a form of
their own (e-mail, telephone, cards) belong to patterns: the model does not know them.
"""


TAGGER = "## The word tagger"
_TAGGER = """

`tagger.safetensors`: five tables of 64 numbers for a word (its letters, its first and last three, its form, what stands before it; tables in
eight bits) and four convolutions over three words, 64 wide, in half precision. It reads every word, seven to either side, and settles what is
clear; where it is in doubt the GLiNER model reads the surroundings. `tagger` in calibration.json has for each label the mean probability
below which a run of words is of no interest, and from which on it is sure.

Made by `python -m training tagger {command}` in two rounds: the first on labelled and generated text, the second also on clean text, where a
word is learned as a name if the first round and spaCy's small English model (MIT) say the same, as none if neither does or if a diagnosis or
an address without a street is seen in it, and not at all if they differ. A fifth of each labelled set was kept apart.

{sources}

wnut17, btc_twitter and wikigold are CC BY 4.0, sec_filings CC BY 3.0, the clinical texts (mts_dialog) CC BY 4.0; clean text as in `training/corpora.tsv`.
"""


def tagger_card(out: Path, samples: Mapping[str, int], command: str) -> None:
    """Writes the tagger's part of README.md anew."""
    path = out / "README.md"
    text = path.read_text("utf-8")
    before, _, rest = text.partition(TAGGER)
    after = rest.partition("\n## ")[2] if rest else text.partition("\n## Thresholds")[2]
    before = before if rest else text.partition("## Thresholds")[0]
    heading = "" if rest else "Thresholds"
    sources = "\n".join(f"- {name}: {count} texts" for name, count in sorted(samples.items()))
    path.write_text(before + TAGGER + _TAGGER.format(command=command, sources=sources) + f"\n## {heading}{after}", "utf-8")


def card(
    out: Path, facts: Mapping[str, Any], samples: Sequence[Any] | None, documents: Collection[Document], about: Mapping[str, Any]
) -> None:
    """Writes README.md; without samples what it says of the training stays as it was."""
    path = out / "README.md"
    sources = (
        "\n".join(f"- {name}: {count} samples" for name, count in sorted(Counter(s.source for s in samples).items()))
        if samples
        else _kept(path)
    )
    path.write_text(_TEXT.format(
        thresholds="\n".join(f"- {label}: {value} (false alarms in {facts['false_alarms'][label]:.2%} of the clean windows)" for label, value in facts["thresholds"].items()),
        labels=", ".join(f"`{label}`" for label in facts["thresholds"]), clean=facts["clean_windows"], table=_table(facts["measured"]), sources=sources,
        parameters=facts["parameters"], faker=metadata.version("faker"), documents=len(documents), packages=len({d.package for d in documents}), **about,
    ), "utf-8")  # fmt: skip


def _kept(path: Path) -> str:
    text = path.read_text("utf-8") if path.exists() else ""
    return text.partition("## Trained on\n\n")[2].partition("\n\n`presidio_generated_large`")[0]


def _table(measured: Mapping[str, Any]) -> str:
    rows = ["| set | label | spans | exact | overlap | words |", "| --- | --- | --- | --- | --- | --- |"]
    for name, by in measured.items():
        for label, row in by.items():
            cells = [" / ".join(f"{row[kind][key]:.3f}" for key in ("p", "r", "f1")) for kind in ("exact", "overlap", "words")]
            rows.append(f"| {name} | {label} | {row['spans']} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def seal(out: Path) -> None:
    """Digests of all files; readable by everyone."""
    files = sorted(p for p in out.iterdir() if p.is_file() and p.name != "digests.json")
    write_json(out / "digests.json", {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files})
    for path in out.iterdir():
        path.chmod(0o644)
