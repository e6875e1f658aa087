"""The lists agree with each other and with what libraries write."""

from __future__ import annotations

import datetime
import io
import pickle
import re
import sys
import warnings
import zipfile
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

from tests.cases import each
from tests.engines.modelfiles.building import dumps, npy, scan
from veritensor_ray.engines.modelfiles.naming.dangerous import IN_C
from veritensor_ray.engines.modelfiles.naming.harmless import EXACT
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy, listed, runs_code


def test_what_is_listed_as_harmless_is_not_dangerous() -> None:
    policy = NamePolicy()
    for line in EXACT.strip().split("\n"):
        module, _, names = line.partition(": ")
        for name in names.split():
            assert name == "~" or policy.judge(module, name) == "harmless", (module, name)


@pytest.mark.parametrize(
    ("module", "name", "verdict"),
    [
        ("torch", "hub.load" + ".A" * 2000, "dangerous"),
        ("m", "A" + ".A" * 2000, "unknown"),
        ("m" + ".m" * 2000, "A", "unknown"),
        ("sklearn.tree", "Tree" + ".A" * 2000, "harmless"),
    ],
)
def test_names_of_many_parts(module: str, name: str, verdict: str) -> None:
    assert NamePolicy().judge(module, name) == verdict


def test_the_work_on_a_name_does_not_grow_with_the_square_of_its_parts() -> None:
    class Asked(dict[str, frozenset[str]]):
        characters = 0

        def get(self, key: str, default: Any = None) -> Any:
            self.characters += len(key)
            return super().get(key, default)

    table = Asked()
    assert not listed(table, "m", "A" + ".A" * 2000)
    assert table.characters < 1000


def test_what_torch_loads_without_trust_is_harmless() -> None:
    from torch._weights_only_unpickler import _get_allowed_globals

    policy = NamePolicy()
    for name in _get_allowed_globals():
        module, _, attribute = name.rpartition(".")
        assert policy.judge(module, attribute) == "harmless", name


@each(
    ("module", "name", "verdict"),
    [
        ("os", "system", "dangerous"),
        ("os.path", "join", "dangerous"),
        ("_io", "open", "dangerous"),
        ("_io", "BytesIO", "harmless"),
        ("_pickle", "loads", "dangerous"),
        ("_asyncio", "Task", "dangerous"),
        ("_ctypes", "dlopen", "dangerous"),
        ("_operator", "methodcaller", "dangerous"),
        ("_functools", "partial", "dangerous"),
        ("_collections", "OrderedDict", "harmless"),
        ("_collections", "deque", "harmless"),
        ("_datetime", "datetime", "harmless"),
        ("_codecs", "encode", "harmless"),
        ("_decimal", "Decimal", "harmless"),
        ("_struct", "unpack", "unknown"),
        ("_torch", "Size", "unknown"),  # another package
        ("__io", "BytesIO", "unknown"),
        ("torch", "bcomplex32", "harmless"),
        ("torch", "float8_e4m3fn", "harmless"),
        ("torch", "float4_e2m1fn_x2", "harmless"),
        ("torch", "int_repr", "unknown"),
        ("torch", "float16.is_complex", "unknown"),
        ("torch.nn", "float16", "unknown"),
        ("torch", "load", "dangerous"),
        ("torch.hub", "load", "dangerous"),
        ("torch", "hub.load", "dangerous"),
        ("numpy", "load", "dangerous"),
        ("sklearn.datasets", "load_files", "dangerous"),
        ("sklearn.linear_model._logistic", "LogisticRegression", "harmless"),
        ("sklearn.linear_model._logistic", "Parallel", "unknown"),
        ("sklearn.linear_model._logistic", "delayed", "unknown"),
        ("sklearn.tree._tree", "__pyx_unpickle_Tree", "harmless"),
        ("torch.nn.modules.linear", "Linear", "harmless"),
        ("torch.nn.modules.linear", "Linear.forward", "unknown"),
        ("torch.nn.modules.linear", "init", "unknown"),
        ("pandas", "ExcelWriter", "dangerous"),
        ("__torch__.models.Net", "Net", "harmless"),
        ("my_code", "Model", "unknown"),
        ("osmnx", "graph", "unknown"),
        ("", "", "unknown"),
    ],
)
def test_verdicts(module: str, name: str, verdict: str) -> None:
    assert NamePolicy().judge(module, name) == verdict


