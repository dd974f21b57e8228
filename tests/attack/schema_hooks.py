"""Loaded by schemathesis: it would wait for the end of event streams, which have none. Their body is what came within a
moment, and their connection is not used again."""

import time

import requests

_send = requests.Session.send


def send(self, request, **options):
    stream = "/v1/stream/" in request.url
    if stream:
        request.headers["connection"] = "close"
    options["stream"] = True
    response = _send(self, request, **options)
    if not stream or "text/event-stream" not in response.headers.get("content-type", ""):
        _ = response.content
        return response
    body, until = b"", time.monotonic() + 0.4
    try:
        response.raw._fp.fp.raw._sock.settimeout(0.4)
        while time.monotonic() < until and len(body) < 65_536:
            body += response.raw.read1(4_096, decode_content=True)
    except Exception:  # The moment is over.
        pass
    response._content, response._content_consumed = body, True
    response.close()
    return response


requests.Session.send = send
