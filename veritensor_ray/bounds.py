"""One table of all limits that can cut content off, both configurable and fixed. `python -m veritensor_ray.bounds` prints it.

The `bound` of a gap is always a name from this table. Sizes of pieces and batches cut nothing off, so they are defined where they are used.
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


# Data that is held in memory whole while it is read.
HELD = _fixed(
    "held_bytes", 64 << 20, "bytes", "a text, value or embedded file that is held in memory whole and has no row of its own in this table"
)
UNSIZED = _fixed("unsized_bytes", HELD, "bytes", "a file whose size the system does not report, such as one in /proc")
UNRANGED = _fixed(
    "unranged_bytes",
    4 << 30,
    "bytes",
    "an object whose server does not support range requests; it is kept in a temporary file while it is read",
)
UNSEEKABLE = _fixed("unseekable_bytes", HELD, "bytes", "an office document that comes out of a stream")
IMAGE = _fixed("image_bytes", HELD, "bytes", "an image")
MAIL = _fixed("mail_bytes", HELD, "bytes", "a mail message")
RTF = _fixed("rtf_bytes", HELD, "bytes", "an RTF file; the rest is not read")
PDF = _fixed("pdf_bytes", HELD, "bytes", "a PDF that comes out of a stream, or that has to be copied before it can be read")
HDF5 = _fixed("hdf5_bytes", HELD, "bytes", "an HDF5 file that comes out of a stream")
NOTEBOOK = _fixed("notebook_bytes", 256 << 20, "bytes", "a notebook")
MARKUP = _fixed("markup_chars", HELD, "characters", "one tag, comment or script in HTML, XML or LaTeX")
RECORD = _fixed("record_bytes", HELD, "bytes", "a record of a TFRecord file")
BLOCK = _fixed("block_bytes", HELD, "bytes", "a block of an Avro file, compressed or not")
STRIPE = _fixed(
    "stripe_bytes", HELD, "bytes", "a stream of an ORC file that is held in memory whole, or the data that one of its chunks expands to"
)
CELL = _fixed("cell_bytes", HELD, "bytes", "a value in a SQLite table")
NPY_ITEM = _fixed("npy_item", HELD, "bytes", "an item of a NumPy array")
ONNX_TEXT = _fixed("onnx_text", HELD, "bytes", "a text in an ONNX model")
GGUF_TEXT = _fixed("gguf_text", HELD, "bytes", "a text in a GGUF file")
PICKLE = _fixed("pickle_bytes", HELD, "bytes", "a value of a pickle that comes out of a stream")
SAFETENSORS = _fixed(
    "safetensors_header", 32 << 20, "bytes", "the header of a safetensors file; it takes ten times as much memory once it is parsed"
)
OLE_STREAM = _fixed(
    "ole_stream_bytes",
    HELD,
    "bytes",
    "a stream of an OLE file; the limit for all streams together is this plus eight times the size of the file",
)
CSV_FIELD = _fixed("csv_field", 256 << 20, "characters", "a field of a delimited table")
MANIFEST = _fixed("manifest_bytes", HELD, "bytes", "a list of dependencies")
CONFIG = _fixed("config_bytes", 16 << 20, "bytes", "the configuration of a model")
# Archives and layers.
ARCHIVE_HEADER = _fixed("archive_header", HELD, "bytes", "the header of a 7z archive, or the central directory of a zip")
SHARED_DATA = _fixed(
    "shared_data", HELD, "bytes", "data of a zip that is read twice: entries that share their data, and damaged entries without a size"
)
SPARSE_PARTS = _fixed("sparse_parts", 100_000, "parts", "parts of a sparse file in a tar")
TAR_HEADER = _fixed("tar_header", 1 << 20, "bytes", "an extended header of a tar")
DICTIONARY = _fixed("dictionary_bytes", 256 << 20, "bytes", "the dictionary that a compressed stream may require")
SMALL = _fixed("expanded_small", 10 << 20, "bytes", "data that even a tiny artifact may expand to before `expanded_ratio` applies")
LAYERS = _fixed("layers", 3, "layers", "encodings nested inside each other in a text")
LAYER_TEXTS = _fixed("layer_texts", 2_000, "texts", "encoded texts found in one block of texts")
# Documents.
PART = _fixed("part_bytes", 512 << 20, "bytes", "the XML of one part of a document; it is streamed, so this limits time rather than memory")
DOCUMENT = _fixed("document_bytes", 2 << 30, "bytes", "the XML of all parts of a document, and the texts extracted from it")
EMBEDDED = _fixed("embedded_bytes", HELD, "bytes", "the files embedded in the XML of a flat OpenDocument file")
ENCRYPTION_LIST = _fixed("encryption_list", 4 << 20, "bytes", "the list of encrypted files in an EPUB")
RELATIONS = _fixed("relations", 200_000, "relations", "relations of a part of a document")
XML_TOKEN = _fixed("xml_token", 8 << 20, "bytes", "one tag in a document's XML")
XML_DEPTH = _fixed("xml_depth", 2_000, "elements", "nested elements in a document's XML")
XML_NAMES = _fixed("xml_names", 50_000, "names", "different names in a part of a document")
SHEETS = _fixed("sheets", 100_000, "sheets", "sheets or slides that are read in their order; further ones are read as plain XML")
SHARED_STRINGS = _fixed(
    "shared_strings", 4_000_000, "texts", "texts that the cells of a workbook share; further ones are read once, without their cells"
)
STYLES = _fixed("styles", 200_000, "styles", "styles of a document that are remembered; text with a style beyond this counts as visible")
# Styles of a page. Text that is hidden only by styles beyond a limit counts as visible.
CSS_CHARS = _fixed("css_chars", 1 << 20, "characters", "all style sheets of a page")
CSS_RULES = _fixed("css_rules", 10_000, "selectors", "selectors in the style sheets of a page")
CSS_SELECTOR = _fixed(
    "css_selector", 200, "tokens", "one selector; it may also have 6 levels of brackets, and one rule may have 500 selectors"
)
CSS_SIBLINGS = _fixed("css_siblings", 1_000, "elements", "preceding siblings that a selector can look back at")
CSS_STEPS = _fixed("css_steps", 500, "steps", "work spent on selectors and values per element, averaged over the page so far")
CSS_VALUE = _fixed("css_value", 1_000, "tokens", "a value with its variables inserted, which may be nested 16 levels deep")
MACRO = _fixed("macro_bytes", 16 << 20, "bytes", "the source of one macro module; for all modules together, four times as much")
MACROS = _fixed("macros", 2_000, "modules", "macro modules in a project")
OLE_STREAMS = _fixed("ole_streams", 10_000, "streams", "streams in an OLE file")
OLE_SETS = _fixed("ole_property_sets", 4, "sets", "sets of properties in a stream of an OLE file; the format allows two")
OLE_PICTURES = _fixed("ole_pictures", 5_000, "pictures", "images in a legacy office document")
WORD_PIECES = _fixed("word_pieces", 2_000_000, "pieces", "pieces of text in a legacy Word document")
XLS_SHEETS = _fixed("xls_sheets", 5_000, "sheets", "sheets in a legacy Excel workbook")
XLS_ROWS = _fixed("xls_rows", 10_000_000, "rows", "rows in all sheets of a legacy Excel workbook")
XLS_RECORDS = _fixed(
    "xls_records",
    100_000,
    "records",
    "text boxes, headers, links and macro sheets in a legacy Excel workbook; the limit applies to each kind",
)
XLS_NAMES = _fixed("xls_names", 20_000, "names", "names in a legacy Excel workbook")
XLS_DRAWINGS = _fixed("xls_drawings", HELD, "bytes", "the drawings in a legacy Excel workbook")
KEY_ROUNDS = _fixed(
    "key_rounds", 1_000_000, "rounds", "rounds for deriving the key of a document that Office opens without asking for a password"
)
MAIL_DEPTH = _fixed("mail_depth", 50, "parts", "nested parts of a message; for Outlook messages inside messages, 20")
MAIL_PARTS = _fixed("mail_parts", 10_000, "parts", "parts of a message")
PDF_PAGES = _fixed("pdf_pages", 100_000, "pages", "pages in a PDF")
PDF_OBJECTS = _fixed(
    "pdf_object_bytes", HELD, "bytes", "the objects of a PDF, not counting streams; the number of strings is limited by `pdf_strings`"
)
PDF_STRINGS = _fixed("pdf_strings", 200_000, "strings", "strings in a PDF's objects; gaps name this limit `pdf_object_bytes`")
PDF_ACTIONS = _fixed("pdf_actions", 2_000, "objects", "scripts, actions and properties of a PDF; the limit applies to each kind")
PDF_STREAM = _fixed("pdf_stream_bytes", 4 << 20, "bytes", "a script or the properties of a PDF")
PDF_DRAWN = _fixed(
    "pdf_drawn_bytes",
    32 << 20,
    "bytes",
    "the content of a page of a PDF, with each form counted every time it is drawn; PDFium takes 25 times as much memory for it",
)
PDF_PAGE_OBJECTS = _fixed("pdf_page_objects", 50_000, "objects", "objects on a page that are checked for invisible text")
PDF_COVERS = _fixed(
    "pdf_covers",
    5_000_000,
    "pairs",
    "pairs of a text and an object that may cover it, on one page; if there are more, all texts are compared with the rendered page",
)
PDF_PICTURE = _fixed("pdf_picture_bytes", HELD, "bytes", "an image in a PDF, as stored; gaps name this limit `pdf_pictures`")
PDF_PIXELS = _fixed("pdf_picture_pixels", 100_000_000, "pixels", "an image in a PDF; gaps name this limit `pdf_pictures`")
PDF_PICTURES = _fixed("pdf_pictures", 200, "pictures", "images on the pages of a PDF")
PDF_RENDERED = _fixed("pdf_rendered_pages", 500, "pages", "pages without text that are rendered for OCR")
PDF_COMPARED = _fixed("pdf_compared_pages", 500, "pages", "pages that are checked for invisible text")
IMAGE_TEXT = _fixed("image_text_bytes", 4 << 20, "bytes", "a compressed text in an image; for all such texts together, four times as much")
# Data and models.
SQLITE = _fixed("sqlite_bytes", 64 << 30, "bytes", "a SQLite database")
AVRO_HEADER = _fixed("avro_header", 16 << 20, "bytes", "the header of an Avro file")
STRIPE_ROWS = _fixed("stripe_rows", 50_000_000, "rows", "rows in a stripe of an ORC file")
COLUMNS = _fixed("column_bytes", HELD, "bytes", "values that the rows of a table share, before further ones count as expanded data")
HDF5_FAILURES = _fixed(
    "hdf5_failures", 8, "values", "values of an HDF5 file that fail to be read; each failure may cost seconds, and all available memory"
)
HDF5_ITEMS = _fixed("hdf5_items", 20_000_000, "items", "items in a dataset of an HDF5 file")
GGUF_PAIRS = _fixed("gguf_pairs", 1_000_000, "pairs", "key-value pairs in a GGUF file")
GGUF_TENSORS = _fixed("gguf_tensors", 10_000_000, "tensors", "tensors in a GGUF file")
PICKLE_LINE = _fixed("pickle_line", 16 << 20, "bytes", "a text in a pickle of protocol 0")
PICKLE_MEMO = _fixed("pickle_memo", 1 << 19, "values", "values that a pickle can refer back to; references to further ones are doubtful")
PICKLE_SPARSE = _fixed("pickle_sparse", 100_000, "values", "the same for values that are numbered out of order")
PICKLE_STACK = _fixed("pickle_stack", 1 << 17, "values", "values on the stack of a pickle; the oldest are forgotten")
PICKLE_STEPS = _fixed("pickle_steps", 1_000_000, "operations", "operations of a pickle that are examined closely")
CONFIG_NODES = _fixed("config_nodes", 2_000_000, "values", "values examined in a model's configuration")
TEMPLATE = _fixed("template_chars", 1_000_000, "characters", "a chat template of a model; a longer one is a finding")
TEMPLATE_NODES = _fixed("template_nodes", 200_000, "nodes", "nodes of a template; a template with more is a finding")
DEPENDENCIES = _fixed("manifest_dependencies", 500_000, "dependencies", "dependencies in one manifest")
CONDA = _fixed("conda_chars", 4 << 20, "characters", "a conda environment; a megabyte of YAML takes seconds to parse")
CONDA_ITEMS = _fixed(
    "conda_items", 100_000, "entries", "entries in a conda environment; aliases let a small file list the same entries endlessly"
)
SNIFFED_ENTRIES = _fixed("sniffed_entries", 100_000, "entries", "entries of a zip that are examined to determine its file type")
OCR_WALKED = _fixed("ocr.walked", 200, "frames", "frames of an animation that are compared; gaps name this limit `ocr.frames`")
# Limits of the results. They leave no gap, because the whole corpus has still been read.
VALUES = _fixed(
    "values",
    50_000,
    "values",
    "secrets and personal data of an artifact that are remembered; further ones are masked only where they were found, and leave no gap",
)
VALUE = _fixed("value_chars", 4096, "characters", "characters that are remembered of each of these values; leaves no gap, like `values`")
PLACES = _fixed("places", 20, "places", "locations that are listed for a finding; the others are counted and leave no gap")

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
    """Return the table as a page of the documentation."""
    configured = [
        f"| `{name}` | `{name if '.' in name else f'limits.{name}'}` | {'not set' if field.default is None else f'{field.default:,}'} | {field.description} |"
        for name, field in CONFIGURED.items()
    ]
    fixed = [f"| `{bound.name}` | {bound.value:,} | {bound.unit} | {bound.what} |" for bound in sorted(FIXED)]
    return "\n".join(
        [
            "# Limits",
            "",
            "This page lists every limit that can cut content off. If that happens, the ledger has a gap whose `bound` is the name\n"
            "of the limit. The page is generated by `python -m veritensor_ray.bounds`.",
            "",
            "## Limits that you can set\n\nThese are keys of the [configuration](configuration.md).",
            "",
            "| name | key | default | what it limits |",
            "| --- | --- | --- | --- |",
            *configured,
            "",
            "## Fixed limits",
            "",
            "| name | value | unit | what it limits |",
            "| --- | --- | --- | --- |",
            *fixed,
            "",
        ]
    )


if __name__ == "__main__":
    print(page(), end="")
