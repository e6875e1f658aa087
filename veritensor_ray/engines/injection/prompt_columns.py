"""Decides which texts stand where orders to a model belong: in a column of prompts, or in the turn of a user or a system."""

from __future__ import annotations

import re

import pyarrow as pa

# Only whole names of columns of a table: whoever writes a nested key, such as the result of a tool, may be the attacker. `instructions` is
# what a server or a tool tells a model to do.
_PROMPTS = re.compile(r"(?:(?:user_|system_|input_)?prompts?|instruction|questions?|user_(?:input|message)s?)\Z", re.IGNORECASE)
_GIVE_ORDERS = ("user", "system")


def holds_prompts(texts: pa.RecordBatch, row: int) -> bool:
    """Return whether a text of a batch is where orders belong. This depends on no other text of the batch.

    That is a visible cell of a column of prompts, or a visible turn of a user or a system. Turns are not believed in a file inside another
    one, such as an attachment or an answer that was stored as text, because its author is not the author of the dataset.
    """
    names = ("view", "row", "column", "member", "speaker")
    view, record, column, member, speaker = (texts.column(name)[row].as_py() for name in names)
    in_table = record is not None and column is not None and _PROMPTS.match(column) is not None
    return view == "visible" and (in_table or (member is None and speaker in _GIVE_ORDERS))
