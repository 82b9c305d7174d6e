"""The HTTP API: translates requests and nothing else; one router file per resource of the official SDK."""
