"""Write the README's table of figures from the last measurements: python -m bench.readme.

It measures nothing itself. `python -m bench.models`, `python -m bench.speed` and `python -m bench.model_path` call it when they have measured.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from bench import injection_page
from bench.model_path_page import rate
from bench.pii_page import people

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
_TABLE = re.compile(r"(?<=\| --- \| --- \|\n)(?:\| \[[^\n]*\]\(docs/(?:models|speed)\.md[^\n]*\n)+")


def figures(models: dict[str, Any], speed: dict[str, Any], model_path: dict[str, Any]) -> list[str]:
    """Return the rows of the table. Each quotes the worst case beside the best one."""
    return [
        f"| [injection](docs/models.md#prompt-injection) | {_injection(models['injection'], models['strangers']['sources'])} |",
        f"| [personal data](docs/models.md#personal-data) | {_personal_data(models['pii'])} |",
        f"| [speed](docs/speed.md) | {_speed(model_path, speed)} |",
    ]


def _injection(measured: dict[str, Any], strangers: list[dict[str, Any]]) -> str:
    sets, all_kinds, name = [*measured["sets"], *strangers], injection_page.strict(measured), injection_page.worst_kind(measured)
    recalls = [injection_page.recall(row["cells"]["medium"]) for row in (of(sets) for of in _EXTREMES) if row]
    _, _, medium, documents = all_kinds["medium"]
    worst = measured["documents"][name]["cells"]["medium"]
    share = " to ".join(f"{100 * (one or 0):.0f}%" for one in recalls)
    return (
        f"finds {share} of the attacks, depending on the test set; of {documents:,} real documents without an attack, {medium} had a false "
        f"finding of severity `medium` and {all_kinds['high'][2] or 'none'} had one of severity `high`; `{name}` documents fared worst ({worst[2]} of {worst[3]:,})"
    )


_EXTREMES = (injection_page.lowest_recall, injection_page.highest_recall)


def _personal_data(measured: dict[str, Any]) -> str:
    sets = measured["sets"]
    rival = next(row for name, row in sets.items() if "presidio (" in name)
    real = people(measured)
    low, high = min(real, key=lambda name: real[name]), max(real, key=lambda name: real[name])
    return (
        f"F1 is {sets['presidio_synth_v2, tagger on']['all']['F1']:.2f} on a test set published by presidio's authors, where presidio with a small "
        f"spaCy model reaches {rival['all']['F1']:.2f}; for names in real text it is {real[low]:.2f} ({low}) to {real[high]:.2f} ({high})"
    )


def _speed(model_path: dict[str, Any], measured: dict[str, Any]) -> str:
    large = measured["seconds"]["200.0 MB, all engines without a model"]["now"]
    case = measured["mb_per_cpu_second"]["small documents, all engines without a model"]
    whole, pii, injection = (rate(model_path["kinds"][what]) for what in ("all engines", "`pii` alone", "`injection` alone"))
    kinds = {name: rate({name: one}) for name, one in model_path["kinds"]["all engines"].items()}
    low, high = min(kinds, key=lambda name: kinds[name]), max(kinds, key=lambda name: kinds[name])
    rival = (
        f"; per CPU second, it reads {case['now'] / case['veritensor']:.0f} times as much as veritensor 1.9.4"
        if "veritensor" in case
        else ""
    )
    return (
        f"all engines together read {whole:.2f} MB in a CPU second, from {kinds[low]:.2f} (`{low}`) to {kinds[high]:.2f} (`{high}`); `pii` alone reads {pii:.2f} and "
        f"`injection` alone {injection:.2f}; without models, an audit of 200 MB of small documents takes {large:.0f} s on two CPUs{rival}"
    )


def page(readme: str, models: dict[str, Any], speed: dict[str, Any], model_path: dict[str, Any]) -> str:
    """Return the README with these figures. Raises ValueError if it has no table of figures."""
    rows = "".join(f"{row}\n" for row in figures(models, speed, model_path))
    written, count = _TABLE.subn(lambda _: rows, readme)
    if count != 1:
        raise ValueError("README.md has no table of figures")
    return written


def read(name: str) -> dict[str, Any]:
    """Return what a measurement has stored."""
    results: dict[str, Any] = json.loads((ROOT / "bench" / f"{name}.json").read_text())
    return results


def main() -> None:
    README.write_text(page(README.read_text(), read("models"), read("speed"), read("model_path")))


if __name__ == "__main__":
    main()
