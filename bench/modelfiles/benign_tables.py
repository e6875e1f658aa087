"""Write the files of libraries for tables, statistics and words: scikit-learn, boosting, pandas, NumPy, statsmodels, gensim, NLTK."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module as lib
from pathlib import Path
from typing import Any

from bench.modelfiles.benign import Write

_COMPRESSORS: tuple[tuple[str, Any], ...] = (
    ("joblib", 0), ("joblib.z", ("zlib", 3)), ("joblib.gz", ("gzip", 3)), ("joblib.bz2", ("bz2", 3)), ("joblib.xz", ("xz", 3)),
    ("joblib.lz4", ("lz4", 3)), ("pkl", 3),
)  # fmt: skip


def dump(value: object, protocol: int, path: Path) -> None:
    """Write a pickle."""
    path.write_bytes(pickle.dumps(value, protocol))


def pickled(name: str, value: object, protocols: tuple[int, ...] = (0, 1, 2, 3, 4, 5)) -> Iterator[Write]:
    """Yield a pickle of each protocol."""
    yield from ((f"{name}.p{number}.pkl", partial(dump, value, number)) for number in protocols)


def _fitted(name: str, kind: Any, data: tuple[Any, Any, Any]) -> Any:
    numbers, classes, targets = data
    wrapped = lib("sklearn.linear_model").LogisticRegression()
    several = [("a", wrapped), ("b", lib("sklearn.tree").DecisionTreeClassifier(max_depth=2))]
    special: dict[str, Callable[[], Any]] = {
        "ColumnTransformer": lambda: kind([("s", lib("sklearn.preprocessing").StandardScaler(), [0, 1])]),
        "FeatureUnion": lambda: kind([("p", lib("sklearn.decomposition").PCA(2))]),
        "Pipeline": lambda: kind([("s", lib("sklearn.preprocessing").StandardScaler()), ("c", wrapped)]),
        "StackingClassifier": lambda: kind(several), "VotingClassifier": lambda: kind(several),
        "StackingRegressor": lambda: kind([("r", lib("sklearn.linear_model").Ridge())]),
        "VotingRegressor": lambda: kind([("r", lib("sklearn.linear_model").Ridge())]),
        "GridSearchCV": lambda: kind(wrapped, {"C": [0.1, 1]}, cv=2), "RandomizedSearchCV": lambda: kind(wrapped, {"C": [0.1, 1]}, n_iter=2, cv=2),
        "SparseCoder": lambda: kind(numbers[:4]),
    }  # fmt: skip
    made = None
    if name in special:
        made = special[name]()
    else:
        for arguments in ((), (wrapped,), (lib("sklearn.linear_model").Ridge(),)):
            try:
                made = kind(*arguments)
                break
            except TypeError:
                continue
    for target in (classes, targets, abs(numbers)):
        try:
            return made.fit(abs(numbers) if name.endswith(("NB", "Chi2Sampler")) else numbers, target)  # type: ignore[union-attr]
        except (ValueError, TypeError, AttributeError):
            continue
    return made


def _onnx(model: Any, numbers: Any, path: Path) -> None:
    path.write_bytes(lib("skl2onnx").to_onnx(model, numbers[:1].astype("float32")).SerializeToString())


def sklearn() -> Iterator[Write]:
    """Yield every estimator as a pickle, with joblib, with skops and as ONNX."""
    lib("sklearn.experimental.enable_halving_search_cv"), lib("sklearn.experimental.enable_iterative_imputer")
    numbers, classes = lib("sklearn.datasets").make_classification(60, 6, random_state=0)
    joblib = lib("joblib")
    for count, (name, kind) in enumerate(lib("sklearn.utils").all_estimators()):
        try:
            model = _fitted(name, kind, (numbers, classes, numbers[:, 0] * 2))
        except Exception:  # noqa: S112, BLE001  # the boundary of one estimator: the next one is wanted
            continue
        suffix, compress = _COMPRESSORS[count % len(_COMPRESSORS)]
        yield f"{name}.{suffix}", lambda path, m=model, c=compress, p=count % 4 + 2: joblib.dump(m, path, compress=c, protocol=p)
        yield f"{name}.pickle", partial(dump, model, count % 6)
        yield f"{name}.skops", lambda path, m=model: lib("skops.io").dump(m, path)
        yield f"{name}.onnx", partial(_onnx, model, numbers)
        if count % 9 == 0:
            yield f"{name}.cloudpickle.pkl", lambda path, m=model: path.write_bytes(lib("cloudpickle").dumps(m))
    yield from _text_pipelines(joblib)


def _text_pipelines(joblib: Any) -> Iterator[Write]:
    text, compose = lib("sklearn.feature_extraction.text"), lib("sklearn.pipeline")
    docs, marks = ["a small corpus of words", "other words in a line", "the third of them"], [0, 1, 0]
    for vector in ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer"):
        for tail in ("LogisticRegression", "SGDClassifier", "Perceptron"):
            made = compose.make_pipeline(getattr(text, vector)(), getattr(lib("sklearn.linear_model"), tail)()).fit(docs, marks)
            yield f"text/{vector}-{tail}.joblib", lambda path, m=made: joblib.dump(m, path)
            yield f"text/{vector}-{tail}.pkl", partial(dump, made, 4)


def boosting() -> Iterator[Write]:
    """Yield boosted trees in the libraries' own formats and as pickles."""
    numbers, classes = lib("sklearn.datasets").make_classification(80, 6, random_state=0)
    xgb = lib("xgboost")
    for name in ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor", "XGBRanker"):
        more = {"group": [40, 40]} if name == "XGBRanker" else {}
        model = getattr(xgb, name)(n_estimators=4, max_depth=2).fit(numbers, classes, **more)
        for suffix in ("json", "ubj", "deprecated"):
            yield f"xgboost/{name}.{suffix}", lambda path, m=model: m.save_model(str(path))
        yield from pickled(f"xgboost/{name}", model, (2, 4, 5))
        yield f"xgboost/{name}.joblib", lambda path, m=model: lib("joblib").dump(m, path)
        yield f"xgboost/{name}.booster.pkl", partial(dump, model.get_booster(), 4)
    lgb = lib("lightgbm")
    for name in ("LGBMClassifier", "LGBMRegressor"):
        model = getattr(lgb, name)(n_estimators=4, max_depth=2, min_child_samples=2, verbose=-1).fit(numbers, classes)
        yield f"lightgbm/{name}.txt", lambda path, m=model: m.booster_.save_model(str(path))
        yield f"lightgbm/{name}.json", lambda path, m=model: path.write_text(json.dumps(m.booster_.dump_model()))
        yield from pickled(f"lightgbm/{name}", model, (0, 2, 4, 5))
        yield f"lightgbm/{name}.joblib", lambda path, m=model: lib("joblib").dump(m, path, compress=3)
    cat = lib("catboost")
    for name in ("CatBoostClassifier", "CatBoostRegressor"):
        model = getattr(cat, name)(iterations=4, depth=2, verbose=0, allow_writing_files=False).fit(numbers, classes)
        for suffix in ("cbm", "json", "onnx", "cpp", "py", "coreml"):
            yield f"catboost/{name}.{suffix}", lambda path, m=model: m.save_model(str(path), format=path.suffix[1:].replace("py", "python"))
        yield from pickled(f"catboost/{name}", model, (2, 4))


