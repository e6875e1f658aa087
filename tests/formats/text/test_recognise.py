"""UTF-16 and UTF-32 without a mark: texts of many scripts are found, arrays of numbers and programs are not."""

from __future__ import annotations

import io
import random
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from tests.cases import each
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.recognition import sniff
from veritensor_ray.formats.text.recognise import wide_encoding

TEXTS = {
    "russian": "Съешь же ещё этих мягких французских булок, да выпей чаю.\nЭто обычный русский текст.",
    "greek": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Αυτό είναι ένα απλό κείμενο.",
    "hebrew": "זהו משפט רגיל בעברית, והוא ארוך מספיק. שלום לכולם.",
    "arabic": "هذه جملة عادية باللغة العربية، وهي طويلة بما يكفي.",
    "hindi": "यह हिन्दी में एक साधारण वाक्य है। आज मौसम बहुत अच्छा है।",
    "thai": "นี่คือประโยคธรรมดา ในภาษาไทย และยาวพอ",
    "georgian": "ეს არის ჩვეულებრივი წინადადება ქართულ ენაზე.",
    "chinese": "这是一个用来检查编码的普通中文句子。今天天气很好，我们去公园散步，然后回家吃饭。",
    "japanese": "これは文字コードを調べるための普通の日本語の文章です。今日は天気がとても良いので、散歩に行きました。",
    "korean": "이것은 인코딩을 확인하기 위한 평범한 한국어 문장입니다. 오늘은 날씨가 좋아서 산책을 했습니다.",
    "mixed": "Модель GPT-4 и файл README.md: смотри раздел 3, «Установка» 🙂 и далее по тексту.",
}


@each("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@each("name", TEXTS)
@each("times", [1, 2000])
def test_texts_are_found(name: str, codec: str, times: int) -> None:
    head = (TEXTS[name] * times).encode(codec)[:65536]
    assert sniff(head, ".txt", whole=times == 1) == Kind("text/plain", codec)


@pytest.mark.parametrize("codec", ["utf-32-le", "utf-32-be"])
def test_latin_text_in_four_bytes(codec: str) -> None:
    assert sniff("Plain words, and nothing else.\n".encode(codec), ".txt") == Kind("text/plain", codec)


def _arrays() -> dict[str, bytes]:
    chance = np.random.default_rng(7)
    zipf = chance.zipf(1.2, 200_000)
    return {
        **{
            f"normal {kind}": (chance.normal(0, scale, 20_000)).astype(kind).tobytes()
            for kind in ("<f2", "<f4", "<f8")
            for scale in (0.02, 1, 300)
        },
        **{f"positive {kind}": np.abs(chance.normal(200, 80, 20_000)).astype(kind).tobytes() for kind in ("<f2", "<f4")},
        **{f"uniform {kind}": chance.integers(0, 50_257, 20_000).astype(kind).tobytes() for kind in ("<u2", ">u2", "<u4", "<i8")},
        **{f"tokens {kind}": zipf[zipf < 50_257][:30_000].astype(kind).tobytes() for kind in ("<u2", ">u2", "<u4", ">u4", "<i8")},
        **{f"small tokens {top}": chance.integers(0, top, 30_000).astype("<u2").tobytes() for top in (256, 1024, 1100, 2048, 8192)},
        "letters of one script": chance.integers(0x4E00, 0x9FFF, 30_000).astype("<u2").tobytes(),
        "depth picture": (1000 + 800 * np.sin(np.arange(30_000) / 99)).astype("<u2").tobytes(),
        "sound": (9000 * np.sin(np.arange(30_000) / 9)).astype("<i2").tobytes(),
        "bfloat": (np.frombuffer(chance.normal(0, 0.02, 20_000).astype("<f4").tobytes(), "<u2")[1::2]).tobytes(),
        "counter": np.arange(30_000, dtype="<u2").tobytes(),
        "counter of four bytes": np.arange(30_000, dtype="<u4").tobytes(),
        "bytes": chance.integers(-128, 128, 60_000).astype("i1").tobytes(),
    }


ARRAYS = _arrays()


@pytest.mark.parametrize("name", ARRAYS)
def test_numbers_are_not_text(name: str) -> None:
    head = ARRAYS[name][:65536]
    assert wide_encoding(head) is None
    assert not sniff(head, "", whole=False).is_text


def test_programs_and_packed_data_are_not_text() -> None:
    programs = [Path(sys.executable).resolve(), *sorted(Path(np.__file__).parent.rglob("*.so"))[:5]]
    for path in programs:
        data = path.read_bytes()
        for at in range(0, min(len(data), 4 << 20), 65536):
            assert wide_encoding(data[at : at + 65536]) is None
    out = io.BytesIO()
    np.savez_compressed(out, a=np.arange(100_000))
    for packed in (out.getvalue(), zlib.compress(str(list(range(50_000))).encode())):
        assert wide_encoding(packed[:65536]) is None


def test_random_bytes_are_not_text() -> None:
    chance = random.Random(7)
    for size in [24, 32, 48, 64, 100, 256] * 2000 + [65536] * 20:
        assert wide_encoding(chance.randbytes(size)) is None
