"""Names, addresses and diagnoses in free text, which a model reads."""
