"""HTML, SVG and XML: one tokenizer that never fails and keeps every character's place, and two readers over it."""
