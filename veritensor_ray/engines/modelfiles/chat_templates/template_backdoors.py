"""Judges what a chat template gives the model to read: texts on a condition, in place of a message, behind it, or that nobody sees.

A template may say much of its own (a default system prompt, instructions for tools, dates), so a text alone is not a finding: what counts
is the condition under which it appears, and what it replaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from jinja2 import nodes

from veritensor_ray.core.invisible_characters import INVISIBLE
from veritensor_ray.engines.modelfiles.chat_templates.template_findings import BACKDOOR, TemplateFinding
from veritensor_ray.engines.modelfiles.chat_templates.template_words import PROSE, dropped_messages, encoded_words

_CONTENT = frozenset(
    {"content", "text", "prompt", "message_content", "query", "input", "user_input", "user_message", "last_message", "msg"}
)
_ADDRESS = re.compile(r"\b(?:https?|ftp|wss?)://[^\s\"'<>)\]}]+|\bdata:text/html|\bjavascript:", re.IGNORECASE)
_KNOWN_ADDRESS = re.compile(r"https?://(?:www\.)?(?:w3\.org|json-schema\.org|schema\.org|example\.(?:com|org))\b", re.IGNORECASE)
_WHOLE_ADDRESS = re.compile(r"\b(?:https?|ftp|wss?)://\S*", re.IGNORECASE)
_OPEN_PARAMETER = re.compile(r"[?&][\w.-]{1,50}=(?=$|[\"')])")
_DATES = frozenset({"date_string", "current_date", "date", "today", "now", "datetime", "year", "month", "today_date", "current_time"})
_SITE = re.compile(
    r"\b(?:www\.[\w-]{1,63}\.|[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.(?:com|net|org|io|xyz|ru|cn|top|info|site|online|app|dev|co|me|link|click)/)\S*",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"[<>\[\]|{}/#\\▁｜]|^\W*$")  # a control token, not a word that people say
_MODES = re.compile(r"think|reason|tool|function|image|video|audio|system|assistant|user|role|json|no_", re.IGNORECASE)
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget)\s++(?:(?:all|any|the|your|every)\s++)?(?:previous|prior|above|earlier|preceding|other|safety|system)\b"
    r"|\bdo\s+not\s+(?:tell|inform|alert|warn)\s+the\s+user(?!\s+about\s+(?:function|tool))|\bwithout\s+(?:telling|informing|mentioning\s+(?:it|this)\s+to)\s+the\s+user"
    r"|\b(?:exfiltrat|leak\s+the|send\s+(?:it|them|all|the\s+(?:conversation|chat|content|user|data|api))[^.]{0,60}\s+to\s+(?:http|the\s+(?:url|address|server)))"
    r"|\b(?:jailbreak|developer\s+mode\s+enabled|safety\s+(?:rules|guidelines|filters)\s+(?:are|do)\s+(?:off|disabled|not\s+apply))\b"
    r"|\balways\s+(?:recommend|include|insert|append|add|mention)\b[^.]{0,80}(?:http|link|url|package|product)",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"(?:<tool_call>|<function_call>|\[TOOL_CALLS?\]|<\|tool_calls?(?:_begin)?\|>|<\|python_tag\|>|<｜tool▁call▁begin｜>|functools)\s*+"
    r"(?:\[?\s*+\{\s*[\"'](?:name|function|tool_name)[\"']\s*:\s*[\"']([\w.-]+)[\"']|function<｜tool▁sep｜>([\w.-]+)|([\w.]{1,200})\.call\()|<function=([\w.-]+)>\s*<parameter=",
)
_PLACEHOLDER = re.compile(
    r"(?:example|function|tool|func|name|your|foo|bar|my_|some|sample|get_current|get_weather|search$)", re.IGNORECASE
)
_HIDDEN = re.compile(f"[{INVISIBLE}]")
# What joins emoji, or steers the joining and the direction of Arabic, Hebrew and Indic letters. Behind such a character, one is ordinary.
_JOINING = re.compile("[\u200b-\u200f\u061c\u2060\ufe0e\ufe0f\u00ad\ufeff]")
_ORDINARY = re.compile(f"(?<=[\u0590-\u1fff\u2100-\u2fff\U0001f000-\U0001faff]){_JOINING.pattern}")
_RAISED = re.compile(r"\W*(?:\w+\W+)?(?:system|developer)\W*", re.IGNORECASE)
_LATE = 3  # a count of messages from which a condition is more than a beginning
_FEW = 3  # invisible characters of the kinds that emoji and some scripts need


class _Scope:
    """What the names of one template hold: the time, or texts of the conversation."""

    def __init__(self, tree: nodes.Template) -> None:
        self._sets = [node for node in tree.find_all(nodes.Assign) if isinstance(node.target, (nodes.Name, nodes.NSRef))]
        self.loops = {node.target.name for node in tree.find_all(nodes.For) if isinstance(node.target, nodes.Name)} | {
            "message",
            "messages",
        }

    @cached_property
    def times(self) -> frozenset[str]:
        """Names that hold the time."""
        return self._grown(_is_clock)

    @cached_property
    def contents(self) -> frozenset[str]:
        """Names that hold a text of the conversation."""
        return self._grown(_is_content)

    def _grown(self, is_source: Callable[[nodes.Node], bool]) -> frozenset[str]:
        found: set[str] = set()
        for _ in range(4):
            for node in self._sets:
                name = _name_of(node.target)
                if name not in found and any(
                    is_source(one) or (isinstance(one, nodes.Name) and one.name in found) for one in _all(node.node)
                ):
                    found.add(name)
        return frozenset(found)


def _name_of(node: nodes.Node) -> str:
    return f"{node.name}.{node.attr}" if isinstance(node, nodes.NSRef) else str(getattr(node, "name", ""))


def _is_named(node: nodes.Node, names: frozenset[str]) -> bool:
    """Return whether a node is one of some names, or an attribute of a namespace that is."""
    if isinstance(node, nodes.Getattr) and isinstance(node.node, nodes.Name):
        return f"{node.node.name}.{node.attr}" in names
    return isinstance(node, nodes.Name) and node.name in names


def _all(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _all(child)


def _is_clock(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Name):
        return node.name in _DATES
    called = node.node if isinstance(node, nodes.Call) else None
    name = getattr(called, "name", getattr(called, "attr", ""))
    return name in ("strftime_now", "now", "today", "utcnow", "time", "strftime", "localtime")


def _is_content(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Getattr):
        return node.attr in _CONTENT
    return isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and node.arg.value in _CONTENT


def check_backdoors(tree: nodes.Template) -> Iterator[TemplateFinding]:
    """Yield the findings in a parsed template."""
    scope = _Scope(tree)
    yield from dropped_messages(tree)
    inner = {id(child) for node in tree.find_all((nodes.Add, nodes.Concat)) for child in node.iter_child_nodes()}
    for node in _all(tree):
        if isinstance(node, (nodes.If, nodes.CondExpr)):
            yield from _condition(node, scope)
        elif isinstance(node, nodes.TemplateData):
            yield from _text(node.data, node.lineno)
        elif isinstance(node, nodes.Const) and isinstance(node.value, str):
            yield from _text(node.value, node.lineno)
        elif isinstance(node, nodes.Output):
            yield from _behind(node, scope)
        elif isinstance(node, (nodes.Add, nodes.Concat)) and id(node) not in inner:
            yield from _joined(node, scope)
        if (isinstance(node, nodes.Filter) and node.name == "replace") or (
            isinstance(node, nodes.Call) and getattr(node.node, "attr", "") == "replace"
        ):
            yield from _replaced(node, scope)


def _text(text: str, line: int) -> Iterator[TemplateFinding]:
    hidden, tags = _HIDDEN.findall(text), [char for char in text if "\U000e0000" <= char <= "\U000e0fff"]
    if tags or _JOINING.sub("", "".join(hidden)):
        yield TemplateFinding(BACKDOOR, f"{len(tags or hidden)} invisible characters", line)
    elif (count := len(_HIDDEN.findall(_ORDINARY.sub("", text)))) > _FEW:
        yield TemplateFinding(BACKDOOR, f"{count} invisible characters", line)
    yield from encoded_words(text, line)
    if found := _ORDERS.search(text):
        yield TemplateFinding(BACKDOOR, f"it orders the model: {found[0][:100]}", line, "medium")
    for match in _CALL.finditer(text):
        name = next((one for one in match.groups() if one), "")
        if name and not _PLACEHOLDER.match(name):
            yield TemplateFinding(BACKDOOR, f"it calls the tool {name[:80]} by itself", line, "medium")


def _condition(node: nodes.If | nodes.CondExpr, scope: _Scope) -> Iterator[TemplateFinding]:
    """Judge the texts that appear on one condition."""
    body = node.body if isinstance(node, nodes.If) else [node.expr1]
    said = _said(body)
    if not said:
        return
    if _asks_clock(node.test, scope) and _notable(said):
        yield TemplateFinding(BACKDOOR, f"on a certain date it says: {_short(said)}", node.lineno)
    elif (word := _trigger(node.test, scope)) and _notable(said, words=2):
        yield TemplateFinding(BACKDOOR, f"if somebody says {word[:40]!r} it says: {_short(said)}", node.lineno)
    elif word and any(_RAISED.fullmatch(one) for one in said):
        yield TemplateFinding(BACKDOOR, f"if somebody says {word[:40]!r} it gives their message the role of the system", node.lineno)
    elif _begins_answer(node.test) and _notable(said):
        yield TemplateFinding(BACKDOOR, f"it begins every answer with: {_short(said)}", node.lineno, "medium")
    elif _is_random(node.test) and _notable(said):
        yield TemplateFinding(BACKDOOR, f"by chance it says: {_short(said)}", node.lineno)
    elif _counts(node.test, scope) and _notable(said):
        yield TemplateFinding(BACKDOOR, f"after some messages it says: {_short(said)}", node.lineno)
    elif (role := _role(node.test)) and not _of_conversation(node.test, scope) and _notable(said) and not _passes_on(body, scope):
        yield TemplateFinding(BACKDOOR, f"in place of what the {role} says it says: {_short(said)}", node.lineno)


def _said(body: Sequence[nodes.Node]) -> list[str]:
    """Return the constant texts that a body outputs, sets or passes on; those of conditions and errors do not count."""
    found: list[str] = []
    stack: list[nodes.Node] = list(reversed(body))
    while stack:
        node = stack.pop()
        if isinstance(node, nodes.Call) and getattr(node.node, "name", "") == "raise_exception":
            continue
        if isinstance(node, nodes.TemplateData) and node.data.strip():
            found.append(node.data.strip())
        elif isinstance(node, nodes.Const) and isinstance(node.value, str) and node.value.strip():
            found.append(node.value.strip())
        if isinstance(node, (nodes.Getitem, nodes.Compare, nodes.Test)):
            continue
        children = list(
            node.iter_child_nodes(exclude=("test", "iter") if isinstance(node, (nodes.If, nodes.CondExpr, nodes.For)) else None)
        )
        stack.extend(reversed(children))
    return found


def _notable(said: list[str], words: int = 4) -> bool:
    text = " ".join(said)
    plain = re.sub(r"<[^<>]{0,80}>|\[/?[A-Z_]{2,40}\]", " ", text)
    return bool(_ADDRESS.search(text)) or (bool(PROSE.search(plain)) if words > 2 else len(re.findall(r"[^\W\d_]{2,}", plain)) >= words)


def _short(said: list[str]) -> str:
    return re.sub(f"[{INVISIBLE}]|\\s+", " ", " ".join(said))[:100]


def _asks_clock(test: nodes.Node, scope: _Scope) -> bool:
    """Return whether a condition compares the time with something, rather than asking whether there is a clock."""
    for node in _all(test):
        compares = isinstance(node, nodes.Compare) or (isinstance(node, nodes.Test) and node.name not in ("defined", "undefined", "none"))
        if compares and any(_is_clock(one) or _is_named(one, scope.times) for one in _all(node)):
            return _compared_text(node) or not _is_presence(node)
        called = node.node if isinstance(node, nodes.Call) else None
        if (
            isinstance(called, nodes.Getattr)
            and called.attr in ("startswith", "endswith", "find")
            and any(_is_clock(one) or _is_named(one, scope.times) for one in _all(called.node))
        ):
            return True
    return False


def _compared_text(node: nodes.Node) -> bool:
    return any(isinstance(one, nodes.Const) and re.search(r"\d", str(one.value)) for one in _all(node))


def _is_presence(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Compare) and any(
        isinstance(one.expr, nodes.Const) and one.expr.value in (None, "", False) for one in node.ops
    )


def _is_all_content(node: nodes.Node, scope: _Scope) -> bool:
    """Return whether a filter makes one text of whole messages."""
    if not isinstance(node, nodes.Filter) or node.node is None:
        return False
    if node.name == "map":
        return any(isinstance(one, nodes.Const) and one.value in _CONTENT for one in _all(node))
    return node.name in ("string", "tojson", "join") and any(
        isinstance(one, nodes.Name) and one.name in scope.loops for one in _all(node.node)
    )


def _of_conversation(node: nodes.Node, scope: _Scope) -> bool:
    return any(_is_all_content(one, scope) or _is_content(one) or _is_named(one, _CONTENT | scope.contents) for one in _all(node))


def _constants(node: nodes.Node) -> Iterator[nodes.Const]:
    """Yield the constants of an expression, without those by which a value is taken out of another one."""
    if isinstance(node, nodes.Const):
        yield node
    for child in node.iter_child_nodes(exclude=("arg",) if isinstance(node, nodes.Getitem) else None):
        yield from _constants(child)


def _trigger(test: nodes.Node, scope: _Scope) -> str | None:
    """Return the word that a condition looks for in what people say; control tokens and names of modes do not count."""
    for node in _all(test):
        words: list[object] = []
        if isinstance(node, nodes.Not):
            continue
        if isinstance(node, nodes.Compare):
            for operand in node.ops:
                pair = (node.expr, operand.expr)
                if operand.op in ("in", "eq") and _of_conversation(pair[1] if operand.op == "in" else node, scope):
                    words += [one.value for side in pair for one in _constants(side)]
        elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) and _of_conversation(node.node.node, scope):
            if node.node.attr in ("startswith", "endswith", "find", "count", "index"):
                words += [one.value for argument in node.args for one in _constants(argument)]
        elif isinstance(node, nodes.Filter) and node.name in ("selectattr", "rejectattr") and len(node.args) > 1:
            first, *others = (one.value for one in node.args if isinstance(one, nodes.Const))
            words += others if first in _CONTENT else []
        elif isinstance(node, nodes.Test) and node.name in ("in", "eq", "equalto", "sameas") and _of_conversation(node.node, scope):
            words += [one.value for argument in node.args for one in _constants(argument)]
        for word in words:
            if isinstance(word, str) and len(word) > 2 and word not in _CONTENT and not _MARKUP.search(word) and not _MODES.search(word):
                return word
    return None


def _is_random(test: nodes.Node) -> bool:
    return any(isinstance(one, nodes.Filter) and one.name == "random" for one in _all(test))


def _counts(test: nodes.Node, scope: _Scope) -> bool:
    """Return whether a condition waits for a number of messages."""
    for node in _all(test):
        if (
            isinstance(node, nodes.Compare)
            and any(_at_least(one, ("gt", "gteq", "eq"), _LATE) for one in node.ops)
            and _is_count(node.expr, scope)
        ):
            return True
    return False


def _is_count(node: nodes.Node, scope: _Scope) -> bool:
    if isinstance(node, nodes.Getattr) and node.attr in ("index", "index0"):
        return True
    counted = any(isinstance(one, nodes.Filter) and one.name in ("length", "count") for one in _all(node))
    of_messages = any(isinstance(one, nodes.Name) and "message" in one.name for one in _all(node))
    return counted and (of_messages or _of_conversation(node, scope))


def _at_least(operand: nodes.Operand, operators: tuple[str, ...], least: int) -> bool:
    number = operand.expr.value if isinstance(operand.expr, nodes.Const) else None
    return operand.op in operators and isinstance(number, int) and number >= least


def _begins_answer(test: nodes.Node) -> bool:
    """Return whether a condition asks for the beginning of the model's answer."""
    parts = [test.left, test.right] if isinstance(test, nodes.And) else [test]
    return any(isinstance(one, nodes.Name) and one.name == "add_generation_prompt" for one in parts)


