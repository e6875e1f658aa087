"""Recipes of conda, and the lock files of conda-lock and pixi."""

from __future__ import annotations

from textwrap import indent

import pytest

from tests.engines.dependencies.building import engine, scan
from veritensor_ray.engines.dependencies.advisory_model import Dependency, Item, Unparsable, Unread
from veritensor_ray.engines.dependencies.manifests import named


def items(name: str, text: str) -> list[Item]:
    parser = named(name)
    assert parser is not None
    return list(parser(text))


def shown(name: str, text: str) -> list[str]:
    found = items(name, text)
    for one in found:
        if isinstance(one, Dependency) and one.end:
            assert text[one.start : one.end] == one.name
    return [
        f"{one.ecosystem} {one.shown}" if isinstance(one, Dependency) else one.reason
        for one in found
        if isinstance(one, Dependency | Unread)
    ]


RECIPE = """
{% set name = "Own" %}
{% set version = "1.2.3" -%}
{%- set numpy_version='1.20.0' %}
package:
  name: {{ name|lower }}
  version: {{ version }}
source:
  url: https://example.test/{{ name[0] }}/{{ name }}-{{ version }}.tar.gz
build:
  number: 0
  skip: true  # [win]
requirements:
  build:
    - {{ compiler('c') }}
    - {{ stdlib("c") }}
    - make  # [not win]
  host:
    - python
    - numpy {{ numpy_version }}
    - zlib 1.2.13 h5eee18b_0
    - "requests >=2.0,<3"
  run:
    - python >=3.9
    - {{ pin_compatible('numpy', max_pin='x.x') }}
    - {{ pin_subpackage(name, exact=True) }}
    - conda-forge::openssl=3.0.7
    - scipy {{ environ.get("SCIPY") }}
{% for extra in range(10 ** 9) %}
    - tqdm
{% endfor %}
test:
  requires:
    - pytest
outputs:
  - name: other
    requirements:
      - pillow ==9.5.0
  - name: third
    requirements:
      run:
        - pyyaml
"""


def test_a_recipe() -> None:
    assert shown("meta.yaml", RECIPE) == [
        "conda make",
        "conda python",
        "conda numpy==1.20.0",
        "conda zlib==1.2.13",
        "conda requests>=2.0,<3",
        "conda python>=3.9",
        "conda numpy",
        "conda openssl==3.0.7",
        "a requirement is computed by a template, and templates are not run",
        "conda tqdm",
        "conda pytest",
        "conda pillow==9.5.0",
        "conda pyyaml",
    ]


RECIPE_YAML = """\
context:
  name: own
  version: "1.2.3"
  numpy: 1.20.0
package:
  name: ${{ name }}
requirements:
  build:
    - ${{ compiler('c') }}
  host:
    - numpy ${{ numpy }}
    - if: linux
      then: zlib 1.2.13
      else:
        - openssl ==3.0.7
  run:
    - pin_compatible:
        name: numpy
        upper_bound: x.x
    - ${{ pin_subpackage(name) }}
  ignore_run_exports:
    from_package:
      - cmake
"""


def test_a_recipe_of_the_newer_form() -> None:
    assert shown("recipe.yaml", RECIPE_YAML) == ["conda numpy==1.20.0", "conda zlib==1.2.13", "conda openssl==3.0.7", "conda numpy"]


@pytest.mark.parametrize("text", ["artifact_location: file:///mlruns\nlifecycle_stage: active\n", "", "a: [\n", "{{ x"])
def test_another_file_of_that_name_is_none(text: str) -> None:
    assert items("meta.yaml", text) == []


def test_a_recipe_that_repeats_itself_endlessly_ends() -> None:
    levels = "".join(f"l{n}: &l{n} {{{', '.join(f'k{m}: *l{n - 1}' for m in range(100))}}}\n" for n in range(1, 6))
    [unread] = items("meta.yaml", f"l0: &l0 {{k: []}}\n{levels}requirements: *l5\n")
    assert isinstance(unread, Unread)


