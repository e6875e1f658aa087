"""FLAC, whose metadata stands in blocks before the sound."""
