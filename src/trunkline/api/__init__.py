"""The REST contract over aiohttp: parse, call, render. One file a resource."""
