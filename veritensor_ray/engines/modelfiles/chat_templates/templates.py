"""Checks Jinja templates by their syntax tree. They are parsed, never rendered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from veritensor_ray.core import bounds
from veritensor_ray.engines.modelfiles.chat_templates.template_backdoors import check_backdoors
from veritensor_ray.engines.modelfiles.chat_templates.template_bombs import check_bombs
from veritensor_ray.engines.modelfiles.chat_templates.template_findings import ESCAPE, FILES, UNREADABLE, TemplateFinding

LARGEST = bounds.TEMPLATE
_NODES = bounds.TEMPLATE_NODES
_COMPARED = 20_000  # nodes of a template whose texts and loops are judged; real ones have a few thousand
_FOLDED = 1000
_DEPTH = 12
_HIDDEN = re.compile(
    r"(?<!_)__[^\Wa-zA-Z]*+[a-zA-Z]|(?<!\w)(mro|gi_frame|gi_code|cr_frame|f_globals|f_builtins|func_globals|co_consts|tb_frame)(?!\w)"
)
_REACHING = re.compile(
    r"__(class|mro|bases?|subclasses|globals|builtins|init|import|getattribute|getattr|dict|self|code|reduce|reduce_ex|loader|spec|getitem|"
    r"closure|wrapped|call|new|module|func)__"
)
PLAIN = re.compile(r"__(globals|builtins|subclasses|mro|bases|import|code|reduce|reduce_ex|loader)__")
_GLOBALS = frozenset({"lipsum", "cycler", "joiner", "self", "request", "url_for", "get_flashed_messages"})
_BY_NAME = frozenset(
    {"attr", "map", "selectattr", "rejectattr", "groupby", "sort", "sum", "min", "max", "unique"}
)  # filters that take a name
_LOADS = re.compile(r"{%-?\+?\s*(include|import|extends|from)\b")


class _Generation(Extension):
    """The tag with which templates mark the model's output. Its body is part of the template."""

    tags = {"generation"}  # noqa: RUF012  # as in the base class

    def parse(self, parser: Parser) -> Any:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


def check(template: str) -> list[TemplateFinding]:
    """Return all findings in a template, each only once. Does not raise."""
    if len(template) > LARGEST:
        return [*_by_text(template), TemplateFinding(UNREADABLE, f"{len(template)} characters; {LARGEST} are read", 1)]
    environment = Environment(extensions=["jinja2.ext.loopcontrols", "jinja2.ext.do", _Generation], autoescape=True)
    try:
        tree = environment.parse(template)
        found = list(_walk(tree))
    except RecursionError:
        return [*_by_text(template), TemplateFinding(UNREADABLE, "nested too deeply", 1)]
    except Exception as error:  # noqa: BLE001  # the boundary of a template: huge numbers and unusual characters raise other errors too
        return [
            *_by_text(template),
            TemplateFinding(UNREADABLE, "it does not parse", getattr(error, "lineno", 1) or 1),
        ]
    first: dict[tuple[str, str], TemplateFinding] = {}
    for one in found:
        first.setdefault((one.rule, one.what), one)
    return list(first.values())


def _by_text(template: str) -> Iterator[TemplateFinding]:
    """Yield findings by text search in a template that does not parse, because another implementation may accept it."""
    opened = re.search(r"{[{%]", template)
    for match in islice(_REACHING.finditer(template, opened.start()), 100) if opened else ():
        yield TemplateFinding(ESCAPE, match[0], template.count("\n", 0, match.start()) + 1)
    loads = _LOADS.search(template)
    if loads:
        yield TemplateFinding(FILES, loads[1], template.count("\n", 0, loads.start()) + 1)


def _walk(tree: nodes.Template) -> Iterator[TemplateFinding]:
    known = _assigned(tree)
    blocks = {f"self.{block.name}" for block in tree.find_all(nodes.Block)}
    for count, node in enumerate(_all(tree), 1):
        yield from (found for found in _look(node, known) if found.what not in blocks)
        if count == _NODES:
            yield TemplateFinding(UNREADABLE, f"more than {_NODES} nodes", node.lineno)
            return
    if sum(1 for _ in _all(tree)) > _COMPARED:
        yield TemplateFinding(UNREADABLE, f"more than {_COMPARED} nodes, so what it says was not judged", 1, "medium")
        return
    yield from check_backdoors(tree)
    yield from check_bombs(tree)


def _assigned(tree: nodes.Template) -> dict[str, str]:
    """Return the variables that are set to a constant text somewhere, with their texts."""
    found: dict[str, str] = {}
    for node in _all(tree):
        if isinstance(node, nodes.Assign) and isinstance(node.target, nodes.Name):
            text = _folded(node.node, found)
            if text:
                found[node.target.name] = text
    return found


def _all(tree: nodes.Node) -> Iterator[nodes.Node]:
    stack = [tree]
    count = 0
    while stack and count < _NODES:
        node = stack.pop()
        stack.extend(reversed(list(node.iter_child_nodes())))
        count += 1
        yield node


