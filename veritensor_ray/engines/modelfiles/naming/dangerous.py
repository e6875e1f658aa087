"""Lists names to which no legitimate model file refers, one module per line; `*` means all of it. Data only."""

from __future__ import annotations

# Runs code that it is given or loads, starts programs, or leads to what does.
CODE = """
os: *
posix: *
nt: *
subprocess: *
_posixsubprocess: *
_winapi: *
pty: *
sys: *
socket: *
socketserver: *
shutil: *
runpy: *
webbrowser: *
antigravity: *
importlib: *
imp: *
_imp: *
_frozen_importlib: *
_frozen_importlib_external: *
zipimport: *
zipapp: *
pkgutil: *
pkg_resources: *
setuptools: *
distutils: *
pip: *
ensurepip: *
venv: *
sysconfig: *
code: InteractiveInterpreter InteractiveConsole interact InteractiveInterpreter.runcode InteractiveInterpreter.runsource
codeop: *
ctypes: *
cffi: *
mmap: *
asyncio: *
multiprocessing: *
threading: _start_new_thread excepthook settrace setprofile settrace_all_threads setprofile_all_threads _DummyThread _MainThread
_thread: *
atexit: *
faulthandler: *
marshal: *
dbm: *
pickle: load loads _load _loads Unpickler _Unpickler
cPickle: load loads Unpickler
pickletools: *
dill: load loads load_session load_module Unpickler
dill._dill: load loads load_session _create_code _create_function _import_module _getattribute _create_type _eval_repr
cloudpickle: load loads
cloudpickle.cloudpickle: *
cloudpickle.cloudpickle_fast: *
joblib: load
joblib.numpy_pickle: load load_temporary_memmap
jsonpickle: *
yaml: load load_all full_load unsafe_load unsafe_load_all Loader UnsafeLoader FullLoader
keras.utils: get_file
builtins: eval exec execfile compile open raw_input breakpoint __import__ __build_class__ help reload apply file
io: FileIO open open_code
bdb: *
pdb: *
cProfile: *
profile: run runctx Profile
_lsprof: *
pstats: *
timeit: *
trace: Trace
doctest: *
unittest: *
test.support: *
test.test_support: *
test.script_helper: *
test.libregrtest: *
pydoc: *
pydoc_data: *
idlelib: *
lib2to3: *
turtle: *
turtledemo: *
tkinter: *
curses: *
readline: *
rlcompleter: *
cmd: Cmd
popen2: *
uuid: _get_command_stdout _popen _ipconfig_getter _ifconfig_getter _arp_getter _ip_getter _lanscan_getter _netstat_getter _load_system_functions _find_mac main
_osx_support: *
_aix_support: *
_pyrepl: *
_bootsubprocess: *
_sitebuiltins: *
_testcapi: *
_testinternalcapi: *
_xxsubinterpreters: *
_interpreters: *
fileinput: *
tokenize: open
codecs: open
pathlib: open
wave: open *
aifc: open *
logging.config: *
http.server: *
httplib: *
urllib: *
urllib2: *
ftplib: *
imaplib: *
smtplib: *
smtpd: *
poplib: *
nntplib: *
telnetlib: *
xmlrpc: *
xmlrpclib: *
SimpleXMLRPCServer: *
SimpleHTTPServer: *
BaseHTTPServer: *
wsgiref: *
cgi: *
cgitb: *
requests: *
paramiko: *
fabric: *
invoke: *
sh: *
pexpect: *
ptyprocess: *
plumbum: *
IPython: *
ipykernel: *
jupyter_client: *
jinja2: *
mako: *
numpy.f2py: *
numpy.distutils: *
numpy.testing: *
numpy.ctypeslib: *
numpy.lib._npyio_impl: *
numpy.lib._datasource: *
numpy.core.memmap: *
numpy._core.memmap: *
numpy.compat.py3k: *
numpy.lib._utils_impl: *
numpy.lib.utils: *
pandas: read_pickle eval read_hdf HDFStore read_clipboard to_pickle
pandas.io: *
pandas.core.computation: *
torch: load hub _dynamo _inductor classes ops from_file load_library
torch.hub: *
torch.package: *
torch.serialization: load save _load _legacy_load _legacy_save _open_file_like
torch.jit: load
torch.jit.unsupported_tensor_ops: *
torch.jit._script: *
torch.jit._serialization: *
torch._C: import_ir_module import_ir_module_from_buffer _load_for_lite_interpreter _jit_compile_script_function
torch._dynamo: *
torch._inductor: *
torch._functorch: *
torch.fx.graph_module: *
torch.fx._symbolic_trace: *
torch.fx.experimental: *
torch.testing: *
torch.distributed.rpc: *
torch.distributed.run: *
torch.distributed.launch: *
torch.distributed.elastic: *
torch.multiprocessing: *
torch.onnx: *
torch.utils.bottleneck: *
torch.utils.collect_env: *
torch.utils.cpp_extension: *
torch.utils.data.datapipes: *
torch.utils._config_module: *
torch.utils.model_zoo: *
torch.utils.file_baton: *
torch.utils._python_dispatch: *
tensorflow: load_op_library load_library
tensorflow.python.ops.io_ops: *
tensorflow.python.ops.script_ops: *
tensorflow.python.framework.load_library: *
transformers.dynamic_module_utils: *
sklearn.utils._testing: *
scipy.weave: *
scipy._lib._uarray: *
nltk.data: *
_pyio: *
sunau: *
sndhdr: *
imghdr: *
binhex: *
uu: *
asyncore: *
asynchat: *
annotationlib: *
compression.gzip: *
compression.bz2: *
compression.lzma: *
compression.zstd: *
concurrent.interpreters: *
dataclasses: _create_fn
dis: *
inspect: _signature_fromstr
fcntl: *
resource: *
syslog: *
termios: *
tty: *
nis: *
msvcrt: *
msilib: *
winreg: *
_winreg: *
winsound: *
_scproxy: *
_dummy_thread: *
_interpchannels: *
_interpqueues: *
__hello__: *
__phello__: *
test: *
mailbox: *
mailcap: *
netrc: *
pipes: *
sitecustomize: *
usercustomize: *
tabnanny: *
symtable: *
typing: get_type_hints _eval_type evaluate_forward_ref
warnings: _getcategory _setoption _processoptions showwarning
sympy: sympify S parse_expr lambdify eval plot preview
sympy.core.sympify: *
sympy.parsing: *
sympy.utilities.lambdify: *
sympy.utilities.autowrap: *
numexpr: *
patsy: dmatrix dmatrices
patsy.eval: *
patsy.highlevel: *
formulaic: model_matrix Formula
formulaic.utils: *
pyarrow.cffi: *
pyarrow.serialization: *
numba: *
cython: *
Cython: *
pyximport: *
torch.ops: *
torch._ops: *
torch.classes: *
torch._classes: *
torch._jit_internal: *
torch._export: *
torch._weights_only_unpickler: *
torch.utils.data._utils: *
torch.utils._import_utils: *
torch._utils_internal: *
torch._appdirs: *
torch.utils.show_pickle: *
transformers.utils.import_utils: *
transformers.commands: *
accelerate.commands: *
matplotlib.texmanager: *
matplotlib.dviread: *
PIL.ImageShow: *
PIL.ImageGrab: *
PIL.EpsImagePlugin: *
PIL.ImageMath: *
scipy._lib._ccallback: *
scipy._build_utils: *
joblib.externals.loky: *
sklearn.externals.joblib: load Parallel delayed Memory
sklearn.externals._packaging: *
hydra: *
fire: *
nose: *
py: *
pytest: *
_pytest: *
coverage: *
virtualenv: *
uv: *
wheel: *
tornado: *
twisted: *
gevent: *
eventlet: *
celery: *
rq: *
pyspark: *
docker: *
kubernetes: *
git: *
pymysql: *
psycopg2: *
redis: *
pymongo: *
selenium: *
playwright: *
pyautogui: *
pynput: *
win32api: *
win32com: *
win32process: *
pyperclip: *
pyclbr: *
py_compile: *
compileall: *
modulefinder: *
copyreg: add_extension pickle constructor
copy_reg: add_extension pickle constructor
types: FunctionType CodeType LambdaType ModuleType MethodType
new: function code instancemethod classobj
site: addsitedir addpackage main execsitecustomize execusercustomize
platform: popen _syscmd_ver _syscmd_uname _syscmd_file
commands: getoutput getstatusoutput getstatus
psutil: Popen
gettext: c2py
click: edit launch
typer: launch
mlflow: run
mlflow.projects: *
mlflow.pyfunc: load_model load_pyfunc spark_udf
wandb.sdk.launch: *
"""

