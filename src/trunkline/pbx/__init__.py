"""The PBX as the rest of the house sees it. `port` says what it can do; one folder an implementation."""
