"""Objects of LangChain and LangGraph in databases, each with a twin whose class is one of theirs."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.engines.modelfiles.building import found


def stored(path: Path, value: Any) -> bytes:
    with sqlite3.connect(path) as database:
        database.execute("create table checkpoints (id integer, checkpoint blob)")
        database.execute("insert into checkpoints values (1, ?)", (json.dumps(value).encode(),))
    database.close()
    return path.read_bytes()


def built(*names: str, version: int = 2, **more: Any) -> dict[str, Any]:
    return {"lc": version, "type": "constructor", "id": list(names), **more}


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (built("os", "system", args=["echo"]), ["os.system"]),
        (built("subprocess", "Popen", version=1), ["subprocess.Popen"]),
        ({"id": ["builtins", "eval"], "type": "constructor", "lc": 2}, ["builtins.eval"]),
        ({"channel": [built("langchain_core", "messages", "HumanMessage"), built("posix", "system")]}, ["posix.system"]),
        (built("langchain_core", "messages", "HumanMessage", kwargs={"content": "os.system"}), []),
        (built("langchain", "schema", "messages", "AIMessage", version=1), []),
        ({"id": ["os", "system"], "type": "a list of words"}, []),
        ({"lc": 2, "id": ["os", 1, {"a": 2}]}, []),
    ],
)
def test_databases(value: Any, names: list[str], tmp_path: Path) -> None:
    assert found(stored(tmp_path / "graph.sqlite", value), "graph.sqlite") == [("config-target", name) for name in names]
