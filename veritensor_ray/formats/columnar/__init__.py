"""Tables stored by column, and what their formats share."""
