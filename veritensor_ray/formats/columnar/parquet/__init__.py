"""Parquet: its pages and footers, and its rewriting."""
