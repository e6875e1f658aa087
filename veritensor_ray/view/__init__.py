"""The live page of `view`: a server on loopback over the tables of an output, and the decisions made there."""
