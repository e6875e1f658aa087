"""Makes a copy of a corpus without its findings: decides per finding, rewrites files in their own format, and accounts for every change.

`policy` says what to do, `orders` carries it to one file, `spans` says which characters that concerns, `formats` has one rewriter for
each format, `artifact` cleans one artifact, and `manifest` records what happened. It does not depend on Ray.

The package can be called, because the public function `veritensor_ray.clean` has the same name, and Python puts a package that was imported
in the place of the function.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call `veritensor_ray.api.clean`."""
        return import_module("veritensor_ray.api").clean(*arguments, **options)


sys.modules[__name__].__class__ = _CallablePackage
