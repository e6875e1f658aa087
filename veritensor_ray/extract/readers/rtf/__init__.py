"""Rich Text Format: text, what is hidden in it, and the files inside it."""

from veritensor_ray.extract.readers.rtf.reader import read_rtf

__all__ = ["read_rtf"]
