"""Finds Jinja templates in configuration, by their keys or by what they reach, and judges them. They are parsed, never rendered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate

from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.chat_templates import templates
from veritensor_ray.engines.modelfiles.chat_templates.template_findings import ESCAPE
from veritensor_ray.engines.modelfiles.configuration.nodes import ListNode, MapNode, ScalarNode, texts
from veritensor_ray.engines.modelfiles.configuration.seen import NodeFound, NodeHit

_CHAT = re.compile(r"(?:.*[._-])?chat_templates?(?:[._-]\w{1,40})?|chatTemplate|(?:.*_)?jinja_template", re.IGNORECASE)
_CONVERSATION = re.compile(r"\{%[-+]?\s*(?:for|if|set)\b[^%]{0,200}\bmessages\b|\badd_generation_prompt\b[^\n]{0,100}%\}")
_TAGS = re.compile(r"\{[{%]")


def is_chat_key(key: str) -> bool:
    """Return whether a key says that its texts are chat templates."""
    return _CHAT.fullmatch(key) is not None and not key.endswith(("_kwargs", "_path", "_file", "_args"))


def is_chat_template(text: str) -> bool:
    """Return whether a text is a template that goes through the messages of a conversation, whatever its file is called."""
    return _CONVERSATION.search(text) is not None


def judged_templates(node: MapNode) -> Iterator[NodeFound]:
    """Yield the findings in the templates of one mapping."""
    jinja = node.text("template_format") == "jinja2"
    for key, _, value in node.named():
        if is_chat_key(key) or (jinja and key == "template"):
            for scalar in texts(value, 100):
                yield from _found(scalar, chat=True)
        elif isinstance(value, (ScalarNode, ListNode)):
            for item in [value] if isinstance(value, ScalarNode) else value.items[:1000]:
                if isinstance(item, ScalarNode) and isinstance(item.value, str) and "__" in item.value and _TAGS.search(item.value):
                    yield from _found(item, chat=False)


def _found(scalar: ScalarNode, chat: bool) -> Iterator[NodeFound]:
    for found in templates.check(str(scalar.value)):
        if chat or (found.rule == ESCAPE and templates.PLAIN.search(found.what)):
            yield NodeHit(scalar, found.rule, f"line {found.line} of the template: {found.what}", found.what, found.severity)


def scan_template(template: str, base: int, chat: bool = True) -> Iterator[Hit]:
    """Yield hits in a template that the file contains verbatim, in UTF-8, from byte `base` on. Each hit marks its line.

    An invalid byte is represented by a lone surrogate (`surrogateescape`), so that later offsets match the file. Website templates
    (`chat` is False) include other templates and show class names, so only an unmistakable escape counts in them.
    """
    lines = re.split(r"(\r\n|\r|\n)", template)  # with the line ends between them
    starts = list(accumulate((len(line.encode("utf-8", "surrogateescape")) for line in lines), initial=base))
    for found in templates.check(template.encode("utf-8", "surrogateescape").decode("utf-8", "replace")):
        if not chat and not (found.rule == ESCAPE and templates.PLAIN.search(found.what)):
            continue
        at = min(2 * found.line - 2, len(lines) - 1)
        line, start = lines[at], starts[at]
        end = start + max(1, len(line[:200].encode("utf-8", "surrogateescape")))
        message = f"line {found.line} of the template: {found.what}"
        yield Hit(found.rule, start, end, severity=found.severity, message=message, evidence=found.what)
