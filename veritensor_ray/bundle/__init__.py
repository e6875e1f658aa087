"""The signed bundle that carries models, rules and advisories across the air gap in one file. It does not depend on runs."""
