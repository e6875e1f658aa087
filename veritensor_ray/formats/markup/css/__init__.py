"""Style sheets, as far as they decide what a reader of a page sees."""
