"""Finds links out of an OpenDocument, and calls of macros. It keeps no state."""

from __future__ import annotations

from veritensor_ray.formats.office.shared.dde import dde_notice
from veritensor_ray.formats.office.shared.formulas import formula_notice
from veritensor_ray.formats.office.shared.generic_xml import wordy
from veritensor_ray.formats.office.shared.link_targets import is_remote
from veritensor_ray.formats.office.shared.text_blocks import Texts
from veritensor_ray.formats.office.shared.xml_parts import Attributes, Start, attribute

_FOLLOWED = ("object", "object-ole", "floating-frame", "section-source", "applet", "plugin", "table-source", "cell-range-source")
INSIDE = ("#", "./", "Pictures/", "media/")
_OUTSIDE = ("/", "\\", "../")


def link_starts(texts: Texts) -> dict[str, Start]:
    """Handlers of elements that add their targets to `texts`."""

    def link(attrs: Attributes) -> None:
        _add(texts, attrs, "link", None)

    def image(attrs: Attributes) -> None:
        _add(texts, attrs, "image", "external-relation")

    def followed(name: str) -> Start:
        def look(attrs: Attributes) -> None:
            remote = is_remote(attribute(attrs, "href", "xlink") or "")
            _add(texts, attrs, name, "remote-template" if remote else "external-relation")

        return look

    def event(attrs: Attributes) -> None:
        name = attribute(attrs, "href", "xlink") or attribute(attrs, "macro-name", "script") or attribute(attrs, "name", "text")
        # only a call: the macro may belong to the office program, and code in the document is reported separately
        texts.add(name or "macro", "metadata", column="event", notice="macro-call")

    def dde(attrs: Attributes) -> None:
        service, topic, item = (attribute(attrs, f"dde-{name}", "office") or "" for name in ("application", "topic", "item"))
        texts.add("|".join((service, topic, item)), "metadata", column="DDE", notice=dde_notice(service, topic))

    def condition(name: str) -> Start:
        def look(attrs: Attributes) -> None:
            text = attribute(attrs, name, "table") or ""
            if (notice := formula_notice(text)) or wordy(text):
                texts.add(text, "metadata", column=name, notice=notice)

        return look

    return {
        "a": link,
        "image": image,
        **{name: followed(name) for name in _FOLLOWED},
        **dict.fromkeys(("event-listener", "execute-macro"), event),
        **dict.fromkeys(("dde-source", "dde-connection-decl"), dde),
        "content-validation": condition("condition"),
        "named-expression": condition("expression"),
    }


def _add(texts: Texts, attrs: Attributes, column: str, notice: str | None) -> None:
    target = attribute(attrs, "href", "xlink") or ""
    if target and not target.startswith(INSIDE) and (":" in target or target.startswith(_OUTSIDE)):
        texts.add(target, "metadata", column=column, notice=notice)