def test_every_module_written_in_c_is_known() -> None:
    known = set(IN_C.split())
    here = {name for name in sys.stdlib_module_names if name.startswith("_") and name[1:] in sys.stdlib_module_names}
    assert here - known - {"_imp", "_thread"} == set()  # these two are listed themselves


def test_what_is_named_like_a_dtype_is_one() -> None:
    import torch

    named = [
        name for name in dir(torch) if NamePolicy().judge("torch", name) == "harmless" and re.fullmatch(r"[bq]?[a-z]+\d[a-z0-9_]*", name)
    ]
    assert len(named) > 20
    assert {name for name in named if not isinstance(getattr(torch, name), torch.dtype)} <= {"log10", "log1p", "log2", "relu6"}


@pytest.mark.parametrize(
    ("path", "runs"),
    [
        ("os.system", True),
        ("subprocess.Popen", True),
        ("_pickle.loads", True),
        ("_io.open", True),
        ("_io.BytesIO", False),
        ("torch.nn.Linear", False),
        ("functools.partial", False),
        ("system", False),
    ],
)
def test_targets(path: str, runs: bool) -> None:
    assert runs_code(path) is runs


def network() -> Any:
    import torch

    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(8, 2)
    )


def torch_bytes(value: Any, zipped: bool) -> bytes:
    import torch

    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=zipped)
    if not zipped:
        return out.getvalue()
    archive = zipfile.ZipFile(out)
    return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


def _checkpoint() -> Any:
    import torch

    return {
        "model": network().state_dict(),
        "optimizer": torch.optim.Adam(network().parameters()).state_dict(),
        "epoch": 3,
        "args": OrderedDict(),
    }


def _tensors() -> Any:
    import torch

    return [torch.ones(2, dtype=dtype) for dtype in (torch.float16, torch.bfloat16, torch.int8, torch.bool, torch.complex64)]


def _parameter() -> Any:
    import torch

    return torch.nn.Parameter(torch.ones(3))


def _sparse() -> Any:
    import torch

    return torch.ones(3).to_sparse()


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("made", [lambda: network().state_dict(), network, _checkpoint, _tensors, _parameter, _sparse])
def test_torch(made: Callable[[], Any], zipped: bool) -> None:
    assert scan(torch_bytes(made(), zipped)) == []


def test_a_tensor_pickled_without_torch_save() -> None:
    assert scan(pickle.dumps(network())) == []


@pytest.mark.parametrize("protocol", range(6))
def test_numpy_and_pandas_and_the_standard_library(protocol: int) -> None:
    frame = pd.DataFrame(
        {"a": [1, 2], "b": ["x", None], "c": pd.to_datetime(["2020-01-01", "2021-01-01"]), "d": pd.Categorical(["u", "v"])},
        index=pd.period_range("2020", periods=2, freq="M"),
    )
    arrays = [np.arange(3), np.float32(1), np.random.default_rng(1), np.random.RandomState(1), np.ma.array([1, 2]), np.array(["a"], object)]
    plain = [
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        Counter("abc"),
        defaultdict(list),
        PurePosixPath("a/b"),
        {1, 2},
        complex(1, 2),
        type(None),
        slice(1, 2),
        bytearray(b"x"),
        range(3),
        ValueError("x"),
    ]
    for value in (frame, frame["a"], arrays, plain):
        assert scan(dumps(value, protocol)) == []


def test_npy_with_objects() -> None:
    assert scan(npy(np.array([{"a": 1}, "text", None], object)), "a.npy") == []


