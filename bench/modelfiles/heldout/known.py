"""Attacks of the kinds that have been known for years, in each protocol and container."""

from __future__ import annotations

from collections.abc import Iterator

from bench.modelfiles.heldout.opcodes import (
    ECHO,
    NEWDICT,
    NONE,
    SYSTEM,
    WEIGHTS,
    call,
    done,
    framed,
    list_of,
    method,
    name,
    object_array,
    raw,
    stacked,
    tensor_state,
    text,
    torch_zip,
    tuple_of,
)  # fmt: skip
from bench.modelfiles.heldout.parts import tarred, zipped
from bench.modelfiles.heldout.sample import Group, Sample

group = Group("well-known")


def protocols() -> Iterator[Sample]:
    """Yield os.system in each protocol."""
    plain = b"(S'echo harmless'\ntR."
    yield from group.pairs(
        ("protocol-0", "p0.pkl", b"cos\nsystem\n" + plain, b"ccollections\nCounter\n" + plain, "pickle.load starts the command"),
        ("protocol-1", "p1.pkl", b"cposix\nsystem\nq\x00(U\x04echoq\x01tq\x02Rq\x03.", b"ccollections\nCounter\nq\x00(U\x04echoq\x01tq\x02Rq\x03.",
         "pickle.load starts the command"),
    )  # fmt: skip
    for number in (2, 3):
        yield from group.pair(
            f"protocol-{number}",
            f"p{number}.pkl",
            done(SYSTEM, number),
            done(call("collections:Counter", ECHO), number),
            "pickle.load starts the command",
        )
    for number in (4, 5):
        yield from group.pair(
            f"protocol-{number}",
            f"p{number}.pkl",
            framed(call(stacked("nt:system"), ECHO), number),
            framed(call(stacked("collections:Counter"), ECHO), number),
            "pickle.load starts the command",
        )


def containers() -> Iterator[Sample]:
    """Yield a pickle in each container."""
    evil, good = call("builtins:exec", "print(1)"), tensor_state()
    for file in ("pytorch_model.bin", "model.pt", "model.pth", "last.ckpt", "learner.pkl"):
        yield from group.pair(f"torch-{file}", file, torch_zip(done(evil, 2)), torch_zip(done(good, 2)), "torch.load runs the text")
    yield from group.pairs(
        ("npy", "a.npy", object_array(done(evil)), object_array(done(list_of("a"))), "numpy.load with allow_pickle runs the text"),
        ("npz", "a.npz", zipped({"a.npy": object_array(done(evil))}), zipped({"a.npy": object_array(done(list_of("a")))}),
         "numpy.load with allow_pickle runs the text"),
        ("tar", "model.tar", tarred({"m/model.pkl": done(evil)}), tarred({"m/model.pkl": WEIGHTS}), "the program that unpacks it unpickles the member"),
        ("zip", "bundle.zip", zipped({"m/model.pkl": done(evil)}, packed=True), zipped({"m/model.pkl": WEIGHTS}, packed=True),
         "the program that unpacks it unpickles the member"),
    )  # fmt: skip


def functions() -> Iterator[Sample]:
    """Yield the functions that everybody uses."""

    def counter(*values: bytes | str | int) -> bytes:
        return call("collections:Counter", *values)

    for label, attack, twin, effect in (
        ("popen", call("subprocess:Popen", list_of("echo", "harmless")), counter(list_of("echo", "harmless")), "starts a program"),
        ("check-output", call("subprocess:check_output", list_of("echo")), counter(list_of("echo")), "starts a program"),
        ("eval", call("__builtin__:eval", "1+1"), counter("1+1"), "evaluates text"),
        ("webbrowser", call("webbrowser:open", "https://example.com"), counter("https://example.com"), "opens an address"),
        ("runpy", call("runpy:run_path", "/tmp/x/y.py"), counter("/tmp/x/y.py"), "runs a script"),
        ("pty", call("pty:spawn", "/bin/sh"), counter("/bin/sh"), "starts a shell"),
        ("socket", call("socket:create_connection", tuple_of("example.com", 80)), call("collections:Counter", list_of("example.com")), "connects to a host"),
        ("urlopen", call("urllib.request:urlopen", "https://example.com"), counter("https://example.com"), "fetches an address"),
        ("requests", call("requests.api:get", "https://example.com"), counter("https://example.com"), "fetches an address"),
        ("rmtree", call("shutil:rmtree", "/tmp/x"), counter("/tmp/x"), "removes a folder"),
        ("open-write", call("builtins:open", "/tmp/x/y", "w"), counter("/tmp/x/y"), "creates a file"),
        ("ctypes", call("ctypes:CDLL", "/tmp/x/liby.so"), counter("/tmp/x/liby.so"), "loads a library"),
        ("pip", call("pip._internal.cli.main:main", list_of("install", "x")), counter(list_of("install", "x")), "installs a package"),
        ("code", call(method("code:InteractiveInterpreter", "runcode"), name("code:InteractiveInterpreter"), "1"), counter("1"), "runs code"),
        ("marshal", call("types:FunctionType", call("marshal:loads", raw(b"\xe3")), NEWDICT), counter(text("x")), "makes a function of marshalled code"),
        ("cloudpickle", call("cloudpickle.cloudpickle:_make_function", NONE, NEWDICT), call("collections:OrderedDict"), "makes a function of code"),
        ("timeit", call("timeit:timeit", "print(1)"), counter("print(1)"), "runs text"),
        ("importlib", call("importlib:import_module", "antigravity"), counter("antigravity"), "imports a module"),
    ):  # fmt: skip
        yield from group.pair(label, f"{label}.pkl", done(attack), done(twin), f"pickle.load {effect}")


def samples() -> Iterator[Sample]:
    """Yield the samples of this class."""
    yield from (*protocols(), *containers(), *functions())
