"""Judges how much a template computes: ranges, products of loops, texts that double, macros without an end. Nothing is computed."""

from __future__ import annotations

from collections.abc import Iterator
from math import log10

from jinja2 import nodes

from veritensor_ray.engines.modelfiles.chat_templates.template_findings import BOMB, TemplateFinding

_ROUNDS = 6.0  # decimal digits of the rounds of nested loops, or of the length of a text
_DIGITS = 4000.0
_NESTED = 4  # loops over the same list, one within another
_GROWING = frozenset({"center", "indent", "wordwrap", "ljust", "rjust", "zfill", "truncate"})


def check_bombs(tree: nodes.Template) -> Iterator[TemplateFinding]:
    """Yield the findings in a parsed template."""
    numbers = {
        node.target.name: size
        for node in tree.find_all(nodes.Assign)
        if isinstance(node.target, nodes.Name) and (size := _size(node.node, {})) is not None
    }
    yield from _loops(tree, numbers, 0.0, ())
    for macro in tree.find_all(nodes.Macro):
        yield from _macro(macro)
    for node in tree.find_all((nodes.Mul, nodes.Pow, nodes.Call, nodes.Filter)):
        yield from _large(node, numbers)


def _size(node: nodes.Node, numbers: dict[str, float], depth: int = 0) -> float | None:
    """Return the decimal logarithm of a constant number, None for what is not one."""
    if depth > 20:
        return None
    if isinstance(node, nodes.Const) and type(node.value) in (int, float) and node.value >= 0:
        return log10(max(1, min(node.value, 10**300)))
    if isinstance(node, nodes.Name):
        return numbers.get(node.name)
    if isinstance(node, (nodes.Mul, nodes.Add, nodes.Pow)):
        left, right = _size(node.left, numbers, depth + 1), _size(node.right, numbers, depth + 1)
        if left is None or right is None:
            return None
        return (
            left + right
            if isinstance(node, nodes.Mul)
            else max(left, right) + 0.01
            if isinstance(node, nodes.Add)
            else left * 10 ** min(right, 9)
        )
    if isinstance(node, nodes.Filter) and node.name == "int" and node.node is not None:
        return _size(node.node, numbers, depth + 1)
    return None


def _rounds(node: nodes.Node, numbers: dict[str, float]) -> float:
    """Return the decimal logarithm of the rounds of a loop, as far as the template says how many."""
    ranges = [one for one in node.find_all(nodes.Call) if isinstance(one.node, nodes.Name) and one.node.name == "range"]
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name == "range":
        ranges.append(node)
    return max((size for one in ranges for argument in one.args[:2] if (size := _size(argument, numbers)) is not None), default=0.0)


def _loops(node: nodes.Node, numbers: dict[str, float], rounds: float, lists: tuple[str, ...]) -> Iterator[TemplateFinding]:
    if isinstance(node, nodes.For):
        rounds += _rounds(node.iter, numbers)
        lists = (*lists, node.iter.name) if isinstance(node.iter, nodes.Name) else lists
        if rounds > _ROUNDS:
            yield TemplateFinding(BOMB, f"a loop of about 10 to the power of {min(rounds, 999):.0f} rounds", node.lineno)
            return
        if lists and lists.count(lists[-1]) >= _NESTED:
            yield TemplateFinding(BOMB, f"{_NESTED} loops over {lists[-1]} within one another", node.lineno)
            return
        yield from _doubling(node)
        if node.recursive:
            yield from _recursive(node)
    for child in node.iter_child_nodes():
        yield from _loops(child, numbers, rounds, lists)


def _key(node: nodes.Node) -> str:
    if isinstance(node, nodes.NSRef):
        return f"{node.name}.{node.attr}"
    return f"{_key(node.node)}.{node.attr}" if isinstance(node, nodes.Getattr) else str(getattr(node, "name", ""))


