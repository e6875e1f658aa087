"""OpenDocument texts, sheets, slides and drawings."""
