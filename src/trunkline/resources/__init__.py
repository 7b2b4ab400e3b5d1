"""The rules of what an organization owns: assistants, numbers, trunks, keys. Apart from HTTP and SQL."""
