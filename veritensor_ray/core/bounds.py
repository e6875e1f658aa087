"""Every limit that cuts content off, configured or fixed, in one table. `python -m veritensor_ray.core.bounds` prints it.

The `bound` of a gap is always a name from this table. Sizes of pieces and batches cut nothing off, and are defined where they are used.
"""

from __future__ import annotations

from textwrap import fill
from typing import NamedTuple

from veritensor_ray.core.config import Limits, OcrSettings


class Bound(NamedTuple):
    """One row of the table."""

    name: str
    value: int
    unit: str
    what: str


_table: dict[str, Bound] = {}


def _fixed(name: str, value: int, unit: str, what: str) -> int:
    _table[name] = Bound(name, value, unit, what)
    return value


# Content that is held in memory whole while it is read.
HELD = _fixed("held_bytes", 64 << 20, "bytes", "any text, value or member that is held in memory whole and has no row of its own")
INSPECTED_FILES = _fixed("inspected_files", 10_000, "files", "the files and folders that one call of `inspect` scans")
UNSIZED = _fixed("unsized_bytes", HELD, "bytes", "a file whose size the system does not report, as in /proc")
UNRANGED = _fixed("unranged_bytes", 4 << 30, "bytes", "an object whose server does not serve ranges")
CATALOG_ANSWER = _fixed("catalog_answer_bytes", HELD, "bytes", "one answer of a catalog of tables")
INVENTORY_MANIFEST = _fixed("inventory_manifest", 48 << 20, "bytes", "the manifest.json of an S3 inventory")
TABLE_LOG = _fixed("table_log_bytes", 4 << 30, "bytes", "the log or the metadata of a table, with what says which rows are deleted")
DATASET_DESCRIPTION = _fixed("dataset_description", 16 << 20, "bytes", "a file that describes a dataset, or the beginning of its card")
DATASET_FILES = _fixed(
    "dataset_files", 100_000, "entries", "files, patterns or splits in a description of a dataset, which is not used if it has more"
)
DATASET_PATTERN = _fixed("dataset_pattern", 500, "characters", "the name of a file or a pattern in a description of a dataset")
DATASET_PATTERNS = _fixed("dataset_patterns", 1_000, "patterns", "patterns with wildcards for the files of one folder of a dataset")
UNSEEKABLE = _fixed("unseekable_bytes", HELD, "bytes", "an office document that is read from a stream")
IMAGE = _fixed("image_bytes", HELD, "bytes", "an image file")
MAIL = _fixed("mail_bytes", HELD, "bytes", "an email message")
RTF = _fixed("rtf_bytes", HELD, "bytes", "an RTF file; the rest of it is not read")
PDF = _fixed("pdf_bytes", HELD, "bytes", "a PDF that is read from a stream, or has to be copied before it can be read")
HDF5 = _fixed("hdf5_bytes", HELD, "bytes", "an HDF5 file that is read from a stream")
NOTEBOOK = _fixed("notebook_bytes", 256 << 20, "bytes", "a notebook")
MARKUP = _fixed("markup_chars", HELD, "characters", "one tag, comment or script of HTML, XML or LaTeX")
RECORD = _fixed("record_bytes", HELD, "bytes", "one record of a TFRecord file")
BLOCK = _fixed("block_bytes", HELD, "bytes", "one block of an Avro file, packed or unpacked")
STRIPE = _fixed("stripe_bytes", HELD, "bytes", "one stream of an ORC file that is held whole, or the expanded size of one chunk of it")
CELL = _fixed("cell_bytes", HELD, "bytes", "one value of a SQLite table")
NPY_ITEM = _fixed("npy_item", HELD, "bytes", "one item of a NumPy array")
MESSAGE_TEXT = _fixed("message_text", HELD, "bytes", "one text of a model in protocol buffers: ONNX, TensorFlow, Core ML, Paddle")
GGUF_TEXT = _fixed("gguf_text", HELD, "bytes", "one text of a GGUF file")
PICKLE = _fixed("pickle_bytes", HELD, "bytes", "one value of a pickle that is read from a stream")
SAFETENSORS = _fixed("safetensors_header", 32 << 20, "bytes", "the header of a safetensors file")
OLE_STREAM = _fixed(
    "ole_stream_bytes", HELD, "bytes", "one stream of an OLE file; all of them together may have eight times the file's size plus this much"
)
CSV_FIELD = _fixed("csv_field", 256 << 20, "characters", "one field of a CSV table")
MANIFEST = _fixed("manifest_bytes", HELD, "bytes", "a dependency manifest")
CONFIG = _fixed("config_bytes", 16 << 20, "bytes", "a model's configuration")
PYTHON_SOURCE = _fixed("python_source", 4 << 20, "characters", "Python source in a model file, or a setup.py")
FOLLOWED = _fixed("followed", 2_000, "texts", "different findings that `clean` follows into a file that it converts")
RENAMES = _fixed(
    "renames",
    250_000,
    "names",
    "names of files and folders that `clean` replaces and also looks for in the texts of the corpus, so that references follow",
)
CONVERTED = _fixed("converted_bytes", 1 << 30, "bytes", "a file that LibreOffice writes")
CONVERTER_MEMORY = _fixed("converter_memory", 3 << 30, "bytes", "the data of LibreOffice while it converts a file")
CONVERTING = _fixed("converting_seconds", 600, "seconds", "a conversion by LibreOffice; `limits.artifact_seconds` may end it earlier")
# Archives and layers of encoding.
DAMAGED_STREAMS = _fixed("damaged_streams", 100, "streams", "damaged streams in one compressed file, after each of which reading continues")
# A block of LZ4 has up to 4 MB.
SILENT_STREAM = _fixed(
    "silent_stream_bytes", 5 << 20, "bytes", "what begins like a compressed stream and decodes to nothing; it counts as no stream"
)
VAIN_STREAMS = _fixed(
    "vain_streams",
    16 << 20,
    "bytes",
    "what looks like compressed streams or text and is neither, among bytes of no format, plus four times the artifact's size",
)
ARCHIVE_HEADER = _fixed("archive_header", HELD, "bytes", "the header of a 7z archive, or the central directory of a zip")
SHARED_DATA = _fixed(
    "shared_data", HELD, "bytes", "data of a zip that is read twice: entries that share their data, and damaged entries without a size"
)
SPARSE_PARTS = _fixed("sparse_parts", 100_000, "parts", "the parts of a sparse file in a tar")
TAR_HEADER = _fixed("tar_header", 1 << 20, "bytes", "one extended header of a tar")
AR_NAMES = _fixed("ar_names", 1 << 20, "bytes", "the table of long names of an ar archive, or one name that precedes its file")
DICTIONARY = _fixed("dictionary_bytes", 256 << 20, "bytes", "the dictionary that a compressed stream may ask for")
SMALL = _fixed("expanded_small", 10 << 20, "bytes", "the output of a tiny artifact before `expanded_ratio` applies")
LAYERS = _fixed("layers", 3, "layers", "encodings nested in each other in one text")
LAYER_TEXTS = _fixed("layer_texts", 2_000, "texts", "texts decoded from one block of texts")
# Documents.
PART = _fixed("part_bytes", 512 << 20, "bytes", "the XML of one part of a document")
DOCUMENT = _fixed("document_bytes", 2 << 30, "bytes", "the XML of all parts of a document, and the texts extracted from it")
EMBEDDED = _fixed("embedded_bytes", HELD, "bytes", "the files embedded in the XML of a flat OpenDocument file")
ENCRYPTION_LIST = _fixed("encryption_list", 4 << 20, "bytes", "the list of encrypted files in an EPUB")
RELATIONS = _fixed("relations", 200_000, "relations", "relations of one part of a document")
XML_TOKEN = _fixed("xml_token", 8 << 20, "bytes", "one tag of a document's XML")
XML_DEPTH = _fixed("xml_depth", 2_000, "elements", "the nesting depth of a document's XML")
XML_NAMES = _fixed("xml_names", 50_000, "names", "distinct names in one part of a document")
SHEETS = _fixed("sheets", 100_000, "sheets", "sheets or slides that are read in their order; any others are read as plain XML")
SHARED_STRINGS = _fixed(
    "shared_strings", 4_000_000, "texts", "texts shared by the cells of a workbook; any others are read once, without their cells"
)
STYLES = _fixed("styles", 200_000, "styles", "styles of a document that are remembered; text in any other style counts as visible")
# Styles of a page. Text that is hidden by styles beyond these limits counts as visible.
CSS_CHARS = _fixed("css_chars", 1 << 20, "characters", "all style sheets of a page together")
CSS_RULES = _fixed("css_rules", 10_000, "selectors", "selectors in the style sheets of a page")
CSS_SELECTOR = _fixed("css_selector", 200, "tokens", "one selector; also at most 6 levels of brackets and 500 selectors per rule")
CSS_SIBLINGS = _fixed("css_siblings", 1_000, "elements", "children of one element that selectors can refer back to")
CSS_STEPS = _fixed("css_steps", 500, "steps", "steps that selectors and values may take per element, averaged over the page so far")
CSS_VALUE = _fixed("css_value", 1_000, "tokens", "a value with its variables filled in; also at most 16 levels of variables")
MACRO = _fixed("macro_bytes", 16 << 20, "bytes", "the source of one macro module; all modules together may have four times as much")
MACROS = _fixed("macros", 2_000, "modules", "macro modules of one project")
OLE_STREAMS = _fixed("ole_streams", 10_000, "streams", "streams of an OLE file")
OLE_SETS = _fixed("ole_property_sets", 4, "sets", "property sets in one stream of an OLE file; the format defines two")
OLE_PICTURES = _fixed("ole_pictures", 5_000, "images", "images in an old office document")
WORD_PIECES = _fixed("word_pieces", 2_000_000, "pieces", "text pieces of an old Word document")
XLS_SHEETS = _fixed("xls_sheets", 5_000, "sheets", "sheets of an old Excel workbook")
XLS_ROWS = _fixed("xls_rows", 10_000_000, "rows", "rows in all sheets of an old Excel workbook")
XLS_RECORDS = _fixed(
    "xls_records", 100_000, "records", "records of an old Excel workbook, separately for text boxes, headers, links and sheets"
)
XLS_NAMES = _fixed("xls_names", 20_000, "names", "defined names of an old Excel workbook")
XLS_DRAWINGS = _fixed("xls_drawings", HELD, "bytes", "the drawings of an old Excel workbook")
KEY_ROUNDS = _fixed("key_rounds", 1_000_000, "rounds", "key derivation for a document that Office opens without asking for a password")
MAIL_DEPTH = _fixed("mail_depth", 50, "parts", "the nesting depth of a message's parts; 20 for Outlook messages inside messages")
MAIL_PARTS = _fixed("mail_parts", 10_000, "parts", "parts of one message")
PDF_PAGES = _fixed("pdf_pages", 100_000, "pages", "pages of a PDF")
PDF_OBJECTS = _fixed("pdf_object_bytes", HELD, "bytes", "the objects of a PDF, not counting streams; see also `pdf_strings`")
PDF_STRINGS = _fixed("pdf_strings", 200_000, "strings", "strings in the objects of a PDF; a gap names this limit `pdf_object_bytes`")
PDF_ACTIONS = _fixed("pdf_actions", 2_000, "objects", "objects of a PDF, separately for scripts, actions and properties")
PDF_STREAM = _fixed("pdf_stream_bytes", 4 << 20, "bytes", "one script, or the properties, of a PDF")
PDF_DRAWN = _fixed(
    "pdf_drawn_bytes",
    32 << 20,
    "bytes",
    "the content of one PDF page, including each drawing of a form",
)
PDF_PAGE_OBJECTS = _fixed("pdf_page_objects", 50_000, "objects", "objects of one page that are searched for hidden text")
PDF_PAGE_GLYPHS = _fixed(
    "pdf_page_glyphs", 1_000_000, "glyphs", "glyphs of one page from which some are removed, counting forms each time they are drawn"
)
PDF_COVERS = _fixed(
    "pdf_covers",
    5_000_000,
    "pairs",
    "pairs of a text and an object that may cover it, on one page; beyond that, all texts are compared with the rendered page",
)
PDF_PICTURE = _fixed("pdf_picture_bytes", HELD, "bytes", "one image of a PDF as it is stored; a gap names this limit `pdf_pictures`")
PDF_PIXELS = _fixed("pdf_picture_pixels", 100_000_000, "pixels", "one image of a PDF; a gap names this limit `pdf_pictures`")
PDF_PICTURES = _fixed("pdf_pictures", 200, "images", "images on the pages of a PDF")
PDF_RENDERED = _fixed("pdf_rendered_pages", 500, "pages", "pages without text that are rendered for OCR")
PDF_LOSSLESS = _fixed(
    "pdf_lossless_bytes", 1 << 20, "bytes", "a page that `clean` makes a picture of without loss; a larger picture becomes a JPEG"
)
PDF_COMPARED = _fixed("pdf_compared_pages", 500, "pages", "pages that are searched for hidden text")
IMAGE_TEXT = _fixed(
    "image_text_bytes", 4 << 20, "bytes", "one compressed text of an image; all of them together may have four times as much"
)
PNG_PIXELS = _fixed("png_pixels", 1 << 30, "bytes", "the pixels of a PNG image that are decompressed for what may stand behind them")
MEDIA_PARTS = _fixed(
    "media_parts", 5_000_000, "parts", "chunks, boxes, pages or elements of a file of sound or film, or pieces of its tracks"
)
UNKNOWN_BYTES = _fixed(
    "unknown_bytes",
    512,
    "bytes",
    "bytes outside of all known parts of a file that look packed or encrypted; with more of them, it is `partial`",
)
# Data and models.
SQLITE = _fixed("sqlite_bytes", 64 << 30, "bytes", "a SQLite database")
DUCKDB = _fixed("duckdb_bytes", 64 << 30, "bytes", "a DuckDB database")
AVRO_HEADER = _fixed("avro_header", 16 << 20, "bytes", "the header of an Avro file")
STRIPE_ROWS = _fixed("stripe_rows", 50_000_000, "rows", "rows in one stripe of an ORC file")
COLUMNS = _fixed("column_bytes", HELD, "bytes", "values of a table that several rows share; any more count as expanded")
HDF5_FAILURES = _fixed("hdf5_failures", 8, "values", "unreadable values of an HDF5 file")
HDF5_ITEMS = _fixed("hdf5_items", 20_000_000, "items", "items of one dataset of an HDF5 file")
MESSAGE_VALUES = _fixed("message_values", 100_000, "values", "values of one node of a model in protocol buffers")
GRAPH_CONSTANTS = _fixed("graph_constants", 100_000, "nodes", "nodes of one graph whose texts are followed to the operators that take them")
GRAPH_TEXTS = _fixed("graph_texts", 1_000_000, "texts", "texts that the nodes of one graph give to each other")
PATH = _fixed("path_chars", 4096, "characters", "a path that a graph names; systems open none that is longer")
NAME = _fixed("name_chars", 256, "characters", "a name in a model that is compared with patterns; of a longer one, the beginning")
TORCH7_OBJECTS = _fixed("torch7_objects", 1_000_000, "objects", "objects of a Torch7 file, and numbers of one of its tensors in ASCII")
FLAT_READS = _fixed(
    "flat_reads", 2_000_000, "reads", "numbers and texts that are read of the tables of a TensorFlow Lite model or a message of Arrow"
)
NPY_CLAIMED = _fixed("npy_claimed", 1 << 36, "bytes", "an array of NumPy whose file does not hold it; larger ones are a finding")
HDF5_CLAIMED = _fixed("hdf5_claimed", 1 << 36, "bytes", "a dataset of an HDF5 file that holds hardly any of it; larger ones are a finding")
GGUF_PAIRS = _fixed("gguf_pairs", 1_000_000, "pairs", "key-value pairs of a GGUF file")
GGUF_TENSORS = _fixed("gguf_tensors", 10_000_000, "tensors", "tensors of a GGUF file")
SEARCHED_OBJECT = _fixed(
    "searched_object",
    256 << 20,
    "bytes",
    "an object of Java or R, or a database, that is searched for names; of a longer one, the beginning",
)
EMBEDDED_SCHEMA = _fixed("embedded_schema", 16 << 20, "bytes", "each end of an Arrow table, in which pickles are searched for")
EMBEDDED_FOOTER = _fixed("embedded_footer", HELD, "bytes", "the footer of a Parquet file in which pickles are searched for")
EMBEDDED_PICKLE = _fixed(
    "embedded_pickle", 1 << 20, "bytes", "a pickle inside a file of another format that is judged there, without its longer values"
)
EMBEDDED_WALKED = _fixed("embedded_walked", 16 << 20, "bytes", "all that seems to be pickles inside a file of another format")
ALLOCATED = _fixed("allocated_bytes", 1 << 31, "bytes", "a value that a pickle may ask for by a number and still be proven inert")
R_ITEMS = _fixed("r_items", 5_000_000, "items", "items of an object of R")
PICKLE_LINE = _fixed("pickle_line", 16 << 20, "bytes", "one line of text in a pickle of protocol 0")
PICKLE_MEMO = _fixed(
    "pickle_memo", 1 << 19, "values", "memoized values of a pickle; references to any others are reported only if they are dangerous"
)
PICKLE_SPARSE = _fixed("pickle_sparse", 100_000, "values", "memoized values of a pickle whose numbers are not consecutive")
PICKLE_STACK = _fixed("pickle_stack", 1 << 17, "values", "values on the stack of a pickle; the oldest ones are forgotten")
PICKLE_STEPS = _fixed("pickle_steps", 1_000_000, "operations", "operations of a pickle that are examined closely")
PICKLE_TREE = _fixed("pickle_tree", 32 << 20, "bytes", "a pickle whose tensors are to become safetensors, without the tensors")
ARRAYS_PICKLE = _fixed(
    "arrays_pickle", 256 << 20, "bytes", "a pickle whose arrays are to become safetensors, without what joblib writes beside it"
)
PICKLE_TREE_STEPS = _fixed("pickle_tree_steps", 1_000_000, "operations", "operations of such a pickle")
TENSOR_GROWTH = _fixed("tensor_growth", 4, "times", "how much larger than their file tensors may be that share or repeat their values")
CONFIG_NODES = _fixed("config_nodes", 1_000_000, "values", "values in a configuration file that are examined")
COMMAND = _fixed("command_chars", 100_000, "characters", "a program or command in a configuration file")
CONFIG_MERGED = _fixed("config_merged", 100_000, "pairs", "pairs that the merge keys of a YAML file may add")
CONFIG_DEPTH = _fixed("config_depth", 1_000, "levels", "levels of a configuration file that are examined")
TEMPLATE = _fixed("template_chars", 1_000_000, "characters", "one template of a model; a longer one becomes a finding")
TEMPLATE_NODES = _fixed("template_nodes", 200_000, "nodes", "nodes of a template; a larger one becomes a finding")
DEPENDENCIES = _fixed("manifest_dependencies", 500_000, "dependencies", "dependencies in one manifest")
CONDA = _fixed("conda_chars", 4 << 20, "characters", "YAML with packages of conda, images or actions")
CONDA_ITEMS = _fixed("conda_items", 100_000, "entries", "entries of such YAML, with those that aliases repeat")
SNIFFED_ENTRIES = _fixed("sniffed_entries", 100_000, "entries", "entries of a zip that are examined to recognize its file type")
OCR_WALKED = _fixed("ocr.walked", 200, "frames", "frames of an animation that are compared; a gap names this limit `ocr.frames`")
# Limits on results. They leave no gap, since all of the corpus is still read.
VALUES = _fixed(
    "values",
    50_000,
    "values",
    "secrets and personal data remembered per artifact; any more are masked only where they were found; leaves no gap",
)
VALUE = _fixed("value_chars", 4096, "characters", "characters remembered of a secret or of personal data; leaves no gap")
PLACES = _fixed("places", 20, "places", "locations listed for one finding; any more are only counted; leaves no gap")
EFFECTS = _fixed(
    "effects",
    1_000,
    "effects",
    "different effects of a model file that are kept for each verdict; any more are counted, and still decide; leaves no gap",
)
TABLES = _fixed(
    "tables",
    1_000,
    "tables",
    "tables in one artifact, such as files in an archive or sheets, whose numbers of rows the ledger lists; leaves no gap",
)
LOCATIONS = _fixed(
    "locations",
    2_000_000,
    "places",
    "places of findings in one artifact, or one part of a split one, that are listed with `locations: all`; any more are only counted",
)
PAINTED_PIXELS = _fixed("painted_pixels", 64_000_000, "pixels", "the frames of an animation, or the pages of a TIFF, that `clean` paints")
MARKED_BOXES = _fixed("marked_boxes", 1_000_000, "boxes", "places of findings in the images of one artifact that `clean` paints over")
MARKS = _fixed("marks", 2_000_000, "places", "places of findings in one artifact that `clean` changes; an artifact with more is held back")

