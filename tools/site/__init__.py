"""Builds the documentation site: pages generated from code, and the pages at the top of the repository, beside those in docs/."""
