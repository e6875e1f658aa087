"""Reads Rich Text Format: its text, its hidden text, and the files inside it."""

from veritensor_ray.formats.rtf.read import read_rtf

__all__ = ["read_rtf"]
