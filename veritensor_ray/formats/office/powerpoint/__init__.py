"""PowerPoint presentations (OOXML)."""
