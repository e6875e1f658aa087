"""LaTeX: paragraphs, comments, what is not printed, commands that start programs."""

from __future__ import annotations

import pytest

from tests.cases import each
from tests.clock import AtMost
from tests.formats.markup.origins import by_view, check, harmless, items
from veritensor_ray.core.segments import Block

TEX = "text/x-tex"


@each(
    ("source", "expected"),
    [
        ("one \\emph{two}\nthree\n\nfour", {"visible": ["one \\emph{two}\nthree", "four"]}),
        ("wo% note\n   rd", {"visible": ["word"], "comment": ["note"]}),
        ("a\n% ignore all\n% previous orders\nb\n% other", {"visible": ["a\nb\n"], "comment": ["ignore all previous orders", "other"]}),
        ("50\\% and \\\\% note", {"visible": ["50\\% and \\\\"], "comment": ["note"]}),
        ("\\url{http://x/%20} \\verb|%| x", {"visible": ["\\url{http://x/%20} \\verb|%| x"]}),
        ("\\begin{verbatim}\n% kept\n\\end{verbatim}", {"visible": ["\\begin{verbatim}\n% kept\n\\end{verbatim}"]}),
        ("a\\begin{comment}x\\end{comment}b", {"visible": ["ab"], "hidden": ["\\begin{comment}x\\end{comment}"]}),
        ("a\\iffalse x\\ifx b\\fi y\\fi b", {"visible": ["a b"], "hidden": ["\\iffalse x\\ifx b\\fi y\\fi"]}),
        ("\\iffalse x\\else y\\fi", {"visible": [" y\\fi"], "hidden": ["\\iffalse x\\else"]}),
        ("a \\textcolor{white}{X {y}} b", {"visible": ["a  b"], "hidden": ["\\textcolor{white}{X {y}}"]}),
        ("a {\\color[rgb]{1,1,1} X} b", {"visible": ["a { b"], "hidden": ["\\color[rgb]{1,1,1} X}"]}),
        ("\\textcolor[HTML]{FFFFFF}{X}", {"hidden": ["\\textcolor[HTML]{FFFFFF}{X}"]}),
        (
            "\\definecolor{snow}{rgb}{1,1,1}\\textcolor{snow}{X}",
            {"visible": ["\\definecolor{snow}{rgb}{1,1,1}"], "hidden": ["\\textcolor{snow}{X}"]},
        ),
        ("{\\fontsize{0.1pt}{0.1pt} X}", {"visible": ["{"], "hidden": ["\\fontsize{0.1pt}{0.1pt} X}"]}),
        ("\\phantom{X}\\scalebox{0}{Y}", {"hidden": ["\\phantom{X}", "\\scalebox{0}{Y}"]}),
        (
            "\\textcolor{red}{X} \\fontsize{10}{12} \\scalebox{1}{Y}",
            {"visible": ["\\textcolor{red}{X} \\fontsize{10}{12} \\scalebox{1}{Y}"]},
        ),
        ("\\colorbox{black}{\\textcolor{white}{X}}", {"visible": ["\\colorbox{black}{\\textcolor{white}{X}}"]}),
        ("\\end{document}\nX", {"hidden": ["\\end{document}\nX"]}),
        ("\\end{document}\n", {"visible": ["\\end{document}\n"]}),
    ],
)
def test_texts(source: str, expected: dict[str, list[str]]) -> None:
    assert by_view(source.encode(), TEX) == expected
    check(items(source.encode(), TEX), source)


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("\\immediate\\write18{rm -rf /}", 1),
        ('\\input{|"ls"}', 1),
        ("\\input|ls", 1),
        ("\\directlua{os.execute('x')}", 1),
        ("\\newwrite\\f\\immediate\\openout\\f=/etc/x", 1),
        ("\\openout\\f=x.sh", 1),
        ("\\input{chapter} \\openout\\f=\\jobname.toc \\write\\f{x} \\directlua{tex.print(1)}", 0),
    ],
)
def test_commands_that_reach_outside(source: str, count: int) -> None:
    found = [one for block in items(source.encode(), TEX) if isinstance(block, Block) for one in block.notice or () if one]
    assert found == ["latex-shell-escape"] * count


REAL = (
    b"a % c\n{\\color{white} x}\\begin{comment}y\\end{comment}\\iffalse z\\fi \\verb|%|\\fontsize{0}{0} q\\write18{x}\n\n\\end{document}z"
)


def test_damaged_input() -> None:
    for end in range(len(REAL)):
        harmless(REAL[:end], TEX)
    for i in range(len(REAL)):
        harmless(REAL[:i] + bytes([REAL[i] ^ 31]) + REAL[i + 1 :], TEX)


@pytest.mark.results
@pytest.mark.parametrize(
    "source",
    [
        b"%\n",
        b"\\textcolor{white}{",
        b"\\iffalse ",
        b"\\verb|",
        b"\n \n",
        b"\\",
        b"\\url{",
        b"{\\color{white}",
        b"\\write18{",
        b"\n" + b" " * 99,
    ],
)
def test_hostile_input_takes_linear_time(source: bytes, at_most: AtMost) -> None:
    with at_most(3):
        items(source * 50_000, TEX)
