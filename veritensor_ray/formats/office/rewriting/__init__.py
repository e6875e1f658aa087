"""The steps of rewriting an OOXML document."""
