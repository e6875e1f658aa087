"""Turn off ONNX Runtime's telemetry, which its official builds for Linux send by default since 1.29."""

from __future__ import annotations

import os


def silence() -> None:
    """Turn telemetry off. Call this before anything imports the library, which creates its identifier and queue on import."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
