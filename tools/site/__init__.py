"""The parts of the documentation site that are not in docs/: pages generated from code, and the pages at the top of the repository."""
