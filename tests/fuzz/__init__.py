"""Random bad input: whatever is read either works or is refused by one of jachess's own errors, in time and memory."""
