"""What is missing before a call can work, and what to do about it."""
