"""HTTP/2 without TLS: rapid resets, heads without end, many streams, windows of nothing, frames that are none."""

import socket
import struct
import sys
import time

import hpack

from door import Bystander, Door, Memory, check, finish, read_all

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def request(path="/v1/me", extra=(), encoder=None):
    fields = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", path), *extra]
    return (encoder or hpack.Encoder()).encode(fields)


def opened(door, settings=b""):
    stream = door.connect()
    stream.sendall(PREFACE + frame(SETTINGS, payload=settings))
    return stream


def pour(stream, pieces, seconds=8):
    """Sends until it is done, refused or late. Returns whether the other side took all."""
    until = time.monotonic() + seconds
    stream.settimeout(1)
    try:
        for piece in pieces:
            if time.monotonic() > until:
                return False
            stream.sendall(piece)
    except OSError:
        return False
    return True


def goodbye(stream, seconds=5):
    """The code of the GOAWAY that came; None if none did."""
    got, at, code = read_all(stream, seconds=seconds), 0, None
    while at + 9 <= len(got):
        size = int.from_bytes(got[at:at + 3], "big")
        if got[at + 3] == GOAWAY and len(got) >= at + 17:
            code = int.from_bytes(got[at + 13:at + 17], "big")
        at += 9 + size
    return code


def floods(door):
    memory, bystander = Memory(door, "HTTP/2 floods"), Bystander(door)
    head = request()

    def resets():
        for number in range(1, 200_000, 2):
            yield frame(HEADERS, 5, number, head) + frame(RST, 0, number, struct.pack(">I", 8))

    def continuations():
        yield frame(HEADERS, 1, 1, head)
        for _ in range(50_000):
            yield frame(CONTINUATION, 0, 1, hpack.Encoder().encode([("x", "a" * 1_000)]))

    def empty_continuations():
        yield frame(HEADERS, 1, 1, head)
        for _ in range(500):
            yield frame(CONTINUATION, 0, 1) * 1_000

    def indexed():
        # One long field in the table, then named a thousand times a frame: a head of 4 MB in 4 KB.
        encoder = hpack.Encoder()
        first = encoder.encode([("x", "a" * 4_000)])
        for number in range(1, 2_001, 2):
            yield frame(HEADERS, 5, number, request() + (first if number == 1 else b"") + b"\xbe" * 4_000)

    def streams():
        for number in range(1, 40_000, 2):
            yield frame(HEADERS, 4, number, head)

    def many(kind, flags, number, payload):
        def make():
            for _ in range(300):
                yield frame(kind, flags, number, payload) * 1_000
        return make

    attacks = {
        "100,000 rapid resets": resets,
        "a head without end": continuations,
        "a head of empty pieces": empty_continuations,
        "a head that unpacks to megabytes": indexed,
        "20,000 open streams": streams,
        "a flood of pings": many(PING, 0, 0, b"12345678"),
        "a flood of settings": many(SETTINGS, 0, 0, struct.pack(">HI", 4, 100)),
        "a flood of window updates": many(WINDOW, 0, 0, struct.pack(">I", 1)),
        "a flood of priorities": many(PRIORITY, 0, 1, struct.pack(">IB", 3, 1)),
        "a flood of empty data": many(DATA, 0, 1, b""),
        "a flood of unknown frames": many(0x77, 0, 0, b"a"),
    }
    for name, make in attacks.items():
        stream, begun = opened(door), time.monotonic()
        took = pour(stream, make())
        code = goodbye(stream, 2)
        stream.close()
        print(f"     {name}: {'taken' if took else 'refused'} after {time.monotonic() - begun:.1f} s, GOAWAY {code}, memory {door.rss_mb()} MiB")
    bystander.tell("HTTP/2 floods")
    memory.tell()


def faults(door):
    """Connection errors (RFC 9113, 5.4.1) end the connection."""
    for name, raw in {
        "a frame of 16 MiB": struct.pack(">I", 0xFFFFFF)[1:] + bytes([DATA, 0]) + struct.pack(">I", 1) + b"a" * 100,
        "data on no stream": frame(DATA, 0, 0, b"a"),
        "a head on an even stream": frame(HEADERS, 5, 2, request()),
        "a head that is no HPACK": frame(HEADERS, 5, 1, b"\xff" * 50),
        "a ping of seven bytes": frame(PING, 0, 0, b"1234567"),
        "settings of five bytes": frame(SETTINGS, 0, 0, b"12345"),
        "a window beyond all": frame(WINDOW, 0, 0, struct.pack(">I", 0x7FFFFFFF)) * 2,
        "a window of nothing more": frame(WINDOW, 0, 0, struct.pack(">I", 0)),
        "a push from a client": frame(PUSH, 4, 1, struct.pack(">I", 2) + request()),
        "a continuation of nothing": frame(CONTINUATION, 4, 1, request()),
        "padding longer than its frame": frame(DATA, 8, 1, b"\xff"),
    }.items():
        stream = opened(door)
        pour(stream, [raw])
        code = goodbye(stream)
        check(code not in (None, 0), f"{name}: GOAWAY {code}")
        stream.close()
    status, _, _ = door.ask("GET", "/v1/rejects")
    check(status == 200, "the door serves on")


def smuggling(door):
    """Fields that mean something else in HTTP/1.1 are refused or ignored, and nobody gets in by them."""
    token = door.tokens["client"]
    for name, extra in {
        "a newline in a value": [("x", "a\r\nauthorization: Bearer " + token)],
        "a newline in a name": [("x\r\nauthorization", "Bearer " + token)],
        "transfer-encoding": [("transfer-encoding", "chunked")],
        "connection": [("connection", "upgrade")],
        "a name in capitals": [("Authorization", "Bearer " + token)],
        "a colon in a name": [("authorization: Bearer " + token + "\nx", "y")],
        "two paths": [(":path", "/v1/accounts")],
        "an unknown pseudo field": [(":x", "y")],
        "a content length that lies": [("content-length", "5")],
    }.items():
        stream = opened(door)
        pour(stream, [frame(HEADERS, 5, 1, request(extra=extra))])
        got = read_all(stream, seconds=1)
        check(b"account" not in got.lower() or b"unauthenticated" in got.lower(), f"{name}: nobody is let in")
        stream.close()


def zero_window(door, count=100):
    """Clients that never open their window get nothing, and hold little."""
    memory, bystander = Memory(door, f"{count} windows of nothing"), Bystander(door)
    streams = []
    for _ in range(count):
        stream = opened(door, struct.pack(">HI", 4, 0))
        encoder = hpack.Encoder()
        pour(stream, [frame(HEADERS, 5, number, request("/openapi.json", encoder=encoder)) for number in range(1, 201, 2)])
        streams.append(stream)
    time.sleep(3)
    print(f"     {count} x 100 answers that nobody takes: memory {memory.before} MiB before, {door.rss_mb()} now")
    bystander.tell("windows of nothing")
    until = time.monotonic() + 75
    while time.monotonic() < until and door.sockets() > memory.open + 20:
        time.sleep(1)
    check(door.sockets() <= memory.open + 20, f"connections with a window of nothing end by themselves: {door.sockets() - memory.open} left")
    for stream in streams:
        stream.close()
    memory.tell(grown_max=200)


if __name__ == "__main__":
    door = Door(sys.argv[1])
    for attack in (floods, faults, smuggling, zero_window):
        if len(sys.argv) < 3 or attack.__name__ in sys.argv[2:]:
            attack(door)
    finish()
