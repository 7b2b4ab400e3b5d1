"""The command line: serve, demo, doctor, pbx, call, calls, keys."""