def frames() -> Iterator[Write]:
    """Yield pandas and NumPy objects in their formats."""
    np, pd = lib("numpy"), lib("pandas")
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, 1.5, None], "s": ["a", "b", None], "t": pd.date_range("2026-01-01", periods=3)})
    objects = {
        "frame": frame, "categories": frame.assign(c=pd.Categorical(["u", "v", "u"])), "series": frame["n"], "index": frame.set_index("t"),
        "multi": frame.set_index(["n", "s"]), "zones": frame["t"].dt.tz_localize("Europe/Berlin"), "strings": frame["s"].astype("string"),
        "intervals": pd.interval_range(0, 5), "periods": pd.period_range("2026", periods=4, freq="M"), "deltas": frame["t"].diff(),
        "sparse": frame["x"].astype("Sparse[float]"), "nullable": frame["n"].astype("Int64"),
    }  # fmt: skip
    for name, value in objects.items():
        yield from pickled(f"pandas/{name}", value, (0, 2, 4, 5))
        yield f"pandas/{name}.pkl.gz", lambda path, v=value: pd.to_pickle(v, path)
    for suffix in ("parquet", "feather", "csv", "json", "xml", "dta"):
        yield f"pandas/table.{suffix}", lambda path, s=suffix: getattr(frame, "to_" + (s if s != "dta" else "stata"))(path)
    for form in ("fixed", "table"):
        yield f"pandas/{form}.h5", lambda path, f=form: frame[["n", "x"]].to_hdf(path, key="data", format=f)
    arrays = {
        "floats": np.arange(12.0).reshape(3, 4), "ints": np.arange(5, dtype="int8"), "complex": np.ones(3, "complex64"), "bool": np.zeros(4, bool),
        "text": np.array(["a", "bc"]), "bytes": np.array([b"a", b"bc"]), "dates": np.array(["2026-01-01"], "datetime64[D]"), "zero": np.zeros((0, 3)),
        "record": np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), "object": np.array([{"a": 1}, [2, 3], None], dtype=object),
        "fortran": np.asfortranarray(np.ones((3, 2))), "masked": np.ma.masked_array([1, 2], [0, 1]), "scalar": np.float64(3),
        "generator": np.random.default_rng(0), "old generator": np.random.RandomState(0), "dtype": np.dtype([("a", "i4")]),
    }  # fmt: skip
    for name, value in arrays.items():
        yield from pickled(f"numpy/{name}", value, (0, 2, 5))
        if isinstance(value, np.ndarray):
            yield f"numpy/{name}.npy", lambda path, v=value: np.save(path, v, allow_pickle=True)
    yield "numpy/several.npz", lambda path: np.savez(path, a=arrays["floats"], b=arrays["ints"])
    yield "numpy/objects.npz", lambda path: np.savez_compressed(path, a=arrays["object"], b=arrays["text"])
    yield from _other_tables(frame, arrays)


