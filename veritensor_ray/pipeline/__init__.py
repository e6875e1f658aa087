"""The steps composed in one process, without Ray."""