FIXED = tuple(_table.values())
_CUTS = (
    "artifact_seconds",
    "engine_seconds",
    "worker_memory",
    "expanded_bytes",
    "expanded_ratio",
    "members",
    "depth",
    "json_depth",
    "image_pixels",
    "hits_per_rule",
)
CONFIGURED = {name: Limits.model_fields[name] for name in _CUTS} | {
    f"ocr.{name}": OcrSettings.model_fields[name] for name in ("pixels", "frames", "words", "seconds")
}
NAMES = frozenset(_table) | frozenset(CONFIGURED)


def _shown(bound: Bound) -> str:
    """Return the value as a person writes it: whole GiB or MiB, or the number and its unit."""
    for size, unit in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if bound.unit == "bytes" and bound.value % size == 0:
            return f"{bound.value // size} {unit}"
    return f"{bound.value:,} {bound.unit}"


def page() -> str:
    """Returns the table as a page of the documentation."""
    ours, ocr = ([f"`{name}`" for name in CONFIGURED if ("." in name) is dotted] for dotted in (False, True))
    introduction = (
        "If a limit cuts content off, the ledger records a gap whose `bound` is the name of the limit. You can set "
        f"{', '.join(ours)} under [`limits`](configuration.md#limits), and {', '.join(ocr)} under "
        "[`ocr`](engines/ocr.md#settings-and-limits). All other limits are fixed."
    )
    fixed = [f"| `{bound.name}` | {_shown(bound)} | {bound.what} |" for bound in sorted(FIXED)]
    wrapped = fill(introduction, 120, break_on_hyphens=False, break_long_words=False)
    return "\n".join(["# Limits", "", wrapped, "", "| name | value | limits |", "| --- | --- | --- |", *fixed, ""])


if __name__ == "__main__":
    print(page(), end="")