# Reads or writes files, reaches the network, or drives a program, but does not run what it is given: ordinary in configuration. Where both
# tables list a name, the one that lists it more exactly counts.
ACTS = """
os: path cpu_count getcwd getpid getenv environ sep linesep name urandom PathLike fspath
os.path: *
posixpath: *
ntpath: *
sys: maxsize stdout stderr stdin version version_info platform byteorder executable
platform: *
site: *
this: *
commands: *
pwd: *
gc: *
select: *
signal: *
sched: *
ssl: *
shelve: *
sqlite3: *
tempfile: *
tarfile: *
zipfile: *
gzip: open GzipFile
bz2: open BZ2File
lzma: open LZMAFile
builtins: memoryview input quit exit
timeit: default_timer
threading: Thread Timer
concurrent.futures: *
multiprocessing: cpu_count Manager Queue Pool Lock Event Value Array
asyncio: Queue Event Lock Semaphore sleep run gather
logging: FileHandler basicConfig
logging.config: dictConfig
logging.handlers: *
unittest: TestCase
unittest.mock: Mock MagicMock AsyncMock PropertyMock sentinel ANY
tracemalloc: *
linecache: *
glob: *
filecmp: *
getpass: *
gettext: *
inspect: getsource getsourcefile getsourcelines findsource getfile getmodule getmodulename stack trace currentframe getouterframes getinnerframes get_annotations getmembers getattr_static signature getclosurevars
argparse: FileType ArgumentParser
optparse: OptionParser
mimetypes: init read_mime_types MimeTypes guess_type
plistlib: readPlist writePlist load dump
dataclasses: make_dataclass
uuid: uuid1 getnode
xml.sax: *
xml.dom.domreg: *
xml.dom.pulldom: *
xml.dom.minidom: parse parseString
xml.dom.expatbuilder: *
xml.etree.ElementInclude: *
xml.etree.ElementTree: parse iterparse canonicalize
xml.etree.cElementTree: parse iterparse
zoneinfo._common: *
zoneinfo._tzpath: *
http.client: *
http.cookiejar: *
http.cookies: *
urllib.parse: *
urllib3: *
aiohttp: *
httpx: *
fsspec: *
s3fs: *
boto3: *
huggingface_hub: *
jinja2: Template Environment FileSystemLoader DictLoader BaseLoader Undefined StrictUndefined DebugUndefined ChainableUndefined select_autoescape
jinja2.sandbox: SandboxedEnvironment ImmutableSandboxedEnvironment
psutil: *
joblib: Parallel delayed Memory
numpy: load loadtxt fromfile memmap save savez savetxt genfromtxt DataSource
numpy.lib.npyio: *
numpy.memmap: *
numpy.testing: assert_allclose assert_array_equal assert_array_almost_equal assert_equal assert_almost_equal
pandas: read_sql read_html read_csv read_json ExcelWriter ExcelFile read_table read_excel read_parquet read_feather read_orc read_xml read_stata read_sas read_spss read_fwf read_gbq
pandas.io.api: *
pandas.io.common: *
pandas.io.excel: *
pandas.io.feather_format: *
pandas.io.formats: *
pandas.io.html: *
pandas.io.json: *
pandas.io.orc: *
pandas.io.parquet: *
pandas.io.parsers: *
pandas.io.sql: *
pandas.io.stata: *
pandas.io.xml: *
polars: read_csv scan_csv read_parquet scan_parquet read_json read_ipc read_database read_excel
pyarrow.fs: *
pyarrow.csv: *
pyarrow.json: *
pyarrow.parquet: *
pyarrow.feather: *
pyarrow.dataset: *
pyarrow.flight: *
pyarrow.lib: memory_map create_memory_map OSFile MemoryMappedFile PythonFile foreign_buffer
sklearn.datasets: *
scipy.io: *
skops.io: load loads
nltk.data: find path
nltk.util: *
matplotlib.animation: *
PIL.Image: open
torch: compile save export
torch.jit: script trace save
torch.onnx: export dynamo_export ExportOptions OperatorExportTypes TrainingMode
torch.testing: assert_close make_tensor
torch.fx._symbolic_trace: Tracer symbolic_trace
torch.multiprocessing: spawn set_start_method set_sharing_strategy get_context Pool Queue Process
torch.utils.data.datapipes.iter: *
torch.utils.data.datapipes.map: *
torch.utils.collect_env: get_env_info get_pretty_env_info main
torch.utils.tensorboard: *
torch.distributed.elastic.multiprocessing.errors: record
torch._dynamo: reset disable optimize
torch.export: *
torch.profiler: *
torchvision.io: *
torchvision.datasets: *
torchaudio: load save info
tensorflow: py_function numpy_function
tensorflow.io: *
transformers: pipeline
transformers.pipelines: *
transformers.utils.hub: *
diffusers.pipelines: *
datasets: load_dataset load_from_disk
datasets.load: *
datasets.builder: *
evaluate: load
numba: jit njit vectorize guvectorize prange typed types cuda
hydra: main initialize compose
hydra.utils: *
hydra.core: *
hydra._internal.core_plugins: *
hydra._internal.utils: _locate
omegaconf.OmegaConf: load save
mlflow: *
wandb: *
gradio: *
streamlit: *
pluggy: *
click: *
typer: *
pytest: approx fixture mark param raises
celery: Celery Task shared_task chain group
pyspark: SparkConf SparkContext
pyspark.sql: *
pyspark.ml: *
tornado.web: *
tornado.ioloop: *
zmq: *
"""