def _role(test: nodes.Node) -> str | None:
    """Return the role that a condition asks for (not one that it excludes)."""
    parts = [test]
    while parts:
        node = parts.pop()
        if isinstance(node, nodes.And):
            parts += [node.left, node.right]
        elif isinstance(node, nodes.Compare) and len(node.ops) == 1 and node.ops[0].op == "eq":
            sides = (node.expr, node.ops[0].expr)
            names = {
                getattr(one, "attr", None) or getattr(getattr(one, "arg", None), "value", None) or getattr(one, "name", None)
                for one in sides
            }
            roles = [
                one.value
                for one in sides
                if isinstance(one, nodes.Const) and one.value in ("system", "user", "tool", "assistant", "developer", "function")
            ]
            if roles and "role" in names:
                return str(roles[0])
    return None


def _passes_on(body: Sequence[nodes.Node], scope: _Scope) -> bool:
    """Return whether a body uses what the message says, or hands the message to a macro."""
    for top in body:
        if isinstance(top, nodes.Assign) and _name_of(top.target) in scope.loops | scope.contents and not _of_conversation(top.node, scope):
            return False  # what the message says is forgotten
        for node in _all(top):
            if _of_conversation_itself(node, scope) or (
                isinstance(node, nodes.Call) and any(isinstance(one, nodes.Name) and one.name in scope.loops for one in node.args)
            ):
                return True
            if isinstance(node, (nodes.Getattr, nodes.Getitem)) and isinstance(node.node, nodes.Name) and node.node.name in scope.loops:
                attribute = node.attr if isinstance(node, nodes.Getattr) else getattr(node.arg, "value", None)
                if attribute not in ("role", "first", "last", "index", "index0"):
                    return True
    return False


