"""Judges Python source by what it calls. It is parsed with Python's own parser, and never compiled or run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy, runs_code

_SEVERE = re.compile(
    r"(?:os|posix|nt)\.(?:system|popen\w*|exec\w+|spawn\w+|fork\w*|posix_spawn\w*|kill\w*|remove\w*|unlink|rmdir|rename\w*|chmod|chown|startfile|dup2|symlink|truncate|write)"
    r"|(?:subprocess|pty|socket|ctypes|telnetlib|ftplib|smtplib|paramiko|websocket|websockets|xmlrpc|urllib3|requests|httpx|aiohttp|webbrowser|winreg|runpy)\..+"
    r"|urllib\.request\..+|urllib2?\.(?:urlopen|urlretrieve)|http\.client\..+|asyncio\.(?:create_subprocess\w+|open_connection)"
    r"|builtins\.(?:eval|exec|execfile|compile|__import__|breakpoint)|marshal\.loads?|code\.\w*[iI]nteract\w*|shutil\.(?:rmtree|move|copy\w*)"
    r"|(?:_?[cC]?[pP]ickle|dill|cloudpickle|joblib|jsonpickle|shelve)\.(?:loads?|open|Unpickler)|multiprocessing\.Process|threading\.Timer"
    r"|torch\.(?:hub\.load|ops\.load_library|classes\.load_library|utils\.cpp_extension\.load\w*|from_file)|importlib\.util\..+"
)
_REACHING = frozenset({"__globals__", "__subclasses__", "__builtins__", "__code__", "__loader__", "__import__"})
_IMPORTS = ("builtins.__import__", "importlib.import_module", "importlib.__import__")
_GETS = ("builtins.getattr", "operator.attrgetter", "builtins.vars")
_BUILTINS = frozenset({"eval", "exec", "execfile", "compile", "__import__", "breakpoint", "getattr", "open", "vars", "globals"})
_EXPRESSION = re.compile(r"__\w+__|\w\s*\(")
_LONGEST = bounds.PYTHON_SOURCE
UNPARSED = (SyntaxError, ValueError, RecursionError, MemoryError)  # what Python's parser raises


@dataclass(slots=True)
class SourceCalls:
    """What a piece of Python calls: each name with its first line. `problem` is the gap if it was not parsed."""

    calls: dict[str, int] = field(default_factory=dict)
    problem: Gap | None = None


@dataclass(slots=True)
class SourceNodes:
    """The nodes of a module, what its names stand for, and what calls give that were looked at: calls of calls of calls would be looked at for each."""

    nodes: list[ast.AST]
    aliases: dict[str, str]
    given: dict[ast.Call, str] = field(default_factory=dict)


def severe(name: str) -> bool:
    """Return whether a call of that name starts programs, evaluates code, reaches the network or changes files."""
    return _SEVERE.fullmatch(name) is not None


def calls_of(text: str, expression: bool = False) -> SourceCalls:
    """Return what Python source, or one expression, calls, under the names by which modules export it."""
    if len(text) > _LONGEST:
        problem = f"Python source of more than {_LONGEST} characters was not parsed"
        return SourceCalls(problem=Gap(problem, engine="modelfiles", bound="python_source"))
    found = SourceCalls()
    try:
        names = nodes_of(text, expression)
        for node in names.nodes:
            for name in _called(node, names):
                found.calls.setdefault(name, getattr(node, "lineno", 1))
    except UNPARSED as error:
        return SourceCalls(problem=Gap(f"Python source was not parsed: {type(error).__name__}", engine="modelfiles"))
    return found


def nodes_of(text: str, expression: bool = False) -> SourceNodes:
    """Return the nodes of Python source, or of one expression, in the order of their depth. Raises what is in UNPARSED."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text, mode="eval" if expression else "exec")
    nodes = list(ast.walk(tree))
    names = SourceNodes(nodes, _aliases(nodes))
    for node in reversed(nodes):  # the inner ones first, so that no depth of calls is too deep
        if isinstance(node, ast.Call):
            _imported(node, names)
    return names


def expression_calls(text: str, policy: NamePolicy) -> Iterator[str]:
    """Yield the dangerous names that a text calls if somebody evaluates it as a Python expression."""
    if len(text) > bounds.PATH or not _EXPRESSION.search(text):
        return
    for name in calls_of(text.strip(), expression=True).calls:
        module, _, inner = name.rpartition(".")
        if severe(name) or runs_code(name) or (module and policy.judge(module, inner) == "dangerous"):
            yield name


def _aliases(nodes: list[ast.AST]) -> dict[str, str]:
    """Return what the names of a module stand for: imports, and names that are assigned another name."""
    found: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update((one.asname or one.name.split(".")[0], one.name if one.asname else one.name.split(".")[0]) for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.update((one.asname or one.name, f"{node.module}.{one.name}") for one in node.names)
    for node in nodes:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            try:
                name = dotted(node.value, SourceNodes([], found))
            except RecursionError:  # calls of calls of calls, which are not a name; the rest of the source still counts
                continue
            if name and name != node.targets[0].id and severe(name):
                found[node.targets[0].id] = name
    return found


def _called(node: ast.AST, names: SourceNodes) -> Iterator[str]:
    if isinstance(node, ast.Call):
        if name := dotted(node.func, names):
            yield name
        for argument in (*node.args, *(one.value for one in node.keywords)):  # a function that is passed on is called elsewhere
            passed = dotted(argument, names)
            if passed and severe(passed):
                yield passed
    elif isinstance(node, ast.Attribute) and node.attr in _REACHING:
        yield f"builtins.{node.attr}"
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield from (name for one in node.names if severe(name := f"{node.module}.{one.name}"))
    elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        yield from (name for one in node.decorator_list if (name := dotted(one, names)) and severe(name))


def dotted(node: ast.AST, names: SourceNodes) -> str:
    """Return the dotted name that an expression stands for; empty if it stands for none."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute | ast.Subscript):
        part = node.attr if isinstance(node, ast.Attribute) else node.slice.value if isinstance(node.slice, ast.Constant) else None
        if not isinstance(part, str):
            return ""
        parts.append(part)
        node = node.value
    if isinstance(node, ast.Name):
        first = names.aliases.get(node.id) or (f"builtins.{node.id}" if node.id in _BUILTINS else node.id)
        first = "builtins" if first == "__builtins__" else first
    elif isinstance(node, ast.Call):
        first = _imported(node, names)
    else:
        first = ""
    return ".".join([first, *(part for part in reversed(parts) if part != "__dict__")]) if first else ""


def _imported(node: ast.Call, names: SourceNodes) -> str:
    """Return what a call gives if it only looks up a module or an attribute by a constant name."""
    if node not in names.given:
        names.given[node] = _looked_up(node, names)
    return names.given[node]


def _looked_up(node: ast.Call, names: SourceNodes) -> str:
    function = dotted(node.func, names)
    texts = [one.value if isinstance(one, ast.Constant) and isinstance(one.value, str) else "" for one in node.args]
    if function in _IMPORTS and texts and texts[0]:
        return texts[0]
    owner = dotted(node.args[0], names) if function in _GETS and node.args else ""
    return f"{owner}.{texts[1]}" if owner and len(texts) > 1 and texts[1] else owner
