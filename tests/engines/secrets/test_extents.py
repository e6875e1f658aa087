"""Values with every punctuation character, in every format: each ends where the format's grammar ends it. And what is not a literal value."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import each
from tests.engines.secrets.building import ALNUM, batch, engine, found
from veritensor_ray.engines.secrets.extents import RunEnds

_ALL = string.punctuation


def without(characters: str) -> str:
    """Return the punctuation that a grammar allows inside a value, as it is."""
    return "".join(one for one in _ALL if one not in characters)


# The name of a file, a text with a value in it, and the punctuation that may stand in the value.
FORMATS = {
    "environment": ("app.env", "USER=ann\nDB_PASSWORD={v}\nNEXT=1\n", _ALL),
    "exported": (".env", "export PASSWORD={v}\n", _ALL),
    "properties": ("a.properties", "db.user=ann\ndb.password={v}\nx=1\n", without("\\")),
    "ini": ("a.ini", "[db]\nuser = ann\npassword = {v}\nport = 1\n", _ALL),
    "conf": ("a.conf", "passwd={v}\n", _ALL),
    "yaml": ("a.yaml", "db:\n  password: {v}\n  user: ann\n", _ALL),
    "yaml list": ("compose.yml", "environment:\n  - POSTGRES_PASSWORD={v}\n  - A=b\n", _ALL),
    "yaml quoted": ("a.yaml", "password: '{v}'\n", without("'")),
    "yaml flow": ("a.yaml", "db: {{user: ann, password: {v}, host: h}}\n", without(",[]{}")),
    "toml": ("a.toml", 'password = "{v}"\n', without('"\\')),
    "shell word": ("run.sh", "export PASSWORD={v}\n", without(";&|<>()$`\"'\\*?!~#{}[]")),
    "shell, single quotes": ("run.sh", "PASSWORD='{v}'; ./run\n", without("'")),
    "shell, double quotes": ("run.sh", 'PASSWORD="{v}" ./run\n', without('"$`\\!')),
    "Dockerfile": ("Dockerfile", "ENV DB_PASSWORD={v}\n", without("\\$\"'")),
    "XML attribute": ("a.xml", '<db user="a" password="{v}"/>', without('<&"')),
    "XML element": ("a.xml", "<password>{v}</password>", without("<&>")),
    "URL": ("a.txt", "see https://h.kaldor.net/login?user=ann&password={v}&next=1 now", without('&#"<>\\^`{|}')),
    "Python": ("a.py", 'password = "{v}"\n', without('"\\')),
    "JavaScript": ("a.js", "const dbPassword = '{v}';\n", without("'\\")),
    "Java": ("A.java", 'String password = "{v}";\n', without('"\\')),
    "PHP": ("a.php", "'password' => '{v}',\n", without("'\\")),
    "argument": ("notes.txt", "mytool --password {v} --host h1\n", _ALL),
    "argument with =": ("notes.md", "mytool --password={v} --host h1\n", _ALL),
    "text": ("notes.txt", "user: ann\npassword: {v}\n", _ALL),
    "text with =": ("notes.txt", "user=ann\npwd={v}\n", _ALL),
    "end of a text": ("notes.txt", "PASSWORD={v}", _ALL),
    "sentence": ("notes.txt", "Log in, the password is {v}, and go on.\n", _ALL),
    "parentheses": ("mail.eml", "Here you are (password: {v}). Bye\n", without("()")),
    "log": ("app.log", "2024-05-01 INFO login user=ann password={v} host=h1\n", _ALL),
    "pairs": ("notes.txt", "user=ann, password={v}, host=h1\n", _ALL),
    "narrow pairs": ("notes.txt", "user=ann,password={v},host=h1\n", without(",")),
    "connection string": ("notes.txt", "Server=db1;Database=x;User Id=sa;Password={v};Encrypt=yes\n", without(";")),
    "code in Markdown": ("a.md", "Set `PASSWORD={v}` first.\n", without("`")),
    "bold in Markdown": ("a.md", "The **password**: {v}\n", _ALL),
    "value of JSON": ("a.json", "{v}", _ALL),
    "cell": ("a.csv", "{v}", _ALL),
}  # fmt: skip
_CELLS = ("value of JSON", "cell")
_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"), ("<", ">"))


def values(seed: str, allowed: str) -> Iterator[str]:
    """Yield made-up passwords: two with each character, one with each pair of brackets, and some with two characters."""
    source = random.Random(seed)

    def part(size: int = 6) -> str:
        return source.choice(string.ascii_letters) + "".join(source.choice(ALNUM) for _ in range(size - 3)) + source.choice("23456789") * 2

    for one in allowed * 2:
        yield part() + one + part()
    for opening, closing in _BRACKETS:
        if opening in allowed and closing in allowed:
            yield part(5) + opening + part(4)[:2] + closing + part()
    for _ in range(6):
        yield part() + source.choice(allowed) + part(4) + source.choice(allowed) + part(5)


@pytest.mark.parametrize("name", FORMATS)
def test_a_value_ends_where_its_format_ends_it(name: str) -> None:
    path, text, allowed = FORMATS[name]
    some = list(values(name, allowed))
    texts = [text.replace("{{", "{").replace("}}", "}").replace("{v}", value) for value in some]
    hits = engine().scan_text(batch(texts, path, "db.password" if name in _CELLS else None))
    told = [[texts[row][hit.start : hit.end] for hit in hits if hit.row == row] for row in range(len(texts))]
    wrong = [(value, got) for value, got in zip(some, told, strict=True) if got != [value]]
    assert len(wrong) <= len(some) * 0.12, wrong


@each(
    ("path", "text", "value"),
    [
        ("a.txt", "PASSWORD=Tr0ub4dor&3xyzzy", "Tr0ub4dor&3xyzzy"),
        ("a.txt", "password: pa#9sQ;w0rdXX", "pa#9sQ;w0rdXX"),
        ("a.md", "password: Zx9(kQ)8vLm2", "Zx9(kQ)8vLm2"),
        ("a.txt", "pwd=Xk3<9d>8LmQ2", "Xk3<9d>8LmQ2"),
        ("a.sh", "curl -e \"PASSWORD=Xk3&9d8LmQ2\" x; y", "Xk3&9d8LmQ2"),
        ("a.sh", "PASSWORD=Xk39d8LmQ2&& x", "Xk39d8LmQ2"),
        ("a.env", "PASSWORD=Xk39d8 LmQ2  # comment", "Xk39d8 LmQ2"),
        ("a.env", "PASSWORD=Xk39d8LmQ2 USER=ann", "Xk39d8LmQ2"),
        ("a.yaml", "password: 'it''s9X4qq'", "it''s9X4qq"),
        ("a.py", 'password = "a\\"b9X4qq7"', 'a\\"b9X4qq7'),
        ("a.md", "run `tool --password Xk3;9d8LmQ2`, then", "Xk3;9d8LmQ2"),
        ("a.html", "password: Xk39d8LmQ2</td>", "Xk39d8LmQ2"),
        ("a.txt", "https://h.kaldor.net/?password=Xk39d8LmQ2#top", "Xk39d8LmQ2"),
        ("a.txt", "Password: Dlqwumg967*\n", "Dlqwumg967*"),
    ],
)  # fmt: skip
def test_what_ends_a_value(path: str, text: str, value: str) -> None:
    assert [one for _, one in found(text, path)] == [value]


@each(
    ("path", "text"),
    [
        ("a.md", "password: f(x)"),
        ("a.md", "password = getpass.getpass('x')"),
        ("a.md", "password=md5(pw)"),
        ("a.txt", "token = sha256(secret)[:16]"),
        ("a.md", "password = request.form['password']"),
        ("a.md", "password = aes256Encrypt(plain)"),
        ("a.sh", "password=$(cat /run/x)"),
        ("a.sh", "password=${DB_PASS:-}"),
        ("a.yaml", "password: {{ vault_password }}"),
        ("a.yaml", "pass: os.environ['X']"),
        ("a.md", "password: <your password>"),
        ("a.md", "password=%PASS%;"),
        ("a.md", "Password: [reset it](https://x.y/z1)"),
        ("a.md", "<td>Password:</td><td>string(8)</td>"),
        ("a.txt", "password: a-z, A-Z, 0-9"),
        ("a.txt", "password: (min. 8 characters)"),
        ("a.txt", "key: map[string]int{}"),
    ],
)
def test_expressions_are_no_values(path: str, text: str) -> None:
    assert found(text, path) == []


@given(st.text("ab -u\n", max_size=60), st.lists(st.integers(0, 59), max_size=20), st.integers(1, 20))
def test_a_run_ends_where_a_search_from_each_place_says(text: str, places: list[int], longest: int) -> None:
    for pattern in (re.compile(r"[ \n]"), re.compile(" -u|\n")):
        ends = RunEnds(text, pattern, longest)
        for at in [place for place in places if place <= len(text)]:
            stop = pattern.search(text, at)
            assert ends.end(at) == min(stop.start() if stop else len(text), at + longest, len(text))
