"""Rich Text Format: its text, its hidden text, and the files inside it."""
