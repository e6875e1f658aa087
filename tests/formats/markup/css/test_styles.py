"""Ways to hide a text by styles, each beside one that looks like it and hides nothing; and style sheets that are made to cost time."""

from __future__ import annotations

import pytest

from tests.cases import each
from tests.clock import AtMost
from tests.formats.markup.origins import by_view, items
from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap

HTML, XHTML = "text/html", "application/xhtml+xml"


def page(css: str, body: str = "<p class=a>X</p>") -> str:
    """A page with a style sheet."""
    return f"<style>{css}</style>{body}"


def own(style: str) -> str:
    """A paragraph with a style of its own."""
    return f'<p style="{style}">X</p>'


# Of each: what hides, and what does not.
WAYS = {
    "display": (own("display:none"), own("display:none;display:block")),
    "display beside a number of many digits": (own(f"z-index:{'1' * 5_000};display:none"), own(f"z-index:{'1' * 5_000}")),
    "deep in a page": (
        page(".b .a{display:none}", "<i class=b>" + "<i>" * 9_000 + "<p class=a>X"), page(".b .a{display:none}", "<i>" * 9_000 + "<p class=a>X"),
    ),
    "display, important": (page(".a{display:none!important}", '<p class=a style="display:block">X</p>'), page(".a{display:none}", '<p class=a style="display:block">X</p>')),
    "visibility": (own("visibility:hidden"), own("visibility:visible")),
    "visibility collapse": (own("visibility:collapse"), '<div style="visibility:collapse"><p style="visibility:visible">X</p></div>'),
    "opacity": (own("opacity:0"), own("opacity:.5")),
    "opacity of all around": ('<div style="opacity:.2">' * 2 + "X", '<div style="opacity:.8">' * 2 + "X"),
    "opacity calculated": (own("opacity:calc(1 - 1)"), own("opacity:calc(1 - .5)")),
    "opacity beyond what there is": (own("opacity:-3"), own("opacity:3")),
    "filter": (own("filter:opacity(0)"), own("filter:opacity(80%) blur(1px)")),
    "font size nothing": (own("font-size:0"), own("font-size:10px")),
    "font size one pixel": (own("font-size:1px"), own("font-size:1rem")),
    "font size in a shorthand": (own("font:0/0 a"), own("font:700 12px/0 a")),
    "font size calculated": (own("font-size:calc(10px - 10px)"), own("font-size:calc(10px + 2 * 1px)")),
    "font size of max": (own("font-size:max(0px, .5px)"), own("font-size:max(0px, 12px)")),
    "font size of clamp": (own("font-size:clamp(0px, 5vw, 1px)"), own("font-size:clamp(12px, 5vw, 3rem)")),
    "font size of a part of a part": ('<div style="font-size:10%">' * 2 + "X", '<div style="font-size:90%">' * 2 + "X"),
    "font size of a variable": (page(":root{--s:0px} .a{font-size:var(--s)}"), page(":root{--s:12px} .a{font-size:var(--s)}")),
    "zoom": (own("zoom:.01"), own("zoom:1.5")),
    "zoom in per cent": (own("zoom:1%"), own("zoom:0")),
    "transform scale": (own("transform:scale(0)"), own("transform:scale(.9)")),
    "transform scale of one axis": (own("transform:scaleY(0)"), own("transform:scaleY(-1)")),
    "transform matrix": (own("transform:matrix(0,0,0,0,0,0)"), own("transform:matrix(1,0,0,1,0,0)")),
    "transform turned away": (own("transform:rotateX(90deg)"), own("transform:rotate(90deg)")),
    "scale": (own("scale:0"), own("scale:1 1")),
    "rotate": (own("rotate:y .25turn"), own("rotate:.25turn")),
    "transform translate": (own("transform:translate(-9999px)"), own("transform:translate(-50%,-50%)")),
    "transform translate of the other axis": (own("transform:translate(0,-9999px)"), own("transform:translateY(-10px)")),
    "translate": (own("translate:-9999px"), own("translate:10px 10px")),
    "text indent": (own("text-indent:-9999px"), '<div style="text-indent:-9999px"><p style="text-indent:0">X</p></div>'),
    "left": (own("position:absolute;left:-9999px"), own("left:-9999px")),
    "top, fixed": (own("position:fixed;top:-100vh"), own("position:fixed;top:10vh")),
    "inset": (own("position:absolute;inset:0 0 0 -9999px"), own("position:absolute;inset:0")),
    "inset, logical": (own("position:absolute;inset-inline-start:-9999px"), own("position:absolute;inset-block:0 10px")),
    "right, calculated": (own("position:absolute;right:calc(100% + 200em + 99in)"), own("position:absolute;right:calc(100% - 10px)")),
    "margin": (own("margin:0 0 0 -9999px"), own("margin:0 -9999px 0 0")),
    "margin, logical": (own("margin-inline-start:-9999px"), own("margin-inline:auto")),
    "clip": (own("position:absolute;clip:rect(0,0,0,0)"), own("clip:rect(0,0,0,0)")),
    "clip of one pixel": (own("position:absolute;clip:rect(1px 1px 1px 1px)"), own("position:absolute;clip:rect(auto,100px,50px,0)")),
    "clip path inset": (own("clip-path:inset(50%)"), own("clip-path:inset(10% round 5px)")),
    "clip path of one side": (own("clip-path:inset(0 0 100% 0)"), own("clip-path:inset(0 0 10% 0)")),
    "clip path circle": (own("clip-path:circle(0)"), own("clip-path:circle(50%)")),
    "clip path polygon": (own("clip-path:polygon(0 0,0 0,0 0)"), own("clip-path:polygon(0 0,100% 0,50% 100%)")),
    "mask": (own("mask:linear-gradient(transparent,#0000)"), own("mask:linear-gradient(black,transparent)")),
    "mask without size": (own("mask-image:url(a.png);mask-size:0 0"), own("mask-image:url(a.png);mask-size:100% 100%")),
    "no width or height": (own("width:0;height:0;overflow:hidden"), own("width:0;height:0")),
    "no height": (own("max-height:0;overflow:clip"), own("max-height:0;overflow:hidden;padding-bottom:56%")),
    "no height, logical": (own("block-size:0;overflow-y:hidden"), own("block-size:20px;overflow-y:hidden")),
    "no height of a line": (own("line-height:0;overflow:hidden"), own("line-height:0")),
    "content visibility": (own("content-visibility:hidden"), own("content-visibility:auto")),
    "the attribute hidden": ("<p hidden>X</p>", '<p hidden style="display:block">X</p>'),
    "popover": ("<p popover>X</p>", page("[popover]{display:block}", "<p popover>X</p>")),
    "template": ("<template>X</template>", "<div aria-hidden=true>X</div>"),
    "noscript": ("<noscript>X</noscript>", "<details><p>X</p></details>"),
    "colour by name": (own("color:white"), own("color:gray")),
    "colour by digits": (own("color:#fffe"), own("color:#999")),
    "colour by numbers": (own("color:rgb(255 254 253 / 90%)"), own("color:rgb(0 0 0 / 60%)")),
    "colour hsl": (own("color:hsl(120deg 0% 100%)"), own("color:hsl(0,100%,50%)")),
    "colour hwb": (own("color:hwb(0 100% 0%)"), own("color:hwb(0 0% 0%)")),
    "colour lab": (own("color:lab(100 0 0)"), own("color:lab(40 0 0)")),
    "colour lch": (own("color:lch(99% 1 0)"), own("color:lch(40% 30 0)")),
    "colour oklab": (own("color:oklab(1 0 0)"), own("color:oklab(.4 0 0)")),
    "colour oklch": (own("color:oklch(1 0 0)"), own("color:oklch(.5 .1 20)")),
    "colour of a space": (own("color:color(display-p3 1 1 1)"), own("color:color(srgb 0 0 1)")),
    "colour mixed": (own("color:color-mix(in srgb, white 95%, black)"), own("color:color-mix(in oklab, white, black)")),
    "colour of the canvas": (own("color:Canvas"), own("color:CanvasText")),
    "colour for the light": (own("color:light-dark(white,black)"), own("color:light-dark(black,white)")),
    "clear colour": (own("color:transparent"), own("color:transparent;text-shadow:0 0 1px black")),
    "nearly clear colour": (own("color:rgba(0,0,0,.05)"), own("color:rgba(0,0,0,.5)")),
    "colour of the ground": (
        '<div style="background:#123456"><p style="color:#133355">X</p></div>', '<div style="background:#123456"><p style="color:#fff">X</p></div>',
    ),
    "ground as the colour": (own("color:#333;background:currentcolor"), own("color:#333;background:currentcolor linear-gradient(red,blue)")),
    "ground of a gradient": (own("color:red;background:linear-gradient(red,red)"), own("color:red;background:linear-gradient(red,blue)")),
    "ground over a ground": (
        '<div style="background:black"><p style="background:rgb(255 255 255/.95);color:#eee">X</p></div>',
        '<div style="background:black"><p style="background:rgb(255 255 255/.05);color:#eee">X</p></div>',
    ),
    "fill of letters": (own("-webkit-text-fill-color:transparent"), own("-webkit-text-fill-color:transparent;background:linear-gradient(red,blue);-webkit-background-clip:text")),
    "fill that is handed down": (
        '<div style="-webkit-text-fill-color:transparent"><p style="color:red">X</p></div>',
        '<div style="-webkit-text-fill-color:transparent"><p style="-webkit-text-fill-color:currentcolor">X</p></div>',
    ),
    "colour of a variable": (page(":root{--w:255,255,255} .a{color:rgb(var(--w))}"), page(":root{--w:255,0,0} .a{color:rgb(var(--w))}")),
    "variable with another instead": (own("display:var(--none, none)"), own("--none:block;display:var(--none, none)")),
    "variable of a variable": (page(".a{--a:var(--b);--b:none;display:var(--a)}"), page(".a{--a:var(--b);--b:var(--a);display:var(--a)}")),
    "variable of the place where it is set": (
        page("div{--b:none;--a:var(--b)} p{--b:block;display:var(--a)}", "<div><p>X</p></div>"),
        page("div{--b:block;--a:var(--b)} p{--b:none;display:var(--a)}", "<div><p>X</p></div>"),
    ),
    "upper case and escapes": (own("DIS\\50 LAY:NO\\6e e"), own("dis/**/play:none")),
    "order": (page(".a{display:block} .a{display:none}"), page(".a{display:none} .a{display:block}")),
    "specificity": (page("#i{display:none} .a{display:block}", "<p class=a id=i>X</p>"), page("#i{display:block} p.a{display:none}", "<p class=a id=i>X</p>")),
    "specificity of :where": (page(".a{display:none} :where(#i){display:block}", "<p class=a id=i>X</p>"), page(".a{display:block} :where(#i){display:none}", "<p class=a id=i>X</p>")),
    "layers": (page("@layer b{.a{display:none}} @layer c{.a{color:red}}"), page("@layer b{#i{display:none}} .a{display:block}", "<p class=a id=i>X</p>")),
    "layers, named first": (page("@layer one,two; @layer two{.a{display:none}} @layer one{.a{display:block}}"), page("@layer one,two; @layer two{.a{display:block}} @layer one{.a{display:none}}")),
    "layers, important": (page("@layer b{.a{display:none!important}} .a{display:block!important}"), page("@layer b{.a{display:block!important}} .a{display:none!important}")),
    "media": (page("@media screen and (min-width:600px){.a{display:none}}"), page("@media screen and (max-width:600px){.a{display:none}}")),
    "media, compared": (page("@media (600px <= width < 2000px){.a{display:none}}"), page("@media (width < 600px){.a{display:none}}")),
    "media, print": (page(".a{display:none} @media print{.a{display:block}}"), page("@media print{.a{display:none}}")),
    "media, not": (page("@media not print{.a{display:none}}"), page("@media not screen{.a{display:none}}")),
    "media, dark": (page("@media (prefers-color-scheme:light){.a{display:none}}"), page("@media (prefers-color-scheme:dark){.a{display:none}}")),
    "media of the element": ("<style media=screen>p{display:none}</style><p>X</p>", "<style media=print>p{display:none}</style><p>X</p>"),
    "supports": (page("@supports (display:grid){.a{display:none}}"), page("@supports not (display:grid){.a{display:none}}")),
    "nesting": (page("div{color:red;.a{display:none}}", "<div><p class=a>X</p></div>"), page("div{color:red;.a{display:none}}")),
    "nesting with &": (page(".a{&.b{display:none}}", "<p class='a b'>X</p>"), page(".a{&.b{display:none}}", "<p class=a><b class=b>X</b></p>")),
    "nesting of media": (page(".a{@media screen{display:none}}"), page(".a{@media print{display:none}}")),
    "child": (page("div > .a{display:none}", "<div><p class=a>X</p></div>"), page("div > .a{display:none}", "<div><ul><li class=a>X</ul></div>")),
    "child of a body that is not written": (page("body > p{display:none}"), page("section > p{display:none}")),
    "descendant": (page(".x .y .a{display:none}", "<i class=x><i class=y><b><b class=a>X"), page(".y .x .a{display:none}", "<i class=x><i class=y><b><b class=a>X")),
    "next": (page("h1 + p{display:none}", "<h1></h1><p>X</p>"), page("h1 + p{display:none}", "<h1></h1><hr><p>X</p>")),
    "sibling": (page("h1 ~ p{display:none}", "<h1></h1><hr><p>X</p>"), page("p ~ h1{display:none}", "<h1>X</h1><p></p>")),
    "attribute": (page("[data-x^=ab]{display:none}", "<p data-x=abc>X</p>"), page("[data-x^=ab]{display:none}", "<p data-x=cab>X</p>")),
    "not": (page("p:not(.b){display:none}"), page("p:not(.a){display:none}")),
    "is": (page("p:is(.a,.b){display:none}"), page("p:is(.b,.c){display:none}")),
    "first child": (page("li:first-child{display:none}", "<ul><li>X"), page("li:first-child{display:none}", "<ul><li><li>X")),
    "nth child": (page("li:nth-child(2n){display:none}", "<ul><li><li>X"), page("li:nth-child(2n){display:none}", "<ul><li><li><li>X")),
    "nth of type": (page("p:nth-of-type(2){display:none}", "<p></p><hr><p>X</p>"), page("p:nth-of-type(3){display:none}", "<p></p><hr><p>X</p>")),
    "root": (page(":root .a{display:none}"), page(":root > .a{display:none}")),
    "at times": (page("p{display:none} p:hover{display:block}"), page("p:hover{display:none} p::before{display:none} p:target{opacity:0}")),
    "element of a table that is not written": (page("tbody{display:none}", "<table><tr><td>X</table>"), page("thead{display:none}", "<table><tr><td>X</table>")),
    "class with an escape": (page(".md\\:a{display:none}", "<p class='md:a'>X</p>"), page(".md\\:a{display:none}", "<p class='md a'>X</p>")),
    "after what is wrong": (page("} .b{;;} @foo bar; .a{display:none}"), page("/* .a{display:none} */ .a{color:red}")),
    "behind the text": ("<p class=a>X</p><style>.a{display:none}</style>", "<p class=a>X</p><script>'<style>.a{display:none}</style>'</script>"),
    "only without scripts": ("<style>p{display:none}</style><noscript><style>p{display:block}</style></noscript><p>X", "<noscript><style>p{display:none}</style></noscript><p>X"),
}  # fmt: skip


