"""A call from door to door: intent, dialling, media, control, transfer, the end and its record."""
