"""Configuration beside models and within them: its nodes, the code that it names, and its chat templates. Nothing is ever constructed."""
