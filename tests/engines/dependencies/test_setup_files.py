"""setup.cfg and setup.py: what they require, what they only compute, and that nothing is run."""

from __future__ import annotations

import pytest

from veritensor_ray.engines.dependencies.advisory_model import Dependency, Unparsable, Unread
from veritensor_ray.engines.dependencies.manifests import named

CFG = """[metadata]
name = app
[options]
install_requires =
    requests==2.19.0
    # a comment
    numpy>=1 ; python_version > "3"
    no package
setup_requires = wheel==0.40; setuptools
tests_require = file: tests.txt
packages = find:
[options.extras_require]
dev = pytest==7.0
"""

SETUP = """from setuptools import setup
raise SystemExit("this file was run")
base = ["requests==2.19.0", loop]
loop = loop + base
setup(
    name="app",
    install_requires=base + ["numpy>=1", *more()],
    extras_require={"dev": ["pytest==7.0"]},
    setup_requires=open("requirements.txt").read(),
)
"""


@pytest.mark.parametrize(
    ("name", "text", "expected", "lines"),
    [
        ("setup.cfg", CFG, ["requests==2.19.0", "numpy>=1", "wheel==0.40", "setuptools", "pytest==7.0"], [8, 10]),
        ("setup.cfg", "[tool]\nx = 1\n", [], []),
        (
            "setup.cfg",
            "[DEFAULT]\nInstall_Requires : a==1\n[options]\n  tests_require = b\n  zip_safe\n    c\n[other]\nsetup_requires = d\n",
            ["a==1", "b"],
            [],
        ),
        ("setup.py", SETUP, ["requests==2.19.0", "numpy>=1", "pytest==7.0"], [7, 9]),
        ("setup.py", "import setuptools\nsetuptools.setup(install_requires='a==1\\nb')", ["a==1", "b"], []),
        ("setup.py", "x = ['a==1']\nx += ['b']\nsetup(install_requires=x)\nx = []", ["a==1", "b"], []),
        ("setup.py", "x: list[str] = ['a==1']\nsetup(install_requires=x, tests_require=x)", ["a==1"], []),
        ("setup.py", "x = ['a==1', 'b']\n" + "setup(install_requires=x)\n" * 2000, ["a==1", "b"], []),
        ("setup.py", "setup(**options)", [], [1]),
        ("setup.py", "print('no call')", [], []),
    ],
)
def test_setup_file(name: str, text: str, expected: list[str], lines: list[int]) -> None:
    parser = named(name)
    assert parser is not None
    found = list(parser(text))
    dependencies = [one for one in found if isinstance(one, Dependency)]
    assert [one.shown for one in dependencies] == expected
    assert all(text[one.start : one.end] == one.name for one in dependencies)
    assert [one.line for one in found if isinstance(one, Unread)] == lines


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("setup.cfg", "no section\n"),
        ("setup.cfg", "[options]\n" + "=\n" * 200_000),
        ("setup.cfg", "[options]\n" + " = x\n" * 200_000),
        ("setup.py", "setup("),
        ("setup.py", "x" + "(" * 100_000),
        ("setup.py", "\0"),
        ("setup.py", "\ud800"),
        ("setup.py", "#" * (5 << 20)),
    ],
)
def test_says_what_cannot_be_read_at_all(name: str, text: str) -> None:
    parser = named(name)
    assert parser is not None
    with pytest.raises(Unparsable):
        list(parser(text))
