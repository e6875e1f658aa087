"""Names the classes in serialized objects of Java (`ObjectOutputStream`), which reading them constructs. Nothing is deserialized."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.core.segments import Gap
from veritensor_ray.engines.base import Hit
from veritensor_ray.engines.modelfiles.effects import Effect, Found

MAGIC = b"\xac\xed\x00\x05"
_RULE = "modelfiles.java-object"
_NAMED = re.compile(rb"[r}](?:\x00\x00\x00.)?(\x00.)(\[*L?[A-Za-z_$][\w$.]*;?)", re.DOTALL)  # the description of a class, or of a proxy
_CLASS = re.compile(r"[\w$]+(?:\.[\w$]+)+")
_SHOWN = 30
# Classes of published chains that run code, load classes or look up addresses when they are read (ysoserial, marshalsec and advisories).
_GADGETS = re.compile(
    r"org\.apache\.commons\.(?:collections4?\.(?:functors|keyvalue|map\.LazyMap|comparators\.Transforming)|beanutils\.BeanComparator|fileupload\.disk)"
    r"|org\.apache\.commons\.configuration2?\.|org\.apache\.xalan\.|com\.sun\.org\.apache\.(?:xalan|bcel)\.|org\.codehaus\.groovy\.runtime\."
    r"|org\.springframework\.(?:beans\.factory|aop|core\.SerializableTypeWrapper|transaction\.jta|context\.support)|com\.sun\.rowset\.JdbcRowSetImpl"
    r"|javax\.(?:management\.BadAttributeValueExpException|naming\.|script\.|imageio\.ImageIO\$ContainsFilter)|java\.lang\.(?:Runtime|ProcessBuilder|ProcessImpl|reflect\.Proxy)$"
    r"|sun\.(?:reflect\.annotation\.AnnotationInvocationHandler|rmi\.|print\.)|java\.rmi\.|com\.mchange\.v2\.c3p0\.|org\.hibernate\.(?:engine\.spi\.TypedValue|property|type\.ComponentType)"
    r"|bsh\.|clojure\.|org\.mozilla\.javascript\.|org\.python\.core\.|com\.vaadin\.data\.util\.|org\.jboss\.(?:weld\.)?interceptor\.|com\.alibaba\.fastjson"
    r"|com\.sun\.syndication\.feed\.impl\.|net\.sf\.json\.JSONObject|org\.apache\.(?:myfaces|wicket\.util\.upload|click\.control)\.|com\.fasterxml\.jackson\.databind\.node\.POJONode"
    r"|java\.security\.SignedObject|java\.net\.(?:URL|URLClassLoader)$|javassist\.|org\.apache\.logging\.log4j\.core\.(?:lookup|net)"
)


def scan_java(file: BinaryIO) -> Iterator[Found]:
    """Yield the classes that reading the objects constructs."""
    data = file.read(bounds.SEARCHED_OBJECT)
    names = list(dict.fromkeys(_names(data)))
    yield Effect("calls", f"{len(names)} classes of Java", "unknown", "reading an object constructs the classes that it names", 0, 4)
    if acting := [(name, at) for name, at in names if _GADGETS.match(name)]:
        name, at = acting[0]
        yield Hit(_RULE, at, at + len(name), severity="high", message=f"{name} is known to run code when it is read", evidence=name)
    shown = ", ".join(name for name, _ in names[:_SHOWN])
    yield Hit(_RULE, 0, 4, severity="low", message=f"serialized objects of Java: {shown or 'no classes'}"[:500], evidence=shown[:1000])
    if file.read(1):
        yield Gap("classes in the rest of the file were not looked for", engine="modelfiles", bound="searched_object")


def _names(data: bytes) -> Iterator[tuple[str, int]]:
    """Yield the names of classes, and where they stand."""
    for found in _NAMED.finditer(data):
        size, at = int.from_bytes(found[1], "big"), found.start(2)
        name = data[at : at + size].decode("latin-1").lstrip("[").removeprefix("L").rstrip(";")
        if _CLASS.fullmatch(name):
            yield name, at
