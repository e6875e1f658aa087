"""Makes a copy of a corpus without its findings: decides per finding, rewrites files in their own format, and accounts for every change.

`policy` says what to do, `orders` carries it to one file, `spans` says which characters that concerns, `formats` has one rewriter for
each format, `artifact` cleans one artifact, and `manifest` records what happened. It does not depend on Ray.
"""
