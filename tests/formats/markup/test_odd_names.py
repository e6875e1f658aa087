"""Names and values of markup that only programs read, and in which somebody may have written something else."""

from __future__ import annotations

import pytest

from tests.cleaning.marked import rewritten
from tests.formats.reading import reader_source
from veritensor_ray.core.media_types import HTML
from veritensor_ray.core.segments import Block
from veritensor_ray.formats.common.kind import Kind
from veritensor_ray.formats.markup.html import read_html

TOKEN = "glpat-" + "Zx9Qw3Er7Ty1Ui5Op2As"
PAGE = "<!doctype html><html><body class='main wide'>%s<p>Good morning</p></body></html>"
TREE = "<?xml version='1.0'?><a xmlns:x='urn:x'>%s<b>Good morning</b></a>"
PLACES = {
    "attribute of HTML": ("a.html", PAGE % f"<p {TOKEN}='1'>x</p>"),
    "attribute of HTML without a value": ("a.html", PAGE % f"<p {TOKEN}>x</p>"),
    "element of HTML": ("a.html", PAGE % f"<{TOKEN}>x</{TOKEN}>"),
    "class of HTML": ("a.html", PAGE % f"<p class='wide {TOKEN}'>x</p>"),
    "id of HTML": ("a.html", PAGE % f"<p id='{TOKEN}'>x</p>"),
    "attribute of XML": ("a.xml", TREE % f"<x:c {TOKEN}='1'/>"),
    "element of XML": ("a.xml", TREE % f"<x:{TOKEN}/>"),
    "prefix of XML": ("a.xml", TREE % f"<{TOKEN}:c/>"),
    "namespace of XML": ("a.xml", TREE % f"<c xmlns='https://names.example/{TOKEN}'/>"),
    "attribute of SVG": ("a.svg", f"<svg xmlns='http://www.w3.org/2000/svg'><g {TOKEN}='1'><text>x</text></g></svg>"),
}


VALUES = {
    "comment": "<!--jane.doe@vault-mail.org-->",
    "comment in an element that holds no markup": "<textarea><!--jane.doe@vault-mail.org--></textarea>",
    "width": "<img width='jane.doe@vault-mail.org' height=3>",
    "language": f"<p lang='en {TOKEN}'>x</p>",
    "class": "<p class='wide jane.doe@vault-mail.org'>x</p>",
}


@pytest.mark.parametrize("place", VALUES)
def test_a_value_is_found_once_although_it_is_not_what_stands_there(place: str) -> None:
    assert len(rewritten((PAGE % VALUES[place]).encode(), "a.html").marks) == 1


@pytest.mark.parametrize("place", PLACES)
def test_a_key_in_a_name_is_found_once(place: str) -> None:
    name, page = PLACES[place]
    assert [mark.view for mark in rewritten(page.encode(), name).marks] == ["residue"]


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("a.html", PAGE % f"<p class='x{TOKEN}' {TOKEN}='{TOKEN}'>x</p>"),
        ("a.html", PAGE % f"<p class='x{TOKEN}' {TOKEN}>x</p>"),
        ("a.xml", TREE % f"<c d='x{TOKEN}' {TOKEN} = '1'/>"),
    ],
)
def test_the_place_of_a_name_is_not_that_of_a_value_before_it(name: str, page: str) -> None:
    assert page.index(f" {TOKEN}") + 1 in {mark.start for mark in rewritten(page.encode(), name).marks if mark.view == "residue"}


@pytest.mark.parametrize(
    "tag",
    [
        "<div class='navbar-collapse-content-wrapper col-md-12 col-lg-offset-2' id='main-navigation-container'>",
        "<my-very-long-custom-element data-controller-action-name='toggle'>",
        "<a @click='open' v-bind:aria-labelledby-something='x' href='#'>",
        "<svg xmlns='http://www.w3.org/2000/svg' preserveAspectRatio='xMidYMid' requiredExtensions=''>",
        "<script integrity='sha384-oqVuAfXRKap7fdgcCY5uykM6+R9GqQ8K/uxy9rx7HNQlGYl1kPzQho1wx4JwY8wC' src='a.js'></script>",
    ],
)
def test_ordinary_names_are_no_texts(tag: str) -> None:
    items = list(read_html(reader_source((PAGE % tag).encode(), Kind(HTML, "utf-8"))))
    assert [item.texts for item in items if isinstance(item, Block) and item.view == "residue"] == []
