"""Tells ONNX Runtime not to report to its maker, which its official builds for Linux do unasked since 1.29; it knows no model."""

from __future__ import annotations

import os


def silence() -> None:
    """To be called before the library is imported, by us or by another library: from then on it would have made its identifier and queue."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
