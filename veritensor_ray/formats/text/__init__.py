"""Plain text and the formats that are read like it, such as Markdown, YAML, LaTeX and subtitles."""
