"""Readers of tables and records: rows with texts in columns, however nested; binary values that are files come out as members."""
