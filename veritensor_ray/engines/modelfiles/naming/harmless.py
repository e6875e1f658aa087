"""Lists names that checkpoints and estimators of common libraries consist of, collected from files they wrote. Data only."""

from __future__ import annotations

# One module per line; names are exact. `~` allows every name that looks like a class, also in submodules.
EXACT = """
builtins: object set frozenset list dict tuple int float bool complex str bytes bytearray slice range reversed iter enumerate zip map filter len round sorted min max sum abs any all repr hash ord chr divmod pow hex bin isinstance issubclass callable property classmethod staticmethod NoneType Ellipsis NotImplemented StopIteration StopAsyncIteration GeneratorExit KeyboardInterrupt SystemExit BaseException ExceptionGroup Exception ValueError TypeError KeyError RuntimeError
itertools: count cycle repeat chain
http: HTTPStatus HTTPMethod
logging: getLogger Logger RootLogger
collections.abc: Iterable Iterator Mapping MutableMapping Sequence MutableSequence Set MutableSet Hashable Callable Sized Container Collection Generator
_collections_abc: Iterable Iterator Mapping MutableMapping Sequence MutableSequence Set MutableSet Hashable Callable Sized Container Collection Generator
dill._dill: _load_type _create_array
hdbscan.dist_metrics: newObj EuclideanDistance ~
hdbscan: ~
copyreg: _reconstructor __newobj__ __newobj_ex__
codecs: encode
collections: OrderedDict defaultdict Counter deque namedtuple UserDict ChainMap OrderedDict.fromkeys UserDict.fromkeys Counter.fromkeys defaultdict.fromkeys
datetime: datetime date time timedelta timezone tzinfo
decimal: Decimal
_pydecimal: Decimal
fractions: Fraction
uuid: UUID SafeUUID
enum: Enum IntEnum Flag IntFlag
pathlib: Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath
pathlib._local: Path PosixPath WindowsPath PurePosixPath PureWindowsPath
argparse: Namespace
types: SimpleNamespace MappingProxyType NoneType
random: Random
io: BytesIO StringIO
torch.jit._pickle: build_intlist build_tensorlist build_doublelist build_boollist build_tensor_from_id restore_type_tag
string: Template
re: _compile RegexFlag
zoneinfo: ZoneInfo ZoneInfo._unpickle
dateutil.tz.tz: tzutc tzlocal tzfile tzoffset
pytz: _UTC _p utc
array: array _array_reconstructor
ipaddress: IPv4Address IPv6Address IPv4Network IPv6Network
typing: Any Optional Union List Dict Tuple
numpy: ndarray ndarray.tolist arange zeros ones dtype matrix recarray record generic bool_ bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 intc intp uintp uintc longlong ulonglong float16 float32 float64 longdouble complex64 complex128 str_ bytes_ void object_ datetime64 timedelta64 number float_ int_ str string_ unicode_ poly1d nan inf newaxis log log1p log2 log10 exp expm1 sqrt square abs absolute sign mean median sum min max std var argmax argmin tanh sin cos
numpy.core.multiarray: _reconstruct scalar
numpy._core.multiarray: _reconstruct scalar
numpy.core._internal: _reconstruct
numpy.core.numeric: _frombuffer
numpy._core.numeric: _frombuffer
numpy.core.records: recarray record
numpy.rec: recarray record
numpy.core.numerictypes: sctypeDict
numpy.matrixlib.defmatrix: matrix
numpy.ma.core: _mareconstruct MaskedArray MaskedConstant mvoid _convert2ma
numpy.ma: MaskedArray masked
numpy.lib.polynomial: poly1d
numpy.lib._polynomial_impl: poly1d
numpy.dtypes: ~
numpy.random: RandomState __RandomState_ctor mtrand
numpy.random.mtrand: RandomState
numpy.random._pickle: __randomstate_ctor __generator_ctor __bit_generator_ctor
numpy.random._generator: Generator
numpy.random._mt19937: MT19937
numpy.random._pcg64: PCG64 PCG64DXSM
numpy.random._philox: Philox
numpy.random._sfc64: SFC64
numpy.random.bit_generator: SeedSequence __pyx_unpickle_SeedSequence
numpy.polynomial.polynomial: Polynomial
numpy.polynomial.chebyshev: Chebyshev
torch: Size Tensor device dtype layout Generator finfo iinfo strided sparse_coo sparse_csr contiguous_format channels_last preserve_format per_tensor_affine per_tensor_symmetric per_channel_affine per_channel_symmetric per_channel_affine_float_qparams relu tanh sigmoid FloatStorage HalfStorage BFloat16Storage DoubleStorage LongStorage IntStorage ShortStorage CharStorage ByteStorage BoolStorage ComplexFloatStorage ComplexDoubleStorage QInt8Storage QUInt8Storage QInt32Storage QUInt2x4Storage QUInt4x2Storage UntypedStorage TypedStorage FloatTensor HalfTensor BFloat16Tensor DoubleTensor LongTensor IntTensor ShortTensor CharTensor ByteTensor BoolTensor float half double int long short bool
torch.cuda: FloatStorage HalfStorage BFloat16Storage DoubleStorage LongStorage IntStorage ShortStorage CharStorage ByteStorage BoolStorage ComplexFloatStorage ComplexDoubleStorage FloatTensor HalfTensor BFloat16Tensor DoubleTensor LongTensor IntTensor ShortTensor CharTensor ByteTensor BoolTensor
torch.sparse: FloatTensor HalfTensor BFloat16Tensor DoubleTensor LongTensor IntTensor ShortTensor CharTensor ByteTensor
torch._utils: _rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_with_state _rebuild_qtensor _rebuild_sparse_tensor _rebuild_sparse_csr_tensor _rebuild_nested_tensor _rebuild_meta_tensor_no_storage _rebuild_device_tensor_from_numpy _rebuild_device_tensor_from_cpu_tensor _rebuild_xla_tensor _rebuild_wrapper_subclass
torch._tensor: Tensor _rebuild_from_type_v2 _rebuild_from_type
torch.tensor: _rebuild_from_type_v2 _rebuild_from_type
torch.serialization: _get_layout
torch.storage: TypedStorage UntypedStorage _LegacyStorage _TypedStorage _UntypedStorage
torch.nn.parameter: Parameter Buffer UninitializedParameter UninitializedBuffer
torch.nn: Parameter
torch.nn.modules: ~
torch.nn.quantized: ~
torch.nn.quantizable: ~
torch.nn.qat: ~
torch.ao.nn: ~
torch.ao.quantization: ~
torch.quantization: ~
torch.nn.functional: relu gelu silu elu selu leaky_relu softmax log_softmax tanh sigmoid softplus mish hardswish relu6 cross_entropy mse_loss binary_cross_entropy binary_cross_entropy_with_logits l1_loss nll_loss dropout interpolate
torch.nn.utils.parametrizations: ~
torch.nn.utils.parametrize: ParametrizationList
torch.nn.utils.weight_norm: WeightNorm
torch.nn.utils.spectral_norm: SpectralNorm SpectralNormLoadStateDictPreHook SpectralNormStateDictHook
torch.optim: ~
torch.utils.data.dataset: ~
torch.utils.data.sampler: ~
torch._C: _nn.gelu _nn.silu _nn.leaky_relu
torch._C._nn: gelu silu leaky_relu
torchvision.models: ~
torchvision.transforms: ~
torchvision.ops: ~
torchvision.transforms.functional: InterpolationMode
torchaudio.models: ~
torchaudio.transforms: ~
timm.models: ~
timm.layers: ~
torch_geometric.data.data: Data DataEdgeAttr DataTensorAttr
torch_geometric.data.storage: GlobalStorage NodeStorage EdgeStorage
torch_geometric.nn: ~
sentence_transformers.SentenceTransformer: SentenceTransformer
sentence_transformers.models: ~
transformers.models: ~
transformers.modeling_outputs: ~
transformers.configuration_utils: PretrainedConfig
transformers.tokenization_utils_base: BatchEncoding AddedToken
transformers.tokenization_utils: Trie ExtensionsTrie
transformers.training_args: TrainingArguments OptimizerNames ParallelMode
transformers.training_args_seq2seq: Seq2SeqTrainingArguments
transformers.trainer_utils: IntervalStrategy SaveStrategy SchedulerType HubStrategy EvaluationStrategy ShardedDDPOption FSDPOption
transformers.trainer_pt_utils: AcceleratorConfig LabelSmoother
transformers.integrations.deepspeed: HfDeepSpeedConfig HfTrainerDeepSpeedConfig
transformers.deepspeed: HfDeepSpeedConfig HfTrainerDeepSpeedConfig
transformers.generation.configuration_utils: GenerationConfig
transformers.pytorch_utils: Conv1D
transformers.activations: ~
accelerate.state: PartialState AcceleratorState GradientState
accelerate.utils.dataclasses: DistributedType DeepSpeedPlugin GradientAccumulationPlugin DynamoBackend FullyShardedDataParallelPlugin
peft.tuners.lora.config: LoraConfig LoraRuntimeConfig
peft.utils.peft_types: TaskType PeftType
trl.trainer: ~
tokenizers: Tokenizer AddedToken
tokenizers.models: Model
omegaconf: ~
omegaconf.base: ContainerMetadata Metadata SCMode Node
omegaconf.dictconfig: DictConfig
omegaconf.listconfig: ListConfig
omegaconf.nodes: AnyNode IntegerNode FloatNode StringNode BooleanNode
pytorch_lightning.callbacks.model_checkpoint: ModelCheckpoint
pytorch_lightning.utilities.parsing: AttributeDict
lightning.pytorch.callbacks.model_checkpoint: ModelCheckpoint
lightning_fabric.utilities.data: AttributeDict
lightning.fabric.utilities.data: AttributeDict
easydict: EasyDict
ultralytics.nn.modules: ~
ultralytics.nn.tasks: ~
ultralytics.utils: IterableSimpleNamespace
ultralytics.utils.loss: ~
ultralytics.utils.tal: ~
models.yolo: Model Detect DetectionModel
models.common: ~
sklearn: ~
sklearn.metrics._classification: accuracy_score balanced_accuracy_score f1_score fbeta_score precision_score recall_score jaccard_score log_loss matthews_corrcoef cohen_kappa_score hinge_loss zero_one_loss brier_score_loss
sklearn.metrics._ranking: roc_auc_score average_precision_score top_k_accuracy_score ndcg_score
sklearn.metrics._regression: mean_squared_error root_mean_squared_error mean_absolute_error median_absolute_error mean_squared_log_error mean_absolute_percentage_error r2_score explained_variance_score max_error
sklearn.tree._tree: Tree
sklearn.neighbors._dist_metrics: newObj EuclideanDistance ~
sklearn.metrics._dist_metrics: newObj EuclideanDistance ~
sklearn.neighbors._kd_tree: newObj KDTree
sklearn.neighbors._ball_tree: newObj BallTree
sklearn.neighbors.kd_tree: newObj KDTree
sklearn.neighbors.ball_tree: newObj BallTree
sklearn.feature_selection._univariate_selection: f_classif f_regression chi2
sklearn.feature_selection._mutual_info: mutual_info_classif mutual_info_regression
sklearn.metrics.pairwise: rbf_kernel linear_kernel cosine_similarity
sklearn.gaussian_process.kernels: ~
imblearn.pipeline: Pipeline
imblearn.over_sampling: ~
imblearn.under_sampling: ~
scipy.sparse: ~ csr_matrix csc_matrix coo_matrix lil_matrix dok_matrix bsr_matrix dia_matrix csr_array csc_array coo_array
scipy.sparse._csr: csr_matrix csr_array
scipy.sparse._csc: csc_matrix csc_array
scipy.sparse._coo: coo_matrix coo_array
scipy.sparse._lil: lil_matrix lil_array
scipy.sparse._dok: dok_matrix dok_array
scipy.sparse._dia: dia_matrix dia_array
scipy.sparse._bsr: bsr_matrix bsr_array
scipy.sparse._matrix: spmatrix
scipy.sparse.csr: csr_matrix
scipy.sparse.csc: csc_matrix
scipy.sparse.coo: coo_matrix
scipy.interpolate: ~
scipy.interpolate._interpolate: ~ interp1d interp1d._call_linear_np interp1d._call_linear interp1d._call_nearest interp1d._call_spline interp1d._call_previousnext
scipy.interpolate._bsplines: ~
scipy.interpolate.interpolate: interp1d
scipy.spatial._kdtree: KDTree
scipy.spatial._ckdtree: cKDTree
scipy.spatial.ckdtree: cKDTree
scipy.special: expit logit
scipy.special._ufuncs: expit logit
scipy.stats._distn_infrastructure: rv_frozen rv_continuous_frozen rv_discrete_frozen
scipy.stats._continuous_distns: norm_gen uniform_gen expon_gen gamma_gen beta_gen loguniform_gen reciprocal_gen lognorm_gen
scipy.stats._discrete_distns: randint_gen poisson_gen binom_gen
exceptions: StopIteration
scipy.stats: ~
scipy.stats._kde: gaussian_kde
scipy.stats._multivariate: multivariate_normal_frozen multivariate_normal_gen _PSD dirichlet_gen wishart_gen
scipy.optimize: ~
scipy.optimize._optimize: OptimizeResult
joblib.numpy_pickle: NumpyArrayWrapper NDArrayWrapper ZNDArrayWrapper
joblib.numpy_pickle_compat: NDArrayWrapper ZNDArrayWrapper
sklearn.externals.joblib.numpy_pickle: NumpyArrayWrapper NDArrayWrapper ZNDArrayWrapper
sklearn.cluster._kmeans: _kmeans_single_lloyd _kmeans_single_elkan
scipy._lib.array_api_compat.numpy._aliases: asarray
torch.cuda.sparse: FloatTensor HalfTensor BFloat16Tensor DoubleTensor LongTensor IntTensor ShortTensor CharTensor ByteTensor
pandas: ~ DataFrame Series Index MultiIndex Timestamp Timedelta Period Interval Categorical CategoricalDtype NaT NA
pandas.core.frame: DataFrame
pandas.core.series: Series
pandas.core.arrays: ~
pandas.core.dtypes: ~
pandas.core.flags: Flags
pandas.core.indexes: ~
pandas.core.indexes.base: _new_Index Index
pandas.core.indexes.datetimes: _new_DatetimeIndex DatetimeIndex
pandas.core.indexes.period: _new_PeriodIndex PeriodIndex
pandas.core.indexes.interval: _new_IntervalIndex IntervalIndex
pandas.core.indexes.timedeltas: _new_TimedeltaIndex TimedeltaIndex
pandas._libs.sparse: IntIndex BlockIndex
pandas.core.internals: ~
pandas.core.internals.blocks: new_block ~
pandas.core.internals.managers: BlockManager SingleBlockManager
pandas.core.arrays.string_: StringDtype StringArray
pandas._libs.internals: _unpickle_block BlockManager SingleBlockManager BlockPlacement
pandas._libs.arrays: __pyx_unpickle_NDArrayBacked NDArrayBacked
pandas._libs.tslibs: ~
pandas._libs.tslibs.nattype: _nat_unpickle
pandas._libs.tslibs.timestamps: _unpickle_timestamp Timestamp
pandas._libs.tslibs.timedeltas: _timedelta_unpickle Timedelta
pandas._libs.tslibs.offsets: ~
pandas._libs.interval: Interval
pandas._libs.missing: NAType NA
pandas.tseries.offsets: ~
pandas.indexes.base: _new_Index Index
pandas.core.index: _new_Index
pyarrow.lib: type_for_alias Array ChunkedArray _restore_array py_buffer Table DataType
polars.series.series: Series
polars.dataframe.frame: DataFrame
xgboost.core: Booster DMatrix
xgboost.sklearn: XGBClassifier XGBRegressor XGBRanker XGBModel XGBRFClassifier XGBRFRegressor
xgboost.callback: EarlyStopping
lightgbm.basic: Booster Dataset _InnerPredictor
lightgbm.sklearn: LGBMClassifier LGBMRegressor LGBMRanker LGBMModel
lightgbm.compat: _LGBMLabelEncoder
catboost.core: CatBoost CatBoostClassifier CatBoostRegressor CatBoostRanker
statsmodels: ~
statsmodels.tsa.statespace._representation: sStatespace dStatespace cStatespace zStatespace
statsmodels.tsa.statespace._initialization: sInitialization dInitialization cInitialization zInitialization
statsmodels.tsa.statespace._kalman_filter: sKalmanFilter dKalmanFilter cKalmanFilter zKalmanFilter
statsmodels.tsa.statespace._kalman_smoother: sKalmanSmoother dKalmanSmoother cKalmanSmoother zKalmanSmoother
statsmodels.tsa.statespace._simulation_smoother: sSimulationSmoother dSimulationSmoother cSimulationSmoother zSimulationSmoother
statsmodels.regression.linear_model: OLS OLSResults RegressionResults RegressionResultsWrapper
statsmodels.tools.tools: Bunch
statsmodels.base.data: PandasData ModelData
category_encoders: ~
gensim.models: ~
gensim.models.phrases: original_scorer npmi_scorer
gensim.models.tfidfmodel: df2idf
gensim.utils: call_on_class_only identity
gensim.corpora.dictionary: Dictionary
gensim.interfaces: TransformedCorpus
nltk.probability: ~ FreqDist ConditionalFreqDist
nltk.tag.sequential: ~
nltk.tag.brill: ~
nltk.tag.tnt: ~
nltk.classify.naivebayes: ~
nltk.classify.positivenaivebayes: ~
nltk.classify.decisiontree: ~
nltk.classify.maxent: ~
nltk.grammar: ~
nltk.tree: ~
implicit.cpu: ~
implicit.nearest_neighbours: ~
keras.src.models.sequential: Sequential
keras.src.models.functional: Functional
keras.src.models.model: Model
torch.distributions.constraints: ~
joblib.hashing: _MyHash _ConsistentSet
operator: add sub truediv floordiv mod and_ or_ xor neg pos abs not_ truth eq ne lt le gt ge is_ is_not contains concat index invert
nltk.tokenize.punkt: PunktSentenceTokenizer PunktParameters PunktToken PunktLanguageVars PunktTrainer
nltk.tag.perceptron: PerceptronTagger AveragedPerceptron
nltk.stem.porter: PorterStemmer
nltk.stem.snowball: SnowballStemmer
spacy.tokens.doc: Doc
langchain.schema: Document
langchain.schema.document: Document
langchain.docstore.document: Document
langchain.docstore.in_memory: InMemoryDocstore
langchain_core.documents.base: Document
langchain_community.docstore.in_memory: InMemoryDocstore
llama_index.core.schema: TextNode Document
networkx.classes.graph: Graph _CachedPropertyResetterAdj _CachedPropertyResetterNode
networkx.classes.digraph: DiGraph _CachedPropertyResetterPred _CachedPropertyResetterAdjAndSucc
shapely.lib: ~
shapely.geometry.point: Point
shapely.geometry.linestring: LineString
shapely.geometry.polygon: Polygon LinearRing
shapely.geometry.multipoint: MultiPoint
shapely.geometry.multilinestring: MultiLineString
shapely.geometry.multipolygon: MultiPolygon
shapely.geometry.collection: GeometryCollection
shapely.io: from_wkb
shapely: from_wkb
PIL.Image: Image
jax._src.array: _reconstruct_array
jaxlib.xla_extension: DeviceArray
flax.core.frozen_dict: FrozenDict
stable_baselines3.common: ~
gymnasium.spaces: ~
gym.spaces: ~
haystack.schema: Document
"""

