"""Asterisk 22 behind the PBX port: ARI for calls, AMI for recorders and registrations, a websocket for media."""
