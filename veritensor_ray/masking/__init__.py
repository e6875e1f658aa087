"""Makes texts safe to store and show: secrets and personal data are masked, and invisible characters made visible."""