ESTIMATORS = (
    "AdaBoostClassifier BayesianRidge BisectingKMeans CalibratedClassifierCV DBSCAN DecisionTreeClassifier DummyClassifier ElasticNet GaussianNB "
    "GaussianProcessClassifier GradientBoostingClassifier HistGradientBoostingClassifier IsolationForest IsotonicRegression KBinsDiscretizer "
    "KNeighborsClassifier KernelRidge LinearDiscriminantAnalysis LogisticRegression MLPClassifier OneHotEncoder PCA PolynomialFeatures "
    "RandomForestClassifier SGDClassifier SVC SelectKBest SimpleImputer SplineTransformer StandardScaler TargetEncoder TruncatedSVD"
)


def test_estimators() -> None:
    """Estimators of scikit-learn, pickled and with joblib. All 165 that fit such data were tried when the list was made."""
    utils = pytest.importorskip("sklearn.utils")
    rows = np.random.default_rng(0).random((30, 4))
    labels = (rows[:, 0] > 0.5).astype(int)
    count = 0
    for name, kind in utils.all_estimators():
        if name not in ESTIMATORS.split():
            continue
        options = {"max_iter": 20} if name in ("HistGradientBoostingClassifier", "MLPClassifier") else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = kind(**options).fit(rows[:, 0] if name == "IsotonicRegression" else rows, labels)
        out = io.BytesIO()
        joblib.dump(fitted, out)
        count += 1
        assert scan(pickle.dumps(fitted)) == [], name
        assert scan(out.getvalue(), "a.joblib") == [], name
    assert count > 25


def test_files_that_numpy_ships() -> None:
    """Objects written by Python 2 and 3, under all the names that NumPy's modules have had."""
    folder = Path(np.__file__).parent / "lib/tests/data"
    paths = sorted(folder.glob("*.npy"))
    for path in paths:
        assert scan(path.read_bytes(), path.name) == [], path


@each(
    ("runs", "acts"),
    [
        ("torch.utils.collect_env.run", "torch.utils.collect_env.get_env_info"),
        ("torch.utils.data.datapipes.utils.decoder.basichandlers", "torch.utils.data.datapipes.iter.FileOpener"),
        ("torch._inductor.codecache.PyCodeCache.load", "torch.compile"),
        ("torch.testing._internal.common_utils.shell", "torch.testing.assert_close"),
        ("torch.fx.experimental.symbolic_shapes.ShapeEnv", "torch.fx._symbolic_trace.symbolic_trace"),
        ("torch.distributed.elastic.multiprocessing.start_processes", "torch.distributed.elastic.multiprocessing.errors.record"),
        ("numpy.testing._private.utils.runstring", "numpy.testing.assert_allclose"),
        ("pandas.io.pickle.read_pickle", "pandas.io.json.read_json"),
        ("psutil.Popen", "psutil.cpu_count"),
        ("timeit.timeit", "timeit.default_timer"),
        ("gettext.c2py", "gettext.gettext"),
        ("site.addsitedir", "site.getsitepackages"),
        ("platform.popen", "platform.system"),
        ("commands.getoutput", "commands.train"),
        ("logging.config.fileConfig", "logging.config.dictConfig"),
        ("unittest.main", "unittest.mock.Mock"),
        ("pytest.main", "pytest.fixture"),
        ("jinja2.utils.import_string", "jinja2.Template"),
        ("nltk.data.load", "nltk.data.find"),
        ("tornado.util.exec_in", "tornado.web.Application"),
        ("accelerate.commands.launch.launch_command", "os.path.join"),
        ("mlflow.projects.run", "mlflow.start_run"),
        ("hydra._internal.instantiate._instantiate2.instantiate", "hydra._internal.core_plugins.basic_launcher.BasicLauncher"),
    ],
)
def test_the_name_that_is_listed_more_exactly_counts_and_a_pickle_may_call_neither(runs: str, acts: str) -> None:
    assert [runs_code(runs), runs_code(acts)] == [True, False]
    for path in (runs, acts):
        module, _, name = path.rpartition(".")
        assert NamePolicy().judge(module, name) == "dangerous"