@each("way", WAYS)
def test_what_hides(way: str) -> None:
    rows = by_view(WAYS[way][0].encode(), HTML)
    assert rows.get("hidden") == ["X"]
    assert "X" not in rows.get("visible", [])


@each("way", WAYS)
def test_what_looks_like_it_and_hides_nothing(way: str) -> None:
    found = items(WAYS[way][1].encode(), HTML)
    assert [text for item in found if not isinstance(item, Gap) and item.view == "visible" for text in item.texts] == ["X"]  # type: ignore[union-attr]
    assert not [item for item in found if isinstance(item, Gap)]


def met(source: str) -> set[str | None]:
    """The bounds that reading a page met."""
    return {item.bound for item in items(source.encode(), HTML) if isinstance(item, Gap)}


MANY = "".join(f"<b class=c{i}>x</b>" for i in range(3000))
HOSTILE: dict[str, tuple[str, set[str | None]]] = {
    "brackets in brackets": (page("(" * 100_000 + "a{" * 100_000), set()),
    "rules in rules": (page("a{" * 50_000), {"css_chars"}),
    "is in is": (page(":is(" * 5_000 + ".a" + ")" * 5_000 + "{display:none}"), {"css_selector"}),
    "nth of nth": (page(":nth-child(1 of " * 5 + ".a" + ")" * 5 + "{display:none}"), {"css_selector"}),
    "& twice at each level": (page(".a,.b{" + "& &,& & &{" * 14 + "display:none" + "}" * 15), {"css_selector"}),
    "descendants of descendants": (page(".no " + "* " * 20 + ".a{display:none}", "<i>" * 400 + "<p class=a>X</p>" * 50), {"css_steps"}),
    "siblings of siblings": (page("i ~ b ~ b ~ b ~ .a{display:none}", "<b></b>" * 800 + "<p class=a>X</p>" * 50), {"css_steps"}),
    "too many siblings": (page("p ~ .a{display:none}", "<b></b>" * 1_500 + "<p class=a>X</p>"), {"css_siblings"}),
    "many rules for all": (page("".join(f"[x{i}]{{display:none}}" for i in range(9_000)), MANY), {"css_steps"}),
    "too many rules": (page(".b{display:none}" * 11_000), {"css_rules"}),
    "too much of a sheet": (page(".b{display:none}" * 70_000), {"css_chars", "css_rules"}),
    "a number of many digits": (page(".a{left:" + "9" * 5_000 + "px}"), set()),
    "an attribute of many words": (
        page("".join(f"[title~=x{i}]{{display:none}}" for i in range(500)), f"<p title='{'a b ' * 300_000}'>X</p>"), {"css_steps"},
    ),
    "more classes than a page has words": (page(".a{display:none}", f"<p class='{'a b ' * 4_000_000}'>X</p>"), {"css_steps"}),
    "a long value for many elements": (
        page(f"p{{width:calc({'1px + ' * 50_000}1px);overflow:hidden}}", "".join(f'<p style="top:{i}px">X' for i in range(99))), {"css_steps"},
    ),
    "many empty variables for many elements": (
        page(f"p{{{''.join(f'--a{i}:;' for i in range(20_000))}}}", "".join(f'<p style="top:{i}px">X' for i in range(300))), {"css_steps"},
    ),
    "many parts of a selector": (page(("p" + ":not(.b)" * 49 + "{display:none}") * 400, "".join(f"<p id=a{i}>X" for i in range(999))), {"css_steps"}),
    "many rules that cannot be decided": (
        page("".join(f"p:last-child{{width:{i}px;overflow:hidden}}" for i in range(400)), "".join(f"<p id=a{i}>X" for i in range(500))), {None},
    ),
    "layers in layers": (page(f"@layer {'.'.join('a' * 9_000)}{{.b{{display:none}}}}"), {"css_chars"}),
    "& times &": (page("a " * 5_000 + "{" + "&" * 5_000 + "{display:none}}"), {"css_selector"}),
    "rules in a rule of many selectors": (page("a," * 20_000 + "a{" + "b{}" * 20_000 + "}"), set()),
    "groups in a rule of a long selector": (page("a " * 20_000 + "{" + "@media all{color:red}" * 2_000 + "}"), set()),
    "an address that is none": (page("a:local-link{display:none}", '<a href="http://[">X</a>'), {None}),
    "variables that double": (
        page(":root{--v0:none none;" + "".join(f"--v{i + 1}:var(--v{i}) var(--v{i});" for i in range(40)) + "} .a{display:var(--v40)}"), {"css_value"},
    ),
    "arithmetic in arithmetic": (own("margin-left:" + "calc(" * 20_000), {"css_value"}),
    "colours in colours": (own("color:" + "light-dark(" * 20_000), set()),
    "the last of several": (page("p:last-child{display:none}"), {None}),
    "what holds something": (page("p:has(b){display:none}"), {None}),
    "a selector of tomorrow": (page("p:tomorrow{display:none}"), {None}),
    "another selector of tomorrow before it": (page("p:soon{color:red} p:tomorrow{display:none}"), {None}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("how", HOSTILE)
def test_what_is_not_applied_is_said(how: str) -> None:
    source, expected = HOSTILE[how]
    assert met(source) == expected


@pytest.mark.slow
@pytest.mark.parametrize("how", HOSTILE)
def test_what_is_not_applied_takes_no_time(how: str, at_most: AtMost) -> None:
    with at_most(10):
        met(HOSTILE[how][0])


@pytest.mark.parametrize(
    "css", ["li:last-child{margin:0}", "p:tomorrow{color:#333}", "p:has(b){color:red}", "::-webkit-scrollbar{display:none}"]
)
def test_what_is_not_applied_and_would_hide_nothing_is_no_gap(css: str) -> None:
    assert met(page(css, "<ul><li>a</ul><p>X<b>")) == set()


def test_every_bound_of_a_style_is_of_the_table() -> None:
    assert {bound for _, expected in HOSTILE.values() for bound in expected} - {None} == {
        name for name in bounds.NAMES if name.startswith("css_")
    }
