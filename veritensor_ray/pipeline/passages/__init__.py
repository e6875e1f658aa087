"""The passage around a finding, read again from the corpus."""
