"""Folders that are tables: how they are recognized, and what their snapshots say of the files in them. It does not depend on readers."""