CONDA_LOCK = """\
version: 1
metadata:
  content_hash:
    linux-64: 0123
  channels:
  - url: conda-forge
    used_env_vars: []
package:
- name: ca-certificates
  version: 2023.5.7
  manager: conda
  platform: linux-64
  dependencies: {}
  url: https://conda.anaconda.org/conda-forge/linux-64/ca-certificates-2023.5.7-hbcca054_0.conda
  hash:
    md5: f5c65075fc34438d5b456c7f3f5ab695
  category: main
  optional: false
- name: requests
  version: 2.19.0
  manager: pip
  platform: linux-64
  dependencies:
    certifi: '>=2017'
  url: https://files.pythonhosted.org/packages/x/requests-2.19.0-py2.py3-none-any.whl
- name: 'zlib'
  version: '1.2.13'
  manager: conda
- version: 5
"""
PIXI_6 = """\
version: 6
environments:
  default:
    channels:
    - url: https://conda.anaconda.org/conda-forge/
    packages:
      linux-64:
      - conda: https://conda.anaconda.org/conda-forge/linux-64/bzip2-1.0.8-h4bc722e_7.conda
packages:
- conda: https://conda.anaconda.org/conda-forge/linux-64/bzip2-1.0.8-h4bc722e_7.conda
  sha256: 5ced96500d945fb286c9c838e54fa759aa04a7129c59800f0846b4335cee770d
  depends:
  - __glibc >=2.17,<3.0.a0
  - libgcc-ng >=12
  license: bzip2-1.0.6
- conda: https://conda.anaconda.org/conda-forge/noarch/python_abi-3.12-5_cp312.conda
- pypi: https://files.pythonhosted.org/packages/x/requests-2.19.0-py3-none-any.whl
  name: requests
  version: 2.19.0
  requires_dist:
  - urllib3>=1.21.1
- pypi: https://files.pythonhosted.org/packages/x/idna-2.8-py3-none-any.whl
- pypi: git+https://example.test/one.git?rev=main#0123
  name: one
  version: 0.1.0
- pypi: ./
  name: own
  version: 0.1.0
  editable: true
"""
PIXI_5 = """\
version: 5
packages:
- kind: conda
  name: _libgcc_mutex
  version: '0.1'
  build: conda_forge
- kind: pypi
  name: requests
  version: 2.19.0
  url: https://files.pythonhosted.org/packages/x/requests-2.19.0-py3-none-any.whl
"""
PIXI_PACKAGES = ["conda bzip2==1.0.8", "conda python_abi==3.12", "PyPI requests==2.19.0", "PyPI idna==2.8", "PyPI one==0.1.0"]
CONDA_PACKAGES = [
    "conda ca-certificates==2023.5.7",
    "PyPI requests==2.19.0",
    "conda zlib==1.2.13",
    "the entry of a package cannot be parsed",
]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("conda-lock.yml", CONDA_LOCK, CONDA_PACKAGES),
        ("cpu.conda-lock.yaml", CONDA_LOCK.replace("\n", "\r\n"), CONDA_PACKAGES),
        ("conda-lock.yml", "package:\n" + indent(CONDA_LOCK.partition("package:\n")[2], "  "), CONDA_PACKAGES),
        ("pixi.lock", PIXI_6, PIXI_PACKAGES),
        ("pixi.lock", PIXI_5, ["conda _libgcc_mutex==0.1", "PyPI requests==2.19.0"]),
        ("pixi.lock", "version: 6\npackages: []\n", []),
    ],
)
def test_lock_files(name: str, text: str, expected: list[str]) -> None:
    assert shown(name, text) == expected


def test_what_could_not_be_read_names_its_line_and_git_is_an_address() -> None:
    assert [one.line for one in items("conda-lock.yml", CONDA_LOCK) if isinstance(one, Unread)] == [CONDA_LOCK.count("\n")]
    assert [one.url for one in items("pixi.lock", PIXI_6) if isinstance(one, Dependency) and one.url] == [
        "git+https://example.test/one.git?rev=main#0123"
    ]


@pytest.mark.parametrize("name", ["conda-lock.yml", "pixi.lock"])
def test_another_file_is_told(name: str) -> None:
    with pytest.raises(Unparsable, match="no list of packages"):
        items(name, "a: b\n")


def test_packages_of_channels_are_counted_in_a_gap_and_those_of_pypi_are_looked_up() -> None:
    _, gaps = scan(engine(database="/nowhere"), "pixi.lock", PIXI_6)
    assert [gap.coverage for gap in gaps] == ["db_missing", "db_missing"]
    assert gaps[1].reason == "there are no advisories for conda packages: 2 were not checked"
