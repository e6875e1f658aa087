"""Detectors, one file or folder each; they return hits and know neither Ray nor the schema of findings."""
