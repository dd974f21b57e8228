"""The operations of the synchronous client, by subject.

Made from ``_async/__init__.py`` by ``tools/unasync.py``; edit that file instead.
"""
