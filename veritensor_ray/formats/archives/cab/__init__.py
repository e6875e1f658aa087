"""Cabinet files of Windows."""