def _doubling(loop: nodes.For) -> Iterator[TemplateFinding]:
    """Find a text or number that a loop adds to itself or multiplies by itself."""
    for node in loop.find_all(nodes.Assign):
        name = _key(node.target)
        for one in node.node.find_all((nodes.Add, nodes.Concat, nodes.Mul)) if not isinstance(node.node, nodes.Name) else ():
            yield from _doubled(one, name)
        if isinstance(node.node, (nodes.Add, nodes.Concat, nodes.Mul)):
            yield from _doubled(node.node, name)


def _doubled(node: nodes.Node, name: str) -> Iterator[TemplateFinding]:
    within = [one for one in [node, *node.find_all((nodes.Name, nodes.Getattr))] if _key(one) == name]
    if name and len(within) >= 2:
        yield TemplateFinding(BOMB, f"{name[:60]} doubles in every round of a loop", node.lineno)


def _recursive(loop: nodes.For) -> Iterator[TemplateFinding]:
    for call in loop.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "loop" and call.args and call.args[0] == loop.iter:
            yield TemplateFinding(BOMB, "a loop calls itself with the same list", call.lineno)


def _macro(macro: nodes.Macro) -> Iterator[TemplateFinding]:
    """Find a macro that always calls itself, or twice with a number that it counts."""
    sure = [call for call in _sure_calls(macro.body) if isinstance(call.node, nodes.Name) and call.node.name == macro.name]
    calls = [call for call in macro.find_all(nodes.Call) if isinstance(call.node, nodes.Name) and call.node.name == macro.name]
    counting = [
        call for call in calls if any(isinstance(one, (nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv)) for one in call.args)
    ]
    names = [argument.name for argument in macro.args]
    same = [call for call in calls if names and [getattr(one, "name", None) for one in call.args] == names]
    if sure or same:
        yield TemplateFinding(BOMB, f"the macro {macro.name[:60]} calls itself endlessly", macro.lineno)
    elif len(counting) >= 2:
        yield TemplateFinding(BOMB, f"the macro {macro.name[:60]} calls itself twice each time", macro.lineno)


def _sure_calls(body: list[nodes.Node]) -> Iterator[nodes.Call]:
    """Yield the calls that happen whatever a macro is given."""
    for node in body:
        if isinstance(node, nodes.Output):
            for one in node.nodes:
                if isinstance(one, nodes.Call):
                    yield one
                if not isinstance(one, nodes.CondExpr):
                    yield from one.find_all(nodes.Call)
        elif isinstance(node, nodes.Assign):
            yield from [node.node] if isinstance(node.node, nodes.Call) else node.node.find_all(nodes.Call)


def _large(node: nodes.Node, numbers: dict[str, float]) -> Iterator[TemplateFinding]:
    size = None
    if isinstance(node, nodes.Pow):
        size = _size(node, numbers)
        if size is None or size <= _DIGITS:
            return
    elif isinstance(node, nodes.Mul):
        for text, times in ((node.left, node.right), (node.right, node.left)):
            if (isinstance(text, nodes.Const) and isinstance(text.value, str)) or isinstance(text, (nodes.List, nodes.Tuple)):
                size = _size(times, numbers)
    elif isinstance(node, nodes.Filter) and node.name in _GROWING:
        size = max((found for one in node.args[:1] if (found := _size(one, numbers)) is not None), default=None)
    elif (
        isinstance(node, nodes.Filter)
        and node.name in ("list", "join", "sum", "length", "string", "reverse", "batch")
        and node.node is not None
    ):
        size = _rounds(node.node, numbers)
    elif isinstance(node, nodes.Call):
        name = getattr(node.node, "attr", getattr(node.node, "name", ""))
        if name in _GROWING or name == "lipsum":
            size = max((found for one in node.args[:1] if (found := _size(one, numbers)) is not None), default=None)
    if size is not None and size > _ROUNDS:
        yield TemplateFinding(BOMB, f"a value of about 10 to the power of {min(size, 999):.0f}", node.lineno)
