"""Compressed files with one file inside."""
