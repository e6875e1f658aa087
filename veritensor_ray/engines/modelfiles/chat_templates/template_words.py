"""Judges what a chat template tells the model by itself: encoded texts, texts in place of the first message, and any words of its own."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from jinja2 import nodes

from veritensor_ray.engines.modelfiles.chat_templates.template_findings import BACKDOOR, TemplateFinding

PROSE = re.compile(r"(?:[^\W\d_][\w'’]{0,40}[ ,.:;!?-]{1,10}){3}[^\W\d_]")  # four words in a row
_CODE = re.compile(r"\{[{%#].*?[}%#]\}", re.DOTALL)
_ENDS = ("}}", "%}", "#}")
_LITERAL = re.compile(r"\"[^\"]*\"|'[^']*'")
_BASE64 = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{32,}={0,2}(?![\w+/])")
_HEX = re.compile(r"(?<!\w)(?:[0-9a-fA-F]{2}){24,}(?!\w)")
_READABLE = re.compile(r"[\w\s.,:;!?'\"()/<>|@&=+*#$%{}\[\]-]+")
_DECODE = re.compile(
    r"\b(?:decode|decrypt|decipher|deobfuscate)\b[^.\n]{0,60}\b(?:base\W?(?:16|32|58|64|85)|hex\w*|rot\W?13|cipher|morse|encoded|text|string|message|instruction)"
    r"|\b(?:base\W?(?:16|32|58|64|85)|hex\w*|rot\W?13|encoded)\b[^.\n]{0,60}\b(?:follow|obey|execute|instruction)",
    re.IGNORECASE,
)
_SYSTEM = ("system", "developer")


def encoded_words(text: str, line: int) -> Iterator[TemplateFinding]:
    """Yield encoded texts, and orders to decode one."""
    if hidden := next(_encoded(text), None):
        yield TemplateFinding(BACKDOOR, f"it holds an encoded text: {hidden[:100]}", line)
    elif found := _DECODE.search(text):
        yield TemplateFinding(BACKDOOR, f"it orders the model: {found[0][:100]}", line, "medium")


def _encoded(text: str) -> Iterator[str]:
    """Yield the words that stand in a text as base64 or in hexadecimal."""
    for pattern, decode in ((_BASE64, _from_base64), (_HEX, bytes.fromhex)):
        for match in pattern.finditer(text):
            words = decode(match[0]).decode("utf-8", "replace")
            if _READABLE.fullmatch(words) and PROSE.search(words):
                yield words


def _from_base64(text: str) -> bytes:
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return b""


def own_words(template: str) -> str | None:
    """Return the first words of a template's own that it gives the model to read, as opposed to control tokens; None if it has none."""
    last = max(template.rfind(end) for end in _ENDS) + 2  # behind it, each opening tag would be searched for an end in vain
    tagged, rest = template[:last], template[last:]
    literals = " | ".join(one for code in _CODE.findall(tagged) if "raise_exception" not in code for one in _LITERAL.findall(code))
    for text in (_CODE.sub(" | ", tagged) + rest, literals):
        if found := PROSE.search(re.sub(r"<[^<>]{0,80}>", " | ", text)):
            return re.sub(r"\s+", " ", text[found.start() : found.start() + 100])
    return None


def dropped_messages(tree: nodes.Template) -> Iterator[TemplateFinding]:
    """Yield where the first message gives way to a fixed text. Taking the first message apart from the others is ordinary."""
    for node in tree.find_all(nodes.Add):
        if isinstance(node.left, nodes.List) and (text := _fixed_system(node.left)) and _rest_of(node.right):
            yield TemplateFinding(BACKDOOR, f"in place of the first message it says: {text[:100]}", node.lineno)
    if _uses_first(tree):
        return
    for top in tree.body:
        value = top.node if isinstance(top, nodes.Assign) else top.iter if isinstance(top, nodes.For) else None
        if value is not None and _rest_of(value) and (text := _outright(tree)):
            yield TemplateFinding(BACKDOOR, f"the first message is dropped, and it says: {text[:100]}", top.lineno)


def _uses_first(tree: nodes.Template) -> bool:
    """Return whether a template takes the first message, or goes through all of them."""
    rests = {id(one.node) for one in tree.find_all(nodes.Getitem) if _rest_of(one)}
    shortened = any(getattr(one.target, "name", "") == "messages" and _rest_of(one.node) for one in tree.find_all(nodes.Assign))
    if not shortened:
        return any(one.name == "messages" and one.ctx == "load" and id(one) not in rests for one in tree.find_all(nodes.Name))
    firsts = [one.node for one in tree.find_all(nodes.Getitem) if isinstance(one.arg, nodes.Const) and one.arg.value == 0]
    firsts += [one.node for one in tree.find_all(nodes.Filter) if one.name == "first" and one.node is not None]
    return any(isinstance(one, nodes.Name) and one.name == "messages" for one in firsts)


def _rest_of(node: nodes.Node) -> bool:
    """Return whether an expression is `messages[1:]` or the like."""
    if not (isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice) and isinstance(node.node, nodes.Name)):
        return False
    start = node.arg.start
    return "messages" in node.node.name and isinstance(start, nodes.Const) and isinstance(start.value, int) and start.value >= 1


def _fixed_system(items: nodes.List) -> str | None:
    """Return the text of a message of the system that holds nothing but constants."""
    for message in items.items:
        pairs = {getattr(one.key, "value", None): one.value for one in message.items} if isinstance(message, nodes.Dict) else {}
        role, content = pairs.get("role"), pairs.get("content")
        if (
            isinstance(role, nodes.Const)
            and role.value in _SYSTEM
            and isinstance(content, nodes.Const)
            and PROSE.search(str(content.value))
        ):
            return str(content.value)
    return None


def _outright(tree: nodes.Template) -> str | None:
    """Return the words that a template says unconditionally."""
    said = [part.data for top in tree.body if isinstance(top, nodes.Output) for part in top.nodes if isinstance(part, nodes.TemplateData)]
    return next((text.strip() for text in said if PROSE.search(text)), None)
