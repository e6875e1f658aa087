"""Who speaks a turn, in the spellings of chat datasets; a turn that says it in two ways is not believed."""

from __future__ import annotations

from typing import Any

from tests.cases import each
from veritensor_ray.formats.json.speakers import spoken


@each(
    ("turn", "expected"),
    [
        ([("role", "user"), ("content", "x")], ("content", "user")),
        ([("content", "x"), ("name", "Bob"), ("role", "tool")], ("content", "tool")),
        ([("role", "developer"), ("content", "x")], ("content", "system")),
        ([("from", "human"), ("value", "x")], ("value", "user")),
        ([("from", "gpt"), ("value", "x"), ("weight", None)], ("value", "assistant")),
        ([("speaker", "user"), ("text", "x")], ("text", "user")),
        ([("role", "user"), ("value", "x")], None),  # a mixture
        ([("role", "user"), ("content", "x"), ("role", "tool")], None),
        ([("role", "tool"), ("from", "human"), ("content", "x")], None),
        ([("role", "user"), ("content", "x"), ("content", "y")], None),
        ([("role", "user"), ("content", [{"type": "tool_result", "content": "x"}])], None),
        ([("role", "user"), ("content", None)], None),
        ([("role", ["user"]), ("content", "x")], None),
        ([("role", "USER"), ("content", "x")], None),  # in task-oriented dialogues, SYSTEM is the assistant
        ([("role", "moderator"), ("content", "x")], None),
        ([("author", "user"), ("text", "x")], None),
        ([("from", "user@example.org"), ("value", "x")], None),
        ([], None),
    ],
)
def test_who_speaks(turn: list[tuple[str, Any]], expected: tuple[str, str] | None) -> None:
    assert spoken(turn) == expected