def _look(node: nodes.Node, known: dict[str, str]) -> Iterator[TemplateFinding]:
    if isinstance(node, nodes.Getattr):
        yield from _attribute(node.attr, node.lineno)
        yield from _of_global(node.node, node.attr, node.lineno)
    elif isinstance(node, nodes.Getitem):
        text = _folded(node.arg, known)
        if text is not None:
            yield from _attribute(text, node.lineno)
        elif "__" in _pieces(node.arg, known):
            yield TemplateFinding(ESCAPE, f"[{_pieces(node.arg, known)[:80]}…]", node.lineno)
        yield from _of_global(node.node, text or "…", node.lineno)
    elif isinstance(node, nodes.Filter) and node.name in _BY_NAME:
        yield from _filter(node, known)
    elif isinstance(node, nodes.Const) and isinstance(node.value, str) and (match := _REACHING.search(node.value)):
        yield TemplateFinding(ESCAPE, match[0], node.lineno)
    elif isinstance(node, (nodes.Add, nodes.Concat)):
        text = _folded(node, known)
        if text and (match := _REACHING.search(text)):
            yield TemplateFinding(ESCAPE, match[0], node.lineno)
    elif isinstance(node, (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)):
        text = _folded(node.template, known)
        yield TemplateFinding(FILES, f"{type(node).__name__.lower()} {text or ''}".strip(), node.lineno)


def _attribute(name: str, line: int) -> Iterator[TemplateFinding]:
    if _is_hidden(name):
        yield TemplateFinding(ESCAPE, name[:80], line)


def _is_hidden(name: str) -> bool:
    return _HIDDEN.search(name[:_FOLDED]) is not None  # no attribute has a longer name


def _of_global(node: nodes.Node, attribute: str, line: int) -> Iterator[TemplateFinding]:
    """Check for attributes of functions that Jinja and web frameworks add to every template: taking one is a way to reach their globals."""
    if isinstance(node, nodes.Name) and node.name in _GLOBALS and node.ctx == "load" and not _is_hidden(attribute):
        yield TemplateFinding(ESCAPE, f"{node.name}.{attribute[:80]}", line, severity="medium")


def _filter(node: nodes.Filter, known: dict[str, str]) -> Iterator[TemplateFinding]:
    arguments = [*node.args, *(keyword.value for keyword in node.kwargs)]
    for argument in arguments:
        text = _folded(argument, known)
        if text is not None:
            yield from _attribute(text, node.lineno)
        elif "__" in _pieces(argument, known):
            yield TemplateFinding(ESCAPE, f"{node.name}({_pieces(argument, known)[:80]}…)", node.lineno)
    if node.name == "attr" and arguments and _folded(arguments[0], known) is None:
        yield TemplateFinding(ESCAPE, "attr() of a computed name", node.lineno, severity="medium")


def _pieces(node: nodes.Node, known: dict[str, str]) -> str:
    """Return the constant texts in an expression, concatenated."""
    values = [known.get(child.name) if isinstance(child, nodes.Name) else getattr(child, "value", None) for child in _all(node)]
    return "".join(value for value in values if isinstance(value, str))[:_FOLDED]


def _folded(node: nodes.Node | None, known: dict[str, str], depth: int = 0) -> str | None:
    """Return the text of a constant expression, or None for any other. Jinja's own constant folding would compute `10**10**10`."""
    if depth > _DEPTH or node is None:
        return None
    if isinstance(node, nodes.Const):
        return str(node.value)[:_FOLDED] if isinstance(node.value, (str, int)) else None
    if isinstance(node, nodes.Name):
        return known.get(node.name)
    if isinstance(node, nodes.Add):
        return _joined([node.left, node.right], known, depth)
    if isinstance(node, (nodes.Concat, nodes.List, nodes.Tuple)):
        return _joined(node.nodes if isinstance(node, nodes.Concat) else node.items, known, depth)
    if isinstance(node, nodes.Filter) and node.node is not None:
        return _filtered(node, known, depth)
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
        return _method(node, node.node, known, depth)
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Slice):
        text = _folded(node.node, known, depth + 1)
        return text[::-1] if text is not None and _is_reversal(node.arg) else None
    return None


def _joined(parts: list[nodes.Expr], known: dict[str, str], depth: int) -> str | None:
    texts = [_folded(part, known, depth + 1) for part in parts[:64]]
    return None if None in texts else "".join(text or "" for text in texts)[:_FOLDED]


def _filtered(node: nodes.Filter, known: dict[str, str], depth: int) -> str | None:
    text = _folded(node.node, known, depth + 1)
    arguments = [_folded(argument, known, depth + 1) for argument in node.args]
    return None if text is None or None in arguments else _applied(node.name, text, [argument or "" for argument in arguments])


def _method(node: nodes.Call, method: nodes.Getattr, known: dict[str, str], depth: int) -> str | None:
    text = _folded(method.node, known, depth + 1)
    arguments = [_folded(argument, known, depth + 1) for argument in node.args]
    if method.attr == "join" and text is not None and len(arguments) == 1:
        return arguments[0]
    return None if text is None or None in arguments else _applied(method.attr, text, [argument or "" for argument in arguments])


def _applied(name: str, text: str, arguments: list[str]) -> str | None:
    """Apply a filter or method that is used to hide such names; None for an unsupported one."""
    if name == "replace" and len(arguments) >= 2:
        return text.replace(arguments[0], arguments[1])[:_FOLDED] if arguments[0] else None
    if name == "format":
        return re.sub(r"%s|\{\d?\}", lambda _: arguments.pop(0) if arguments else "", text)[:_FOLDED]
    simple: dict[str, Callable[[str], str]] = {
        "lower": str.lower,
        "upper": str.upper,
        "trim": str.strip,
        "strip": str.strip,
        "string": str,
        "safe": str,
        "join": str,
    }
    if name == "reverse":
        return text[::-1]
    return simple[name](text) if name in simple else None


def _is_reversal(part: nodes.Slice) -> bool:
    step = part.step
    if isinstance(step, nodes.Neg):
        step = step.node
        return isinstance(step, nodes.Const) and step.value == 1
    return False
