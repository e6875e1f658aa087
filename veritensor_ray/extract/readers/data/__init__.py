"""Readers of tables and records: rows with strings in columns, however nested. Binary values that are files become members."""
