"""The operations of the asynchronous client, by subject."""
