"""Lists names to which no legitimate model file refers, one module per line; `*` means all of it. Data only."""

from __future__ import annotations

# Runs code, starts programs, reaches the network or writes files by itself.
CODE = """
os: *
posix: *
nt: *
posixpath: *
ntpath: *
os.path: *
subprocess: *
_posixsubprocess: *
_winapi: *
pty: *
pwd: *
sys: *
socket: *
socketserver: *
ssl: *
select: *
shutil: *
runpy: *
webbrowser: *
antigravity: *
this: *
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
site: *
sysconfig: *
code: InteractiveInterpreter InteractiveConsole interact InteractiveInterpreter.runcode InteractiveInterpreter.runsource
codeop: *
ctypes: *
cffi: *
mmap: *
asyncio: *
multiprocessing: *
concurrent.futures: *
threading: Thread Timer _start_new_thread
_thread: *
signal: *
sched: *
atexit: *
faulthandler: *
gc: *
marshal: *
dbm: *
shelve: *
pickle: load loads _load _loads Unpickler _Unpickler
cPickle: load loads Unpickler
pickletools: *
dill: load loads load_session load_module Unpickler
dill._dill: load loads load_session _create_code _create_function _import_module _getattribute _create_type _eval_repr
cloudpickle: load loads
cloudpickle.cloudpickle: *
cloudpickle.cloudpickle_fast: *
joblib: load Parallel delayed Memory
joblib.numpy_pickle: load load_temporary_memmap
jsonpickle: *
yaml: load load_all full_load unsafe_load unsafe_load_all Loader UnsafeLoader FullLoader
keras.utils: get_file
builtins: eval exec execfile compile open input raw_input breakpoint __import__ __build_class__ exit quit help memoryview reload apply file
io: FileIO open open_code
bdb: *
pdb: *
cProfile: *
profile: run runctx Profile
_lsprof: *
pstats: *
timeit: *
trace: Trace
tracemalloc: *
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
platform: *
commands: *
popen2: *
uuid: _get_command_stdout _popen _ipconfig_getter _ifconfig_getter _arp_getter _ip_getter _lanscan_getter _netstat_getter getnode
_osx_support: *
_aix_support: *
_pyrepl: *
_bootsubprocess: *
_sitebuiltins: *
_testcapi: *
_testinternalcapi: *
_xxsubinterpreters: *
_interpreters: *
tempfile: *
fileinput: *
linecache: *
tarfile: *
zipfile: *
gzip: open GzipFile
bz2: open BZ2File
lzma: open LZMAFile
tokenize: open
codecs: open
pathlib: open
wave: open
aifc: open
sqlite3: *
logging: FileHandler
logging.config: *
logging.handlers: *
http: *
httplib: *
urllib: *
urllib2: *
urllib3: *
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
httpx: *
aiohttp: *
paramiko: *
fabric: *
invoke: *
sh: *
pexpect: *
ptyprocess: *
plumbum: *
psutil: *
fsspec: *
s3fs: *
boto3: *
huggingface_hub: *
IPython: *
ipykernel: *
jupyter_client: *
jinja2: *
mako: *
numpy.f2py: *
numpy.distutils: *
numpy.testing: *
numpy.ctypeslib: *
numpy: load loadtxt fromfile memmap save savez savetxt genfromtxt DataSource
numpy.lib.npyio: *
numpy.lib._npyio_impl: *
numpy.lib._datasource: *
numpy.memmap: *
numpy.core.memmap: *
numpy._core.memmap: *
numpy.compat.py3k: *
numpy.lib._utils_impl: *
numpy.lib.utils: *
pandas: read_pickle eval read_sql read_html read_csv read_json read_hdf HDFStore ExcelWriter ExcelFile
pandas.io: *
pandas.core.computation: *
torch: load save compile hub _dynamo _inductor
torch.hub: *
torch.package: *
torch.serialization: load save _load _legacy_load _legacy_save _open_file_like
torch.jit: load save script trace
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
tensorflow: py_function numpy_function load_op_library load_library
tensorflow.io: *
tensorflow.python.ops.io_ops: *
tensorflow.python.ops.script_ops: *
tensorflow.python.framework.load_library: *
transformers.dynamic_module_utils: *
transformers.utils.hub: *
sklearn.datasets: *
sklearn.utils._testing: *
scipy.io: *
scipy.weave: *
scipy._lib._uarray: *
nltk.data: *
nltk.util: *
pyclbr: *
py_compile: *
compileall: *
modulefinder: *
copyreg: add_extension pickle constructor
copy_reg: add_extension pickle constructor
types: FunctionType CodeType LambdaType ModuleType MethodType
new: function code instancemethod classobj
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
