"""What tests ask of the S3 server on loopback (moto's) besides S3 itself."""

from __future__ import annotations

import httpx

_PATIENCE = 120  # seconds; the server empties itself slowly where other processes compete


def empty(endpoint: str) -> None:
    """Remove all buckets."""
    httpx.post(f"{endpoint}/moto-api/reset", timeout=_PATIENCE).raise_for_status()


def check_permissions(endpoint: str, after: float) -> None:
    """Let the server check permissions after so many more requests; `inf` means never."""
    httpx.post(f"{endpoint}/moto-api/reset-auth", content=f"{after:g}", timeout=_PATIENCE).raise_for_status()