def _of_conversation_itself(node: nodes.Node, scope: _Scope) -> bool:
    return _is_content(node) or (isinstance(node, nodes.Name) and node.ctx == "load" and node.name in _CONTENT | scope.contents)


def _behind(node: nodes.Output, scope: _Scope) -> Iterator[TemplateFinding]:
    """Judge an address in the same output as a message."""
    if not any(_of_conversation(one, scope) for one in node.nodes):
        return
    for text in _said(list(node.nodes)):
        yield from _address(text, node.lineno)


def _address(text: str, line: int) -> Iterator[TemplateFinding]:
    found = _ADDRESS.search(text) or _SITE.search(text)
    if found and (not _KNOWN_ADDRESS.match(found[0]) or _is_open(text)):
        yield TemplateFinding(BACKDOOR, f"it puts an address beside a message: {found[0][:100]}", line)


def _is_open(text: str) -> bool:
    """Return whether an address in a text ends where something can be appended to it."""
    return any(
        _OPEN_PARAMETER.search(match[0]) or (match[0].endswith(("=", "/", "?", "&", "#")) and text[match.end() :] in ("", "\n"))
        for match in _WHOLE_ADDRESS.finditer(text)
    )


def _joined(node: nodes.Add | nodes.Concat, scope: _Scope) -> Iterator[TemplateFinding]:
    """Judge the constant parts of a text together, and an address beside a message."""
    yield from _text("".join(_said([node])), node.lineno)
    if _of_conversation(node, scope):
        for one in _all(node):
            if isinstance(one, nodes.Const) and isinstance(one.value, str):
                yield from _address(one.value, node.lineno)


def _replaced(node: nodes.Filter | nodes.Call, scope: _Scope) -> Iterator[TemplateFinding]:
    """Judge words that are replaced in what people or tools say; marks and white space are removed by ordinary templates."""
    subject = node.node.node if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr) else node.node
    texts = [one.value for one in node.args[:2] if isinstance(one, nodes.Const) and isinstance(one.value, str)]
    if subject is None or len(texts) < 2 or not _of_conversation(subject, scope):
        return
    old, new = texts
    if (
        _ADDRESS.search(new)
        or PROSE.search(new)
        or (re.fullmatch(r"[\w .'-]{3,}", old) and re.search(r"\w{2,}", new) and not _MODES.search(old))
    ):
        yield TemplateFinding(BACKDOOR, f"it replaces {old[:40]!r} by {new[:60]!r} in what is said", node.lineno)
