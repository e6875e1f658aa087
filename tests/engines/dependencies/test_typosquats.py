"""Names that pass for popular ones, and those that do not."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import each
from tests.clock import AtMost
from veritensor_ray.engines.dependencies.known_names import Lists, popular
from veritensor_ray.engines.dependencies.typosquats import Lookalikes, distance, skeleton

LISTS = Lists({})
# Names that were taken down from the registries for what they imitated, and slips of the same kinds.
PYPI = """
    jeilyfish colourama diango djago dajngo djanga mumpy tenserflow tensorflwo requesrs requesst reqeusts reqests requets
    requestss rquests beautifulsup4 beautifulsoup-4 matplotlb matplolib matplotlip numyp nunpy nmupy pandsa panads scikitlearn
    torhc crypographyy cryptograpyh pillo pilow selemium seleniumm flaskk boto33 coloramma urllib33 python-openai openai-python
    trasnformers langchian paramikoo aiohtttp aiohtpp fastapii uvicron sqlalchamy python-dotnev сryptography requеsts
"""
NPM = "electorn lodashs lodahs reacct exress exppress axois axioss comander chalkk webpakc typescirpt eslnt types-node @bable/core @tpyes/node rimarf"


@pytest.mark.parametrize("ecosystem", ["PyPI", "npm"])
def test_no_alarm_on_the_list_itself(ecosystem: str) -> None:
    index = LISTS.of(ecosystem)
    assert [name for name in popular(ecosystem) if index.check(name)] == []
    assert len(popular(ecosystem)) > 14_000


@pytest.mark.parametrize(("ecosystem", "names", "least"), [("PyPI", PYPI, 1.0), ("npm", NPM, 1.0)])
def test_finds_slips(ecosystem: str, names: str, least: float) -> None:
    found = {name: LISTS.of(ecosystem).check(name) for name in names.split()}
    missed = [name for name, squat in found.items() if squat is None]
    assert 1 - len(missed) / len(found) >= least, missed


@each(
    ("ecosystem", "name", "target", "how", "severity"),
    [
        ("PyPI", "reqeusts", "requests", "one typo", "high"),
        ("PyPI", "requеsts", "requests", "look-alike characters", "high"),
        ("PyPI", "scikitlearn", "scikit-learn", "different separators", "medium"),
        ("PyPI", "requests-python", "requests", "an added prefix or suffix", "medium"),
        ("npm", "@bable/core", "@babel/core", "one typo", "high"),
        ("PyPI", "beautifulsop", None, None, None),
        ("PyPI", "requests-internal", None, None, None),
        ("PyPI", "mycompany-data-tools", None, None, None),
        ("PyPI", "io", None, None, None),
        ("PyPI", "pipp", None, None, None),
        ("PyPI", "", None, None, None),
        ("PyPI", "x" * 5_000, None, None, None),
        ("npm", "@mycompany/react", None, None, None),
        ("npm", "@babel/something-new", None, None, None),
        ("npm", "JSONStream", None, None, None),
    ],
)
def test_verdicts(ecosystem: str, name: str, target: str | None, how: str | None, severity: str | None) -> None:
    squat = LISTS.of(ecosystem).check(name)
    assert (squat.target, squat.how, squat.severity) == (target, how, severity) if squat and target else squat is None


def test_a_name_that_exists_is_low_at_most() -> None:
    for ecosystem in ("PyPI", "npm"):
        index = LISTS.of(ecosystem)
        found = Counter(squat.severity if (squat := index.check(name)) else None for name in index._existing)
        assert set(found) <= {None, "low"}


def test_another_list_takes_the_place_of_ours(tmp_path: object) -> None:
    index = Lookalikes("PyPI", ["internal-tool"], 1)
    assert index.check("reqeusts") is None
    found = index.check("internal-tol")
    assert found is not None
    assert found.target == "internal-tool"


@pytest.mark.parametrize(
    ("a", "b", "edits"),
    [("", "", 0), ("ab", "ba", 1), ("abc", "abcd", 1), ("abc", "xbc", 1), ("kitten", "sitting", 3), ("ca", "abc", 3), ("a", "", 1)],
)
def test_distance(a: str, b: str, edits: int) -> None:
    assert distance(a, b) == distance(b, a) == edits


@given(st.text("abc", max_size=8), st.text("abc", max_size=8))
def test_distance_is_bounded_by_length(a: str, b: str) -> None:
    assert abs(len(a) - len(b)) <= distance(a, b) <= max(len(a), len(b))
    assert (distance(a, b) == 0) == (a == b)


@given(st.sampled_from([name for name in popular("PyPI")[:500] if len(name) >= 7]), st.data())
def test_every_slip_in_a_popular_name_is_found_or_popular_itself(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, len(name) - 2))
    slip = data.draw(
        st.sampled_from([name[:at] + name[at + 1 :], name[:at] + "x" + name[at:], name[:at] + name[at + 1] + name[at] + name[at + 2 :]])
    )
    index = LISTS.of("PyPI")
    if slip != name and not index.is_popular(slip) and slip not in index._existing and "--" not in slip:
        assert index.check(slip) is not None


def test_the_eye_reads() -> None:
    assert skeleton("Рy-Тоrсh") == skeleton("pytorch")
    assert skeleton("modern") == skeleton("modem")
    assert skeleton("p1llow") == skeleton("pillow") == skeleton("piIIow")


def test_a_look_up_costs_microseconds(at_most: AtMost) -> None:
    index = LISTS.of("PyPI")
    names = [f"unknown-package-{number}" for number in range(20_000)]
    with at_most(len(names) / 15_000):
        for name in names:
            index.check(name)
