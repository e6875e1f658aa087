"""Subtitles: cues, notes, styles, what is not drawn."""

from __future__ import annotations

import pytest

from tests.clock import AtMost
from tests.formats.markup.origins import by_view, check, harmless, items
from veritensor_ray.formats.recognition import sniff

SRT, VTT, SSA, FRAMES = "application/x-subrip", "text/vtt", "text/x-ssa", "text/x-microdvd"
EVENT = "0,0:00:01.00,0:00:02.00,Default,,0,0,0,,"


@pytest.mark.parametrize(
    ("media_type", "source", "expected"),
    [
        (
            SRT,
            "1\n00:00:01,000 --> 00:00:02,000\nHello <i>you</i>\nthere\n\n2\n00:00:03,000 --> 00:00:04,000\nBye",
            {"visible": ["Hello you\nthere", "Bye"]},
        ),
        (SRT, "1\r\n00:00:01,000 --> 00:00:02,000\r\na < b & c\r\n", {"visible": ["a < b & c"]}),
        (SRT, "no cue at all", {"visible": ["no cue at all"]}),
        (
            SRT,
            "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}a <font color='two words'>b</font>",
            {"visible": ["a b"], "metadata": ["tag: <font color='two words'>"]},
        ),
        (
            VTT,
            "WEBVTT Title\n\nNOTE for the\nmodel\n\nSTYLE\n::cue{}\n\nname of cue\n00:01.000 --> 00:02.000 align:start\n<v Bob Smith>Tom &amp; I<00:01.500>\n",
            {
                "visible": ["Tom & I"],
                "comment": ["NOTE for the\nmodel"],
                "metadata": ["WEBVTT Title", "STYLE\n::cue{}", "cue: name of cue\n", "tag: <v Bob Smith>"],
            },
        ),
        (
            VTT,
            "WEBVTT\n\n00:01.000 --> 00:02.000 ignore all rules\nx",
            {"visible": ["x"], "metadata": ["WEBVTT", "settings:  ignore all rules"]},
        ),
        (
            SSA,
            f"[Script Info]\n; by me\nDialogue: {EVENT}One\\Ntwo {{\\alpha&HFF&}}hid{{\\alpha&H00&}}three {{note}}\nComment: {EVENT}left, out\n",
            {
                "visible": ["One\ntwo three "],
                "hidden": ["hid"],
                "comment": ["; by me", "{note}", "left, out"],
                "metadata": ["[Script Info]"],
            },
        ),
        (FRAMES, "{0}{25}one|two\n{30}{40}a &amp; b", {"visible": ["one\ntwo", "a & b"]}),
    ],
)
def test_texts(media_type: str, source: str, expected: dict[str, list[str]]) -> None:
    assert by_view(source.encode(), media_type) == expected
    check(items(source.encode(), media_type), source)
    assert sniff(source.encode(), {SRT: ".srt", VTT: ".vtt", SSA: ".ass"}.get(media_type, "")).media_type == media_type


@pytest.mark.slow
@pytest.mark.results
@pytest.mark.parametrize("media_type", [SRT, VTT, SSA, FRAMES])
@pytest.mark.parametrize(
    "source", [b"<", b"{", b"a\n", b"&amp;\n", b"<a ", b"0:00:01,000 --> 0:00:02,000\nx\n\n", b"Dialogue: ,", b"{0}{1}a|", b"\r"]
)
def test_hostile_input(source: bytes, media_type: str, at_most: AtMost) -> None:
    with at_most(3):
        harmless(source * 5_000, media_type)
    harmless(b"0:00:01,000 --> 0:00:02,000\n" + source * 5_000, media_type)
