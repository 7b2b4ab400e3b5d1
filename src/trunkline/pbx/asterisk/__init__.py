"""Asterisk 22 behind the PBX port: ARI for calls, AMI for what ARI lacks, chan_websocket for audio."""
