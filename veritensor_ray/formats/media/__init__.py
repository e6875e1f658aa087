"""Sound and film: the texts, pictures, subtitles and attached files beside what is heard and seen, which nobody reads here."""
