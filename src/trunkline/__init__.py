"""Trunkline turns an Asterisk PBX into a voice-AI calling platform."""

__version__ = "0.1.0"
