"""Readers of tables and records: rows with texts in columns, however nested. Binary values that are files become members."""