# Harmless by themselves; in a pickle, they serve to reach something that is not.
REACH = """
builtins: getattr setattr delattr hasattr globals locals vars dir __dict__ __loader__ __spec__
operator: attrgetter itemgetter methodcaller call getitem setitem
functools: partial partialmethod reduce singledispatch cached_property
types: DynamicClassAttribute prepare_class new_class resolve_bases
numpy: vectorize apply_along_axis apply_over_axes fromfunction frompyfunc piecewise
weakref: finalize
string: Formatter
"""

# Modules of the standard library that are written in C; the module without the underscore exports their names. Which of the two a pickle
# names depends on the version of Python that wrote it.
IN_C = """
_abc _ast _asyncio _bisect _bz2 _codecs _collections _contextvars _crypt _csv _ctypes _curses _datetime _dbm _decimal _functools _hashlib _heapq
_io _json _locale _lzma _multiprocessing _opcode _operator _pickle _queue _random _signal _socket _sqlite3 _ssl _stat _statistics _string _struct
_symtable _sysconfig _tkinter _tokenize _tracemalloc _typing _uuid _warnings _weakref _zoneinfo
"""

# Attributes that do something with the world or with code, or lead to what does, whatever object they belong to.
DOING = """
system popen spawn execv execve exec eval execute executemany executescript run runcode runsource call check_call check_output getoutput interact query pipe load loads
open read_text write_text read_bytes write_bytes unlink rmdir mkdir rmtree symlink_to hardlink_to touch chmod to_csv to_pickle to_sql to_json to_excel to_parquet
to_hdf to_feather to_html to_stata to_xml to_latex to_orc to_clipboard tofile fromfile dump dumps save savez savetxt save_model load_model load_file save_pretrained
from_pretrained push_to_hub from_config from_file load_state load_library load_session load_from_checkpoint urlopen urlretrieve connect sendall recv import_module exec_module
load_module find_module find_spec get_data invoke_shell exec_command enable_load_extension load_extension gi_frame f_back f_globals f_locals f_builtins tb_frame
cr_frame func_globals func_code mro _module _load _run _exec _eval modules
"""
