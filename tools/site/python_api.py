"""The reference of the Python API: what mkdocstrings is asked to show."""

from __future__ import annotations

from collections.abc import Iterable

import veritensor_ray
from tools.site.markdown import GENERATED
from veritensor_ray.engines import base

PAGE = "reference/python.md"
# The names of `veritensor_ray.testing` that tests of engines use.
TESTING = ("EngineContract", "SampleFile", "text_batch")


def python_page() -> str:
    """The page with the public names, each as a directive."""
    public = sorted(
        (name for name in veritensor_ray.__all__ if name != "__version__"), key=lambda name: name[0].isupper()
    )  # functions first
    return f"""# Python API

{GENERATED} [In a notebook](../notebook.md) shows how the calls work together.

## `veritensor_ray`

{_directives("veritensor_ray.api", public)}
## `veritensor_ray.engines.base`

What an engine is made of. [Contributing](../project/contributing.md) adds one step by step.

{_directives("veritensor_ray.engines.base", [name for name in base.__all__ if name != "CATEGORIES"])}
## `veritensor_ray.testing`

{_directives("veritensor_ray.testing", TESTING)}"""


def _directives(module: str, names: Iterable[str]) -> str:
    return "".join(f"::: {module}.{name}\n\n" for name in names)