# Modules whose harmless names only build values from what they are given.
BUILDERS = """
exceptions copyreg copy_reg collections datetime decimal _pydecimal fractions uuid enum pathlib pathlib._local argparse random io string re zoneinfo
array ipaddress numpy.core.multiarray numpy._core.multiarray numpy.core._internal numpy.core.numeric numpy._core.numeric numpy.core.records numpy.rec numpy.ma.core numpy.ma
numpy.dtypes numpy.random numpy.random.mtrand numpy.random._pickle numpy.random._generator numpy.random._mt19937 numpy.random._pcg64 numpy.random._philox
numpy.random._sfc64 numpy.random.bit_generator torch._utils torch._tensor torch.tensor torch.storage torch.nn.parameter torch.serialization torch.jit._pickle torch.cuda
torch.cuda.sparse torch.sparse joblib.numpy_pickle joblib.numpy_pickle_compat sklearn.externals.joblib.numpy_pickle sklearn.neighbors._dist_metrics
sklearn.metrics._dist_metrics sklearn.neighbors._kd_tree sklearn.neighbors._ball_tree sklearn.neighbors.kd_tree sklearn.neighbors.ball_tree sklearn.tree._tree
sklearn.utils._random pandas pandas._libs.internals pandas._libs.arrays pandas._libs.interval pandas._libs.missing pandas._libs.sparse pandas.core.indexes pandas.core.internals
pandas.core.internals.blocks pandas.core.internals.managers pandas.core.index pandas.core.dtypes.dtypes pandas.core.arrays.string_ pandas.indexes.base pyarrow.lib
dateutil.tz.tz pytz shapely.lib shapely.io shapely jax._src.array logging http hdbscan.dist_metrics _datetime _collections _decimal _io
"""

# Names of other modules of which that is true.
BUILDERS_BY_NAME = """
types.SimpleNamespace types.MappingProxyType numpy.dtype numpy.ndarray numpy.poly1d numpy.void torch.Size torch.device torch.dtype torch.Generator torch.Tensor
torch.finfo torch.iinfo numpy.matrixlib.defmatrix.matrix dill._dill._load_type itertools.count builtins.type __builtin__.type
"""

# The built-in types of which that is true.
TYPES = """
object set frozenset list dict tuple int float bool complex str bytes bytearray slice range reversed iter enumerate zip long unicode xrange
"""
