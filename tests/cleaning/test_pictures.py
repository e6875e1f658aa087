"""A value in a picture is read, painted over, and not read again, also in a picture of a document."""

from __future__ import annotations

import io
import zipfile

import docx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cleaning.marked import rewritten
from tests.engines.ocr.conftest import batch, drawn, file
from veritensor_ray.core.config import Settings
from veritensor_ray.engines.ocr import Ocr
from veritensor_ray.models.model_store import ModelStore

CARD = "4929 4212 3456 7897"
PICTURE = file(drawn(f"Your order of May\nPaid with {CARD}", size=26), "JPEG")


def document() -> bytes:
    written = docx.Document()
    written.add_paragraph("A scan:")
    written.add_picture(io.BytesIO(PICTURE))
    out = io.BytesIO()
    written.save(out)
    return out.getvalue()


def _read_twice(picture: bytes) -> str:
    """What OCR reads in a picture in two sizes."""
    engine = Ocr(Settings())
    engine.load(ModelStore("embedded"))
    return "".join(text for read in (engine.read_images, engine.read_again) for text in read(batch(picture)).column("text").to_pylist())


def test_a_card_in_a_picture_of_a_document_is_painted_over() -> None:
    done = rewritten(document(), "letter.docx", engines=("pii", "ocr"))
    assert done.data is not None, done.cleaned.reason
    (name,) = [name for name in zipfile.ZipFile(io.BytesIO(done.data)).namelist() if "media/" in name]
    picture = zipfile.ZipFile(io.BytesIO(done.data)).read(name)
    text = _read_twice(picture)
    assert "order" in text and not [part for part in CARD.split() if part in text], text
    actions = {(one["rule"], one["action"]): one["count"] for one in done.cleaned.actions}
    assert actions["pii.payment-card", "mask"] == 1 and actions["clean.picture", "re-encoded"] == 1


def test_a_card_in_a_picture_of_a_table_is_painted_over() -> None:
    out = io.BytesIO()
    pq.write_table(pa.table({"image": [{"bytes": PICTURE, "path": "a.jpg"}, {"bytes": None, "path": None}], "label": [1, 2]}), out)
    done = rewritten(out.getvalue(), "train.parquet", engines=("pii", "ocr"))
    assert done.data is not None, done.cleaned.reason
    rows = pq.read_table(io.BytesIO(done.data)).to_pylist()
    text = _read_twice(rows[0]["image"].pop("bytes"))
    assert "order" in text and not [part for part in CARD.split() if part in text], text
    assert rows == [{"image": {"path": "a.jpg"}, "label": 1}, {"image": {"bytes": None, "path": None}, "label": 2}]


@pytest.mark.parametrize(("name", "data"), [("scan.jpeg", PICTURE)])
def test_without_ocr_a_picture_is_held_and_the_reason_names_the_engine(name: str, data: bytes) -> None:
    done = rewritten(data, name, engines=("pii",))
    assert (done.data, done.cleaned.reason) == (None, "it was not wholly checked: ocr was not selected: text in 1 image was not read")
