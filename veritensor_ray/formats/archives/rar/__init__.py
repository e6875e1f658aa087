"""RAR archives, versions 4 and 5."""
