"""Write the model card of the injection model, and seal a model folder. It does not depend on training."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training import texts
from training.documents import Document
from training.injection_data import MEASURE_ONLY, TRAIN_ON, labelled
from training.injection_early_end import LOST
from training.injection_network import ENDED
from veritensor_ray.engines.injection.first_stage import ZONE

LOCK = "digests.json"
CARD = """# Embedded prompt-injection model

The score combines two models: a transformer with six layers ({parameters:.1f}M parameters, {megabytes:.0f} MB in int8), fine-tuned from
multilingual-e5-small (MIT, Microsoft), and a first stage. That is a linear model (`linear.safetensors`), a logistic regression over TF-IDF
weights of hashed words, and a small network over vectors of words, word pairs and stems (`word_vectors.safetensors`), initialized with
multilingual-e5-small's vector of each. The model was built with `python -m training {options}`{previous}.

A window has {window_tokens} tokens; the next window starts {stride_tokens} tokens later. The score of a window is
{mix[0]} · min(transformer, {ceiling}) + {mix[1]} · first stage + {mix[2]}, in log odds. The score of a document is its highest window score.

Where nothing looks like an instruction, the transformer ends after three of its layers: a small network guesses from these what all of
them would say, and the window scores {ended}. Of windows of unfamiliar attacks that the whole transformer suspects, {lost} ended early when the
limit was set.

The transformer reads only stretches of {zone} words that the first stage scores {gate} or higher. Its scores are lower in languages other than
English, so it adds up to {ease:.1f} in {tongues} languages, which it recognizes by their commonest words (`languages.safetensors`). It adds what
lets three passages in a hundred of clean documents in that language pass.

## Thresholds

| severity | from |
| --- | --- |
| `low` | {low} |
| `medium` | {medium} |
| `high` | {high} |

The thresholds were set on {documents} complete clean documents of {kinds} kinds, none of which was used in training. At most one percent of
all documents reach `low`, and a quarter of a percent `medium`. That is half of the rates that are allowed, because unfamiliar documents
trigger the model more often. A text that several documents of a package repeat, such as an untranslated message in its translations,
counts once. Of the real documents, at most half a percent reach `medium`, and of each kind with a hundred documents or
more, at most one in fifty. `high` lies half a unit of log odds above every clean document.

## Clean documents that reach the thresholds

The last three columns count the documents of a kind against thresholds that were set without this kind. For kinds marked with a star, no
documents at all were used in training.

{clean}

## Attacks that reach the thresholds

Neither the rows measured here nor other rows of the same templates were used in training. For sets marked with a star, nothing from the
set was.

{recall}

`make bench-models` measures more sets and compares the model with other detectors: docs/models.md.

## Training data

{labelled}

{sources}

Our own lines are in `training/injection/` ({own} lines, {languages}), and {written} texts that were written one by one, in {tongues} languages, in
`training/injection/written/`. `training/injection/withdrawn.tsv` holds {parts} parts of orders that withdraw a task, and of harmless texts in the
same words, in {withdrawn} languages. The benign documents are {all_documents} files from {packages} packages
with these licences, as stated by their packagers: {licences}. `training/corpora.tsv` lists the packages. `caniuse-db` is CC BY 4.0 by its
contributors; `php-doc` is CC BY 3.0 by the PHP Documentation Group.

## Limitations

The model misses instructions that are encoded, spelled out or split, and plain requests that give no sign of being meant for a model. Its
most likely false positives are benign prompts that ask for a role, and texts that quote attacks.

## Files (SHA-256)

{digests}
"""


def digests(out: Path, but: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of the folder's files."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir()) if p.name not in but}


def seal(out: Path) -> None:
    """Write the lock that `veritensor_ray.models.model_store` verifies before it loads the model."""
    (out / LOCK).write_text(json.dumps(digests(out, [LOCK]), indent=1) + "\n", "utf-8")
    for path in out.iterdir():
        path.chmod(0o644)


def write(out: Path, data: Path, facts: dict[str, Any], documents: Sequence[Document], options: str) -> None:
    """Write README.md (training data and measurements) and seal the folder."""
    counts = facts["trained_on"]
    sets = [f"- {n}: {', '.join(sorted(set(labelled(data, n).license)))}; {counts[n][1]} windows with an injection, {counts[n][0]} without"
            for n in TRAIN_ON if n in counts]  # fmt: skip
    other = sorted(set(counts) - set(TRAIN_ON))
    licences = Counter(d.licence for d in documents)
    own, written, parts = list(texts.lines()), list(texts.written()), texts.withdrawn_parts()
    unseen = {d.group for d in documents}
    (out / "README.md").write_text(CARD.format(
        **{k: facts[k] for k in ("window_tokens", "stride_tokens", "mix", "ceiling", "gate")}, **facts["thresholds"],
        previous=", where PREVIOUS is the model that the package had before" if "PREVIOUS" in options else "", parameters=facts["parameters"], ease=max(facts["ease"].values()), megabytes=(out / "model.onnx").stat().st_size / 1e6, options=options,
        documents=facts["clean"]["all"]["documents"], kinds=len(facts["clean"]) - 1,
        clean=_table(("kind", "documents", "`low`", "`medium`", "`high`", "`low`, left out", "`medium`, left out", "`high`, left out"),
                     [(f"{kind}{'' if kind in unseen or kind == 'all' else ' *'}", *row.values()) for kind, row in facts["clean"].items()]),
        recall=_table(("set", "attacks", "`low`", "`medium`", "`high`"),
                      [(f"{name}{' *' if name in MEASURE_ONLY else ''}", *row.values()) for name, row in facts["recall"].items()]),
        labelled="\n".join(sets), own=len(own), written=len(written), tongues=len({one.language for one in written}), zone=ZONE, ended=f"{ENDED:.0f}", lost=f"{100 * LOST:g} %", parts=sum(len(found) for one in parts.values() for found in one.values()), withdrawn=len(parts), languages=", ".join(sorted({line.language for line in own})),
        sources="\n".join(f"- {s}: {counts[s][1]} windows with an injection, {counts[s][0]} without" for s in other),
        all_documents=len(documents), packages=len({d.package for d in documents}),
        licences=", ".join(f"{name} ({n})" for name, n in licences.most_common()),
        digests="\n".join(f"- `{n}` `{d}`" for n, d in digests(out, ["README.md", LOCK]).items()),
    ), "utf-8")  # fmt: skip
    seal(out)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])
