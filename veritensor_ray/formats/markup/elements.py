"""The meaning of HTML elements and attributes for a reader of the text."""

from __future__ import annotations

from typing import NamedTuple

from veritensor_ray.formats.common.name_sets import names

# A paragraph ends wherever one of these begins or ends.
BLOCKS = names(
    "address article aside blockquote body button caption center col colgroup dd details dialog dir div dl dt fieldset figcaption figure "
    "footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe legend li listing main menu nav ol optgroup option p "
    "plaintext pre search section select summary table tbody td textarea tfoot th thead title tr ul video xmp "
    "svg text desc math template noscript"
)
VOID = names("area base basefont bgsound br col command embed frame hr image img input keygen link meta param source track wbr")
# Other elements that browsers know, including those of drawings and formulas.
KNOWN = (
    BLOCKS
    | VOID
    | names(
        "a abbr acronym audio b bdi bdo big blink canvas cite code content data datalist del dfn em font i ins kbd label listing map mark "
        "marquee meter nobr noembed noframes object output picture portal progress q rb rp rt rtc ruby s samp script selectedcontent shadow "
        "slot small span strike strong style sub sup time tt u var g path rect circle ellipse polygon polyline line defs use symbol tspan "
        "textpath mi mo mn mrow mfrac msup msub msqrt semantics annotation applet isindex spacer multicol noindex"
    )
)
# Elements that browsers never show, or show only as a fallback.
UNSEEN = names("template noscript noframes noembed datalist object video audio canvas rp metadata")
KEEP_SPACE = names("pre listing xmp textarea plaintext")
# The open elements that each element closes when it begins, and the elements at which the search for them ends.
_CELLS, _ROW = frozenset({"td", "th"}), frozenset({"tr"})
_GROUPS = frozenset({"tbody", "thead", "tfoot", "caption", "colgroup"})
_TABLE, _CELL = frozenset({"table", "template"}), frozenset({"td", "th", "table", "template", "button", "caption"})
CLOSES: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    **{name: (frozenset({"p"}), _CELL) for name in BLOCKS - {"td", "th", "tr", "tbody", "thead", "tfoot", "option", "optgroup", "body"}},
    "li": (frozenset({"li"}), frozenset({"ul", "ol", "menu", "dir"}) | _CELL),
    "dd": (frozenset({"dd", "dt"}), frozenset({"dl"}) | _CELL),
    "dt": (frozenset({"dd", "dt"}), frozenset({"dl"}) | _CELL),
    "option": (frozenset({"option"}), frozenset({"select", "datalist", "optgroup"})),
    "optgroup": (frozenset({"option", "optgroup"}), frozenset({"select"})),
    "td": (_CELLS, _TABLE | {"tr"}),
    "th": (_CELLS, _TABLE | {"tr"}),
    "tr": (_ROW, _TABLE | _GROUPS),
    **dict.fromkeys(_GROUPS, (_ROW | _GROUPS, _TABLE)),
}
# The end tag of another element does not reach beyond these.
BARRIERS = frozenset({"td", "th", "tr", "table", "caption", "template", "html", "body", "svg", "math", "object", "marquee"})

# Attributes for layout or behavior, which are read only if they contain a sentence.
LAYOUT = names(
    "class id style width height align valign colspan rowspan border cellpadding cellspacing color bgcolor face size type rel lang "
    "xml:lang dir charset method enctype target role tabindex hidden for scope viewbox d points x y x1 x2 y1 y2 cx cy r rx ry dx dy fill "
    "stroke stroke-width stroke-linecap stroke-linejoin stroke-miterlimit stroke-dasharray fill-rule clip-rule fill-opacity "
    "stroke-opacity clip-path mask filter transform gradientunits gradienttransform patternunits offset stop-color stop-opacity opacity "
    "display visibility overflow xmlns version preserveaspectratio loading decoding fetchpriority sizes media autocomplete maxlength "
    "crossorigin referrerpolicy integrity nonce as http-equiv property itemprop itemtype itemscope async defer "
    "font-size font-family font-weight text-anchor letter-spacing"
)
ADDRESSES = names("href src action formaction cite longdesc data poster background srcset ping manifest xlink:href codebase classid")
# Attributes that normally have no value, so that none of them is text hidden in a name.
FLAGS = names(
    "allowfullscreen async autofocus autoplay checked compact controls default defer disabled download formnovalidate hidden inert ismap "
    "itemscope loop multiple muted nohref nomodule noresize noshade novalidate nowrap open playsinline readonly required reversed selected"
)
RAW_ELEMENTS = names("script style title textarea xmp iframe noembed noframes plaintext")  # their content is not markup


class ElementKind(NamedTuple):
    """Combines the sets above for one element, because a page needs them all at each tag."""

    known: bool = True
    block: bool = False
    raw: bool = False
    holds: bool = True  # its content is markup
    unseen: bool = False
    keeps_space: bool = False
    looks: bool = False  # its name alone affects how it is shown
    closes: tuple[frozenset[str], frozenset[str]] | None = None


UNKNOWN = ElementKind(known=False)
ELEMENTS = {
    name: ElementKind(
        name in KNOWN,
        name in BLOCKS,
        name in RAW_ELEMENTS,
        name not in VOID and name not in RAW_ELEMENTS,
        name in UNSEEN,
        name in KEEP_SPACE,
        name in UNSEEN or name in KEEP_SPACE or name in ("svg", "dialog"),
        CLOSES.get(name),
    )
    for name in KNOWN | UNSEEN
}
STYLED = names("display visibility opacity font-size")  # attributes of SVG that are styles
# Elements that may contain nothing but text.
LEAVES = frozenset(name for name, kind in ELEMENTS.items() if kind.known and kind.holds) - {"svg", "math"}
