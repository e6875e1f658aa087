"""Commands that look after an installation: models, bundles, keys, settings."""
