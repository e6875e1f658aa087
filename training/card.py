"""The model card of the injection model, and the seal of a model folder; it knows no training."""

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

LOCK = "digests.json"
CARD = """# Embedded prompt-injection model

Two models, mixed: a transformer of six layers ({parameters:.1f}M parameters, {megabytes:.0f} MB in int8) that starts from multilingual-e5-small
(MIT, Microsoft), and TF-IDF with logistic regression over hashed words (`linear.safetensors`). Made by `python -m training {options}`.
A window has {window_tokens} tokens, the next starts {stride_tokens} later. Its score is
{mix[0]} · min(transformer, {ceiling}) + {mix[1]} · linear + {mix[2]}, in log odds; a document's score is its highest.

The linear model is also the first stage of the cascade: only stretches of 40 words that it scores {gate} or more are read by the
transformer.

## Thresholds

| severity | from |
| --- | --- |
| `medium` | {medium} |
| `high` | {high} |

Set on {documents} whole clean documents, no one of which was trained on, of {kinds} kinds. `medium`: of all documents no more than a
quarter of a percent reach it, half of what may alarm, since strangers alarm more often; and of no kind of a hundred or more, more
than one in fifty. `high`: half a unit of log odds above every one of them. The last two columns count a kind against thresholds
that were set without it. Kinds marked with a star were not seen in training at all, not even other documents of them.

## Clean documents that reach them

{clean}

## Attacks that reach them

No row of these sets, nor another of its template, was trained on; of those marked with a star nothing was.

{recall}

`make bench-models` measures more, beside other detectors: docs/models.md.

## Trained on

{labelled}

{sources}

Our own lines are in `training/injection/` ({own} lines, {languages}). Benign documents: {all_documents} of {packages} packages,
under these licences as their packagers state them: {licences}. The list of packages is `training/corpora.tsv`; `caniuse-db` is
CC BY 4.0 by its contributors, `php-doc` CC BY 3.0 by the PHP Documentation Group.

## Not good for

Encoded, spelled-out or split orders. Plain requests without any sign that they are meant for a model. Benign prompts that ask for
a role, and texts that quote attacks, are the likeliest false alarms.

## Files (SHA-256)

{digests}
"""


def digests(out: Path, but: Sequence[str]) -> dict[str, str]:
    """SHA-256 of the folder's files."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir()) if p.name not in but}


def seal(out: Path) -> None:
    """The lock that `veritensor_ray.models.model_store` verifies before it loads the model."""
    (out / LOCK).write_text(json.dumps(digests(out, [LOCK]), indent=1) + "\n", "utf-8")
    for path in out.iterdir():
        path.chmod(0o644)


def write(out: Path, data: Path, facts: dict[str, Any], documents: Sequence[Document], options: str) -> None:
    """README.md: what the model was made of and what was measured. Then the seal."""
    counts = facts["trained_on"]
    sets = [f"- {n}: {', '.join(sorted(set(labelled(data, n).license)))}; {counts[n][1]} windows with an order, {counts[n][0]} without"
            for n in TRAIN_ON if n in counts]  # fmt: skip
    other = sorted(set(counts) - set(TRAIN_ON))
    licences = Counter(d.licence for d in documents)
    own = list(texts.lines())
    unseen = {d.group for d in documents}
    (out / "README.md").write_text(CARD.format(
        **{k: facts[k] for k in ("window_tokens", "stride_tokens", "mix", "ceiling", "gate")}, **facts["thresholds"],
        parameters=facts["parameters"], megabytes=(out / "model.onnx").stat().st_size / 1e6, options=options,
        documents=facts["clean"]["all"]["documents"], kinds=len(facts["clean"]) - 1,
        clean=_table(("kind", "documents", "`medium`", "`high`", "`medium`, left out", "`high`, left out"),
                     [(f"{kind}{'' if kind in unseen or kind == 'all' else ' *'}", *row.values()) for kind, row in facts["clean"].items()]),
        recall=_table(("set", "attacks", "`medium`", "`high`"),
                      [(f"{name}{' *' if name in MEASURE_ONLY else ''}", *row.values()) for name, row in facts["recall"].items()]),
        labelled="\n".join(sets), own=len(own), languages=", ".join(sorted({line.language for line in own})),
        sources="\n".join(f"- {s}: {counts[s][1]} windows with an order, {counts[s][0]} without" for s in other),
        all_documents=len(documents), packages=len({d.package for d in documents}),
        licences=", ".join(f"{name} ({n})" for name, n in licences.most_common()),
        digests="\n".join(f"- `{n}` `{d}`" for n, d in digests(out, ["README.md", LOCK]).items()),
    ), "utf-8")  # fmt: skip
    seal(out)


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])
