"""Engines that run in this process, without a key. Their libraries come with `pip install trunkline[engines]`."""
