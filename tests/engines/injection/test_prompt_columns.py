"""Orders belong in columns of prompts, known by their names, in tables and nowhere else; and in the turns of users and systems."""

from __future__ import annotations

from tests.cases import each
from veritensor_ray.core.segments import Block, Identity, one_batch
from veritensor_ray.engines.injection.prompt_columns import holds_prompts

FILE, INSIDE = Identity(0, "a.jsonl", "application/jsonl"), Identity(0, "a.zip!/b.jsonl", "application/jsonl", "b.jsonl")


def turn(speaker: str | None, view: str = "visible") -> Block:
    return Block(["x"], column="messages[0].content", row=0, view=view, speaker=speaker)


CASES = [
    *(
        (Block(["x"], column=name, row=0), FILE, True)
        for name in ("prompt", "Prompts", "instruction", "question", "user_input", "system_prompt")
    ),
    *(
        (Block(["x"], column=name, row=0), FILE, False)
        for name in ("text", "output", "answer", "promptly", "prompt\n", "instructions", "Instructions", "query")
    ),
    *((Block(["x"], column=name, row=0), FILE, False) for name in ("tool.prompt", "messages[0].prompt", "x_prompt", "prompts[3]")),
    (Block(["x"], column="prompt"), FILE, False),  # not a table
    (Block(["x"], column="prompt", row=0, view="hidden"), FILE, False),
    (Block(["x"], row=0), FILE, False),
    *((turn(speaker), FILE, True) for speaker in ("user", "system")),
    *((turn(speaker), FILE, False) for speaker in ("assistant", "tool", None)),
    *((turn("user", view), FILE, False) for view in ("hidden", "decoded", "residue")),
    (turn("user"), INSIDE, False),  # an attachment, or what a text turned out to be
]


@each(("block", "file", "expected"), CASES)
def test_where_orders_belong(block: Block, file: Identity, expected: bool) -> None:
    assert holds_prompts(one_batch([(block, file)]), 0) == expected


def test_no_text_is_judged_by_its_neighbors() -> None:
    batch = one_batch([(block, file) for block, file, _ in CASES])
    assert [holds_prompts(batch, row) for row in range(len(CASES))] == [expected for _, _, expected in CASES]
