"""The policy for findings: what a policy file may contain, and what it decides about each finding."""
