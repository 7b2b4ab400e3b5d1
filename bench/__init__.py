"""What prints the figures. Each bench is one JSON line, measured on the wire at the far SIP side."""
