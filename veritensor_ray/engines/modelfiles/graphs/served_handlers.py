"""Checks Python source beside a model that servers import by its name: handlers of Inference Endpoints, SageMaker, Triton, TorchServe and Cog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from veritensor_ray.core import bounds
from veritensor_ray.engines.base import FileInfo, Hit
from veritensor_ray.engines.modelfiles.configuration.config_look import look_at_config
from veritensor_ray.engines.modelfiles.configuration.seen import REMOTE
from veritensor_ray.engines.modelfiles.effects import Found
from veritensor_ray.engines.modelfiles.graphs.found import unknown
from veritensor_ray.engines.modelfiles.graphs.python_code import calls_of, severe
from veritensor_ray.engines.modelfiles.naming.judgement import NamePolicy

_HANDLER = re.compile(
    rb"^[ \t]*class[ \t]+(?:EndpointHandler|TritonPythonModel)\b|^[ \t]*class[ \t]+\w+\([^)\n]{0,200}\b(?:BaseHandler|BasePredictor)\b"
    rb"|^def[ \t]+(?:model_fn|predict_fn|input_fn|transform_fn)\(",
    re.MULTILINE,
)
_PLACE = re.compile(r"(?:^|[/!])code/inference\.py$")  # where SageMaker looks


def scan_handler(file: BinaryIO, about: FileInfo, policy: NamePolicy) -> Iterator[Found]:
    """Yield that a server runs this source, and the programs that it starts. Other Python of the same name is not judged as one."""
    data = file.read(4 * bounds.PYTHON_SOURCE + 1)
    handler = _HANDLER.search(data)
    if handler is None and not _PLACE.search(about.member or about.path):
        file.seek(0)
        yield from look_at_config(file, about, policy)
        return
    source = calls_of(data.decode("utf-8", "replace"))
    if source.problem:
        yield source.problem
    place = handler.span() if handler else (0, min(len(data), 80))
    started = sorted(name for name in source.calls if severe(name))
    what = f"the server runs {about.name}" + (f", which calls {', '.join(started)}"[:300] if started else "")
    yield Hit(REMOTE, *place, severity="medium" if started else "low", message=what, evidence=", ".join(started)[:300] or about.name)
    yield unknown("runs", about.name, "a server runs this code when it loads the model", place)