def _other_tables(frame: Any, arrays: Any) -> Iterator[Write]:
    sparse = lib("scipy.sparse")
    for kind in ("csr_matrix", "csc_matrix", "coo_matrix", "lil_matrix", "dok_matrix", "bsr_matrix", "dia_matrix", "csr_array"):
        value = getattr(sparse, kind)(arrays["floats"])
        yield from pickled(f"scipy/{kind}", value, (2, 4))
        yield f"scipy/{kind}.npz", lambda path, v=value: sparse.save_npz(path, v)
    packer = lib("msgpack_numpy")
    yield "msgpack/arrays.msgpack", lambda path: path.write_bytes(lib("msgpack").packb({"a": arrays["floats"]}, default=packer.encode))
    yield "scipy/arrays.mat", lambda path: lib("scipy.io").savemat(path, {"a": arrays["floats"]})
    pa = lib("pyarrow")
    table = pa.Table.from_pandas(frame)
    yield "arrow/stream.arrows", lambda path: pa.ipc.new_stream(path, table.schema).write_table(table)
    yield (
        "arrow/tensors.parquet",
        lambda path: lib("pyarrow.parquet").write_table(
            pa.table({"t": pa.FixedShapeTensorArray.from_numpy_ndarray(arrays["floats"])}), path
        ),
    )
    tables = lib("tables")
    for name, value in {"text": "a title", "list": [1, 2], "dict": {"a": 1}, "array": arrays["floats"]}.items():
        yield f"tables/{name}.h5", partial(_with_attribute, tables, value)


def _with_attribute(tables: Any, value: object, path: Path) -> None:
    with tables.open_file(str(path), "w") as file:
        array = file.create_array("/", "data", [1.0, 2.0])
        array.attrs.value = value


