"""Gets a real Asterisk and runs it: install, instances, the carrier, its prompts."""
