"""The detection engines, one file or folder each. They return hits and do not depend on Ray or the schema of findings."""
