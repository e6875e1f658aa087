"""Every bound that cuts content off, in one table: those of the configuration and those that are fixed. `python -m veritensor_ray.bounds` prints it.

A gap's `bound` is always a name of this table. Sizes of pieces and batches cut nothing off and stand where they are used.
"""

from __future__ import annotations

from typing import NamedTuple

from veritensor_ray.config import Limits, OcrSettings


class Bound(NamedTuple):
    """A row of the table."""

    name: str
    value: int
    unit: str
    what: str


_table: dict[str, Bound] = {}


def _fixed(name: str, value: int, unit: str, what: str) -> int:
    _table[name] = Bound(name, value, unit, what)
    return value


# What is in memory whole while it is read.
HELD = _fixed(
    "held_bytes", 64 << 20, "bytes", "a text, value or file in a file that is held in memory whole and has no row of its own here"
)
UNSIZED = _fixed("unsized_bytes", HELD, "bytes", "a file whose size the system does not say, as in /proc")
UNRANGED = _fixed(
    "unranged_bytes", 4 << 30, "bytes", "an object whose server gives no ranges of it: it stands in a temporary file meanwhile"
)
UNSEEKABLE = _fixed("unseekable_bytes", HELD, "bytes", "an office document that comes out of a stream")
IMAGE = _fixed("image_bytes", HELD, "bytes", "a picture")
MAIL = _fixed("mail_bytes", HELD, "bytes", "a message")
RTF = _fixed("rtf_bytes", HELD, "bytes", "an RTF file; the rest is not read")
PDF = _fixed("pdf_bytes", HELD, "bytes", "a PDF that comes out of a stream, or that has to be copied to be read")
HDF5 = _fixed("hdf5_bytes", HELD, "bytes", "an HDF5 file that comes out of a stream")
NOTEBOOK = _fixed("notebook_bytes", 256 << 20, "bytes", "a notebook")
MARKUP = _fixed("markup_chars", HELD, "characters", "one tag, comment or script of HTML, XML or LaTeX")
RECORD = _fixed("record_bytes", HELD, "bytes", "a record of a TFRecord file")
BLOCK = _fixed("block_bytes", HELD, "bytes", "a block of an Avro file, packed or not")
STRIPE = _fixed("stripe_bytes", HELD, "bytes", "a stream of an ORC file that is held whole, or what a chunk of it expands to")
CELL = _fixed("cell_bytes", HELD, "bytes", "a value of a SQLite table")
NPY_ITEM = _fixed("npy_item", HELD, "bytes", "an item of a NumPy array")
ONNX_TEXT = _fixed("onnx_text", HELD, "bytes", "a text of an ONNX model")
GGUF_TEXT = _fixed("gguf_text", HELD, "bytes", "a text of a GGUF file")
PICKLE = _fixed("pickle_bytes", HELD, "bytes", "a value of a pickle that comes out of a stream")
SAFETENSORS = _fixed("safetensors_header", 32 << 20, "bytes", "the header of a safetensors file; parsed, it takes ten times as much")
OLE_STREAM = _fixed(
    "ole_stream_bytes", HELD, "bytes", "a stream of an OLE file; all of them together: eight times the file and as much again"
)
CSV_FIELD = _fixed("csv_field", 256 << 20, "characters", "a field of a table")
MANIFEST = _fixed("manifest_bytes", HELD, "bytes", "a list of dependencies")
CONFIG = _fixed("config_bytes", 16 << 20, "bytes", "the configuration of a model")
# Archives and layers.
ARCHIVE_HEADER = _fixed("archive_header", HELD, "bytes", "the header of a 7z archive, or the central directory of a zip")
SHARED_DATA = _fixed(
    "shared_data", HELD, "bytes", "what is read twice of a zip: entries that share their data, and damaged ones without a size"
)
SPARSE_PARTS = _fixed("sparse_parts", 100_000, "parts", "a sparse file in a tar")
TAR_HEADER = _fixed("tar_header", 1 << 20, "bytes", "an extended header of a tar")
DICTIONARY = _fixed("dictionary_bytes", 256 << 20, "bytes", "the dictionary that a compressed stream may ask for")
SMALL = _fixed("expanded_small", 10 << 20, "bytes", "what may come out of next to nothing before `expanded_ratio` counts")
LAYERS = _fixed("layers", 3, "layers", "encodings in encodings of a text")
LAYER_TEXTS = _fixed("layer_texts", 2_000, "texts", "what is found under encodings in one block of texts")
# Documents.
PART = _fixed("part_bytes", 512 << 20, "bytes", "the XML of a part of a document; it is streamed, so this bounds time")
DOCUMENT = _fixed("document_bytes", 2 << 30, "bytes", "the XML of all parts of a document, and the texts that come of it")
EMBEDDED = _fixed("embedded_bytes", HELD, "bytes", "the files that stand in the XML of a flat OpenDocument")
ENCRYPTION_LIST = _fixed("encryption_list", 4 << 20, "bytes", "the list of what is encrypted in an EPUB")
RELATIONS = _fixed("relations", 200_000, "relations", "of a part of a document")
XML_TOKEN = _fixed("xml_token", 8 << 20, "bytes", "one tag of a document's XML")
XML_DEPTH = _fixed("xml_depth", 2_000, "elements", "how deep a document's XML is nested")
XML_NAMES = _fixed("xml_names", 50_000, "names", "different names in a part of a document")
SHEETS = _fixed("sheets", 100_000, "sheets", "sheets or slides that are read in their order; those beyond are read as XML")
SHARED_STRINGS = _fixed(
    "shared_strings", 4_000_000, "texts", "texts that cells of a workbook share; those beyond are read once, without cells"
)
STYLES = _fixed("styles", 200_000, "styles", "styles of a document that are remembered; text of those beyond counts as visible")
# Of the styles of a page; text that those beyond a bound hide counts as visible.
CSS_CHARS = _fixed("css_chars", 1 << 20, "characters", "all style sheets of a page")
CSS_RULES = _fixed("css_rules", 10_000, "selectors", "selectors of the style sheets of a page")
CSS_SELECTOR = _fixed("css_selector", 200, "tokens", "one selector; 6 levels of brackets, and 500 selectors of one rule")
CSS_SIBLINGS = _fixed("css_siblings", 1_000, "elements", "elements in one element that selectors can look back at")
CSS_STEPS = _fixed("css_steps", 500, "steps", "what selectors and values may take for an element, on the average of a page so far")
CSS_VALUE = _fixed("css_value", 1_000, "tokens", "a value with its variables in place; 16 levels of them")
MACRO = _fixed("macro_bytes", 16 << 20, "bytes", "the source of a macro module; all modules together: four times as much")
MACROS = _fixed("macros", 2_000, "modules", "macro modules of a project")
OLE_STREAMS = _fixed("ole_streams", 10_000, "streams", "of an OLE file")
OLE_SETS = _fixed("ole_property_sets", 4, "sets", "of properties in a stream of an OLE file; the format has two")
OLE_PICTURES = _fixed("ole_pictures", 5_000, "pictures", "pictures in an old office document")
WORD_PIECES = _fixed("word_pieces", 2_000_000, "pieces", "pieces of text of an old Word document")
XLS_SHEETS = _fixed("xls_sheets", 5_000, "sheets", "of an old Excel workbook")
XLS_ROWS = _fixed("xls_rows", 10_000_000, "rows", "of all sheets of an old Excel workbook")
XLS_RECORDS = _fixed("xls_records", 100_000, "records", "text boxes, headers, links and macro sheets of an old Excel workbook: each")
XLS_NAMES = _fixed("xls_names", 20_000, "names", "of an old Excel workbook")
XLS_DRAWINGS = _fixed("xls_drawings", HELD, "bytes", "the drawings of an old Excel workbook")
KEY_ROUNDS = _fixed("key_rounds", 1_000_000, "rounds", "the derivation of the key of a document that Office opens without a question")
MAIL_DEPTH = _fixed("mail_depth", 50, "parts", "how deep parts of a message are nested; messages in messages of Outlook: 20")
MAIL_PARTS = _fixed("mail_parts", 10_000, "parts", "of a message")
PDF_PAGES = _fixed("pdf_pages", 100_000, "pages", "of a PDF")
PDF_OBJECTS = _fixed("pdf_object_bytes", HELD, "bytes", "the objects of a PDF, streams not counted, and as many of its strings as below")
PDF_STRINGS = _fixed("pdf_strings", 200_000, "strings", "strings of a PDF's objects; named `pdf_object_bytes`")
PDF_ACTIONS = _fixed("pdf_actions", 2_000, "objects", "scripts, actions and properties of a PDF: each")
PDF_STREAM = _fixed("pdf_stream_bytes", 4 << 20, "bytes", "a script or the properties of a PDF")
PDF_DRAWN = _fixed(
    "pdf_drawn_bytes",
    32 << 20,
    "bytes",
    "the content of a page of a PDF, that of a form each time it is drawn; PDFium takes 25 times as much memory for it",
)
PDF_PAGE_OBJECTS = _fixed("pdf_page_objects", 50_000, "objects", "of a page that are searched for text which cannot be seen")
PDF_COVERS = _fixed(
    "pdf_covers",
    5_000_000,
    "pairs",
    "texts and what may cover them, of a page; where there are more, all of them are compared with the picture",
)
PDF_PICTURE = _fixed("pdf_picture_bytes", HELD, "bytes", "a picture of a PDF as it is stored; named `pdf_pictures`")
PDF_PIXELS = _fixed("pdf_picture_pixels", 100_000_000, "pixels", "a picture of a PDF; named `pdf_pictures`")
PDF_PICTURES = _fixed("pdf_pictures", 200, "pictures", "of the pages of a PDF")
PDF_RENDERED = _fixed("pdf_rendered_pages", 500, "pages", "without text, which are drawn for OCR")
PDF_COMPARED = _fixed("pdf_compared_pages", 500, "pages", "that are searched for text which cannot be seen")
IMAGE_TEXT = _fixed("image_text_bytes", 4 << 20, "bytes", "a packed text of a picture; all of them together: four times as much")
# Data and models.
SQLITE = _fixed("sqlite_bytes", 64 << 30, "bytes", "a SQLite database")
AVRO_HEADER = _fixed("avro_header", 16 << 20, "bytes", "the header of an Avro file")
STRIPE_ROWS = _fixed("stripe_rows", 50_000_000, "rows", "of a stripe of an ORC file")
COLUMNS = _fixed("column_bytes", HELD, "bytes", "values of a table that rows share, before what is more of them counts as expanded")
HDF5_FAILURES = _fixed("hdf5_failures", 8, "values", "of an HDF5 file that cannot be read; each may cost seconds, and all memory there is")
HDF5_ITEMS = _fixed("hdf5_items", 20_000_000, "items", "of a dataset of an HDF5 file")
GGUF_PAIRS = _fixed("gguf_pairs", 1_000_000, "pairs", "keys of a GGUF file")
GGUF_TENSORS = _fixed("gguf_tensors", 10_000_000, "tensors", "of a GGUF file")
PICKLE_LINE = _fixed("pickle_line", 16 << 20, "bytes", "a text of a pickle of protocol 0")
PICKLE_MEMO = _fixed("pickle_memo", 1 << 19, "values", "values that a pickle refers back to; those beyond are doubtful")
PICKLE_SPARSE = _fixed("pickle_sparse", 100_000, "values", "the same with numbers out of order")
PICKLE_STACK = _fixed("pickle_stack", 1 << 17, "values", "values on the stack of a pickle; the oldest are forgotten")
PICKLE_STEPS = _fixed("pickle_steps", 1_000_000, "operations", "of a pickle that are looked at closely")
CONFIG_NODES = _fixed("config_nodes", 2_000_000, "values", "in a model's configuration that are looked at")
TEMPLATE = _fixed("template_chars", 1_000_000, "characters", "a template of a model; a longer one is a finding")
TEMPLATE_NODES = _fixed("template_nodes", 200_000, "nodes", "of a template; more are a finding")
DEPENDENCIES = _fixed("manifest_dependencies", 500_000, "dependencies", "of one manifest")
CONDA = _fixed("conda_chars", 4 << 20, "characters", "a conda environment: a megabyte of YAML takes seconds")
CONDA_ITEMS = _fixed("conda_items", 100_000, "entries", "of a conda environment: aliases let a small file list the same for ever")
SNIFFED_ENTRIES = _fixed("sniffed_entries", 100_000, "entries", "entries of a zip that tell what kind of file it is")
OCR_WALKED = _fixed("ocr.walked", 200, "frames", "frames of an animation that are compared; named `ocr.frames`")
# Of results: these leave no gap, for nothing of the corpus goes unread.
VALUES = _fixed(
    "values",
    50_000,
    "values",
    "secrets and personal data of an artifact that are remembered; those beyond are masked where they were found, and leave no gap",
)
VALUE = _fixed("value_chars", 4096, "characters", "of such a value that are remembered; leaves no gap, like `values`")
PLACES = _fixed("places", 20, "places", "of a finding that are listed; the others are counted, and leave no gap")

FIXED = tuple(_table.values())
_CUTS = (
    "artifact_seconds",
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


def page() -> str:
    """The table as a page of the documentation."""
    configured = [
        f"| `{name}` | `{name if '.' in name else f'limits.{name}'}` | {'not set' if field.default is None else f'{field.default:,}'} | {field.description} |"
        for name, field in CONFIGURED.items()
    ]
    fixed = [f"| `{bound.name}` | {bound.value:,} | {bound.unit} | {bound.what} |" for bound in sorted(FIXED)]
    return "\n".join(
        [
            "# Bounds",
            "",
            "What a bound cuts off is a gap in the ledger with the bound's name. This page is made by `python -m veritensor_ray.bounds`.",
            "",
            "## Of the configuration",
            "",
            "| name | key | default | bounds |",
            "| --- | --- | --- | --- |",
            *configured,
            "",
            "## Fixed",
            "",
            "| name | value | unit | bounds |",
            "| --- | --- | --- | --- |",
            *fixed,
            "",
        ]
    )


if __name__ == "__main__":
    print(page(), end="")
