"""Serialized objects of Java: the classes that they name, and those that are known to run code."""

from __future__ import annotations

from tests.cases import each
from tests.engines.modelfiles.building import judged, scan
from veritensor_ray.core.detection import Hit


def java(*classes: str) -> bytes:
    described = b"".join(b"sr" + len(name).to_bytes(2, "big") + name.encode() + bytes(8) + b"\x02\0\0xp" for name in classes)
    return b"\xac\xed\0\x05" + described + b"t\0\x04tree"


TREE = "weka.classifiers.trees.J48"


@each(
    ("classes", "severities"),
    [
        ([TREE], ["low"]),
        ([TREE, "java.util.ArrayList", "java.lang.Integer"], ["low"]),
        ([TREE, "[Ljava.lang.String;"], ["low"]),
        (["org.apache.commons.collections.functors.InvokerTransformer"], ["high", "low"]),
        ([TREE, "org.apache.commons.collections4.comparators.TransformingComparator"], ["high", "low"]),
        (["com.sun.org.apache.xalan.internal.xsltc.trax.TemplatesImpl"], ["high", "low"]),
        (["com.sun.rowset.JdbcRowSetImpl"], ["high", "low"]),
        (["[Ljavax.management.BadAttributeValueExpException;"], ["high", "low"]),
        (["com.mchange.v2.c3p0.WrapperConnectionPoolDataSource"], ["high", "low"]),
        (["java.net.URL"], ["high", "low"]),
        (["java.net.URLs"], ["low"]),
        ([], ["low"]),
    ],
)  # fmt: skip
def test_classes(classes: list[str], severities: list[str]) -> None:
    for name in ("weka.model", "a.ser", "a.bin", "a"):
        hits = [hit for hit in scan(java(*classes), name) if isinstance(hit, Hit)]
        assert [hit.severity for hit in hits] == severities
        passed = judged(java(*classes), name)
        assert passed is not None
        assert passed.verdict == ("dangerous" if "high" in severities else "unknown")


def test_the_classes_are_named() -> None:
    message = [hit.message for hit in scan(java(TREE, "java.util.ArrayList"), "m") if isinstance(hit, Hit)]
    assert message == [f"serialized objects of Java: {TREE}, java.util.ArrayList"]