def statistics() -> Iterator[Write]:
    """Yield results of statsmodels."""
    np, sm = lib("numpy"), lib("statsmodels.api")
    random = np.random.default_rng(0)
    numbers, wanted = random.normal(size=(80, 2)), random.normal(size=80)
    made = {
        "ols": sm.OLS(wanted, numbers).fit(), "wls": sm.WLS(wanted, numbers).fit(), "logit": sm.Logit(wanted > 0, numbers).fit(disp=0),
        "glm": sm.GLM(wanted, numbers).fit(), "arima": lib("statsmodels.tsa.arima.model").ARIMA(wanted, order=(1, 0, 0)).fit(),
        "smoothing": lib("statsmodels.tsa.holtwinters").SimpleExpSmoothing(wanted, initialization_method="estimated").fit(), "rlm": sm.RLM(wanted, numbers).fit(),
        "poisson": sm.Poisson((wanted > 0) * 1, numbers).fit(disp=0), "var": lib("statsmodels.tsa.api").VAR(numbers).fit(1),
        "autoreg": lib("statsmodels.tsa.ar_model").AutoReg(wanted, 1).fit(), "quantile": sm.QuantReg(wanted, numbers).fit(),
        "distribution": lib("scipy.stats").norm(0, 1), "curve": lib("scipy.interpolate").CubicSpline(np.arange(5), np.arange(5)),
        "tree": lib("scipy.spatial").KDTree(numbers), "hull": lib("scipy.interpolate").interp1d(np.arange(5), np.arange(5)),
    }  # fmt: skip
    for name, value in made.items():
        yield from pickled(name, value, (2, 4, 5))


def words() -> Iterator[Write]:
    """Yield models of gensim, NLTK, implicit and spaCy."""
    docs = [["human", "machine", "interface"], ["graph", "trees", "survey"], ["human", "graph", "interface"]] * 4
    nltk = lib("nltk")
    marked = [({"last": word[-1]}, len(word) > 5) for doc in docs for word in doc]
    tagged = [[("human", "NN"), ("graph", "NN")], [("fast", "JJ")]]
    made = {
        "bayes": nltk.NaiveBayesClassifier.train(marked), "tree": nltk.DecisionTreeClassifier.train(marked), "freq": nltk.FreqDist(docs[0]),
        "tagger": nltk.UnigramTagger(tagged), "backoff": nltk.BigramTagger(tagged, backoff=nltk.DefaultTagger("NN")), "stem": nltk.PorterStemmer(),
        "grammar": nltk.CFG.fromstring("S -> 'a' S | 'b'"), "conditional": nltk.ConditionalFreqDist([("a", "b")]),
    }  # fmt: skip
    for name, value in made.items():
        yield from pickled(f"nltk/{name}", value, (0, 2, 4))
    spacy = lib("spacy")
    for language in ("en", "de", "fr", "xx"):
        yield f"spacy/{language}", lambda path, code=language: spacy.blank(code).to_disk(path)
    gensim = lib("gensim")
    models, bag = gensim.models, gensim.corpora.Dictionary(docs)
    counts = [bag.doc2bow(doc) for doc in docs]
    for name, model in {
        "word2vec": models.Word2Vec(docs, vector_size=8, min_count=1), "fasttext": models.FastText(docs, vector_size=8, min_count=1, bucket=20),
        "lda": models.LdaModel(counts, 2, id2word=bag), "tfidf": models.TfidfModel(counts), "lsi": models.LsiModel(counts, 2, id2word=bag),
        "dictionary": bag, "phrases": models.Phrases(docs),
    }.items():  # fmt: skip
        yield f"gensim/{name}.model", lambda path, m=model: m.save(str(path))
    vectors = models.Word2Vec(docs, vector_size=8, min_count=1).wv
    yield "gensim/vectors.kv", lambda path: vectors.save(str(path))
    yield "gensim/vectors.bin", lambda path: vectors.save_word2vec_format(str(path), binary=True)
    implicit = lib("implicit.als").AlternatingLeastSquares(factors=4, iterations=1)
    implicit.fit(lib("scipy.sparse").random(10, 10, 0.3, format="csr"), show_progress=False)
    yield "implicit/als.npz", lambda path: implicit.save(str(path))
    yield "implicit/als.pkl", partial(dump, implicit, 4)
