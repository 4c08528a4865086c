"""The command line of the client; `serving_client.__main__` starts it."""
