"""Write the README of the embedded PII model and the digests that seal its folder. It does not depend on training."""

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

A GLiNER (token level, `subtoken_pooling: last`) on the first {layers} layers of all-MiniLM-L6-v2 (Apache-2.0), stored as a DeBERTa-v2
without relative attention, with a vocabulary of {words} entries and one LSTM layer. It has {parameters:.1f}M parameters and is an ONNX graph with 8-bit
matrices (`model.onnx`). It was built with `python -m training pii {command}` and `python -m training.pii_export`.
The base model ignores capitals, so the tokenizer marks them: `†` before a capitalized word, `‡` before a word in capitals.

The labels, in this order, are {labels}. After them the model is asked for `location`, which is not reported: it absorbs cities and countries
that stand alone. A window has up to {window} words.

## Thresholds

{thresholds}

Each threshold gives the best F1 by overlap on our own held-out lines among those with at most one false positive in 100 clean windows. The
clean windows are {clean} excerpts of documentation, code, manual pages, configuration and help texts from packages that were never used in
training, without those that contain anything that looks like the name of a real person or organization.

## Measurements

The cells show precision / recall / F1. "Overlap" counts spans with the same label that share half of their extent. "Words" compares word by
word, as Presidio's evaluator does.

{table}

Adjacent parts of an address, including cities and countries, count as one span unless the row says otherwise. `presidio_synth_v2` was not
used in training, but it has the same author as the set that was, and it was made with the same tools from similar templates. Its errors were
also inspected while the generators were tuned, so it is not a blind test. `presidio_generated_large` was used in training. Our held-out
lines are filled from the same lists of names as the lines used in training.

## Training data

{sources}

`presidio_generated_large` is MIT (presidio-research); it was used unchanged and with its entities replaced. Names, cities and companies come
from Faker {faker} (MIT) in 38 locales and from our own lists. Templates, conditions and medicines are our own. No sample is meant to contain
data of a real person, but public figures and authors named in documents may have slipped through. Text without names comes from {documents}
documents of {packages} Debian and Python packages under permissive licences; short excerpts of some of them were used in training.

## Limitations

The model does not cover scripts other than Latin, or languages other than English, German, French and Spanish. It misses lower-case names
that are also ordinary words, and names of organizations without a legal form or an indicative word. It also finds medical terms in text that
is not about a particular person. Identifiers with a distinctive form (email addresses, telephone and card numbers) are left to patterns.
"""


TAGGER = "## The word tagger"
_TAGGER = """

`tagger.safetensors` holds five tables with 64 values for each word (its letters, its first and last three letters, its form, and what
precedes it; the tables are in 8 bits) and four convolutions over three words, 64 wide, in half precision. The tagger reads every word with
seven words on either side and settles clear cases. Where it is in doubt, the GLiNER model reads the surrounding text. For each label, `tagger`
in calibration.json gives the mean probability below which a run of words is dropped, and the one from which it is accepted.

The tagger was built with `python -m training tagger {command}` in two rounds. The first used labeled and generated text, the second
also clean text. There a word is learned as a name if the first round and spaCy's small English model (MIT) both find one, and as not a name
if neither does, or if it is a diagnosis or an address without a street. If the two disagree, the word is not learned. A fifth of each labeled
set was held out.

{sources}

wnut17, btc_twitter and wikigold are CC BY 4.0, sec_filings is CC BY 3.0, and the clinical texts (mts_dialog) are CC BY 4.0. `training/corpora.tsv`
lists the clean text.
"""


def tagger_card(out: Path, samples: Mapping[str, int], command: str) -> None:
    """Rewrite the tagger's section of README.md."""
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
    """Write README.md. Without samples, the section on training data stays unchanged."""
    path = out / "README.md"
    sources = (
        "\n".join(f"- {name}: {count} samples" for name, count in sorted(Counter(s.source for s in samples).items()))
        if samples
        else _kept(path)
    )
    path.write_text(_TEXT.format(
        thresholds="\n".join(f"- {label}: {value} (false positives in {facts['false_alarms'][label]:.2%} of the clean windows)" for label, value in facts["thresholds"].items()),
        labels=", ".join(f"`{label}`" for label in facts["thresholds"]), clean=facts["clean_windows"], table=_table(facts["measured"]), sources=sources,
        parameters=facts["parameters"], faker=metadata.version("faker"), documents=len(documents), packages=len({d.package for d in documents}), **about,
    ), "utf-8")  # fmt: skip


def _kept(path: Path) -> str:
    text = path.read_text("utf-8") if path.exists() else ""
    return text.partition("## Training data\n\n")[2].partition("\n\n`presidio_generated_large`")[0]


def _table(measured: Mapping[str, Any]) -> str:
    rows = ["| set | label | spans | exact | overlap | words |", "| --- | --- | --- | --- | --- | --- |"]
    for name, by in measured.items():
        for label, row in by.items():
            cells = [" / ".join(f"{row[kind][key]:.3f}" for key in ("p", "r", "f1")) for kind in ("exact", "overlap", "words")]
            rows.append(f"| {name} | {label} | {row['spans']} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def seal(out: Path) -> None:
    """Write the digests of all files and make the files readable by everyone."""
    files = sorted(p for p in out.iterdir() if p.is_file() and p.name != "digests.json")
    write_json(out / "digests.json", {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files})
    for path in out.iterdir():
        path.chmod(0o644)
