"""A working PBX in memory that keeps the port's promises: for tests, for load models, for a first look without Asterisk."""
