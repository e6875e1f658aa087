"""Forms of secrets that tell what they are: shared by the engine that reports them and the redaction that hides them; it knows neither."""
