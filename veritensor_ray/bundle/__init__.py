"""The signed bundle that carries models, rules and advisories across the air gap in one file. Does not depend on runs."""
