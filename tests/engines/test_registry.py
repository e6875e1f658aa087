"""Plug-ins: from installed packages, or from a folder that somebody named and that is not a part of the corpus."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from veritensor_ray.core.config import Settings, load_settings
from veritensor_ray.core.errors import UsageError
from veritensor_ray.engines.registry import create, selected

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def _not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(EXAMPLES)])
    monkeypatch.setattr(sys, "modules", {name: module for name, module in sys.modules.items() if name != "shouting_engine"})


def test_a_plugin_from_the_folder_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES.parent)
    settings = load_settings(None, {"plugins": ["shouting_engine:Shouting"], "plugin_folder": "examples", "engines": ["shouting"]}, {})
    assert [engine.name for engine in create(settings, selected(settings))] == ["shouting"]
    assert (sys.path[-1], settings.plugin_folder) == (str(EXAMPLES), str(EXAMPLES)), "absolute, so that workers find it as well"


def test_a_plugin_of_nowhere_has_a_remedy() -> None:
    with pytest.raises(
        UsageError, match=r"cannot be imported: No module named 'shouting_engine'\. Install its package, or set plugin_folder"
    ):
        selected(Settings(plugins=["shouting_engine:Shouting"]))


@pytest.mark.parametrize("source", [str(EXAMPLES), str(EXAMPLES.parent), f"local://{EXAMPLES}", f"{EXAMPLES.parent}/*"])
@pytest.mark.parametrize("known", [False, True], ids=["not on the path", "on the path already"])
def test_nothing_of_the_corpus_is_a_plugin(source: str, known: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(EXAMPLES)] if known else sys.path)
    settings = Settings(plugins=["shouting_engine:Shouting"], plugin_folder=str(EXAMPLES), sources=[source])
    with pytest.raises(UsageError, match="is inside the corpus, and code from the corpus is never run"):
        selected(settings)
