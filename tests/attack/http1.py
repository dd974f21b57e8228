"""HTTP/1.1: heads that two servers would read in two ways, floods of headers, long targets, dripping clients."""

import socket
import sys
import time

from door import Bystander, Door, Memory, answer_of, check, finish, read_all, statuses

SMUGGLED = b"GET /v1/smuggled HTTP/1.1\r\nhost: x\r\n\r\n"


def send(door, raw, seconds=3):
    with door.connect() as stream:
        try:
            stream.sendall(raw)
        except OSError:
            pass
        return read_all(stream, seconds=seconds)


def shapes(door):
    """A message that is not clear must be refused or its connection closed (RFC 9112, 6.3); what stands behind it must
    never be taken for a request of its own."""
    post = b"POST /v1/sign-in HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    unclear = {
        "length and chunks": post + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "chunks and length": post + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "two lengths": post + b"content-length: 0\r\ncontent-length: 40\r\n\r\n" + SMUGGLED,
        "a list of lengths": post + b"content-length: 0, 40\r\n\r\n" + SMUGGLED,
        "a length with a sign": post + b"content-length: +2\r\n\r\n{}" + SMUGGLED,
        "a length below zero": post + b"content-length: -2\r\n\r\n{}" + SMUGGLED,
        "a length in hex": post + b"content-length: 0x2\r\n\r\n{}" + SMUGGLED,
        "a length beyond 64 bits": post + b"content-length: 18446744073709551617\r\n\r\n" + SMUGGLED,
        "a coding that is not known": post + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "chunked twice": post + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "a space before the colon": post + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "a folded line": post + b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "a chunk size with a sign": post + b"transfer-encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
        "a chunk size beyond 64 bits": post + b"transfer-encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n" + SMUGGLED,
        "a chunk with a bare newline": post + b"transfer-encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n" + SMUGGLED,
        "a NUL in a header": post + b"x: a\x00b\r\n\r\n" + SMUGGLED,
        "a carriage return in a header": post + b"x: a\rb\r\n\r\n" + SMUGGLED,
        "an old version with chunks": b"POST /v1/sign-in HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
        "no version": b"GET /healthz\r\n\r\n" + SMUGGLED,
        "another version": b"GET /healthz HTTP/9.9\r\nhost: x\r\n\r\n" + SMUGGLED,
        "two spaces": b"GET  /healthz HTTP/1.1\r\nhost: x\r\n\r\n" + SMUGGLED,
        "a target with a space": b"GET /health z HTTP/1.1\r\nhost: x\r\n\r\n" + SMUGGLED,
        "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        "noise": bytes(range(256)) * 4,
    }
    for name, raw in unclear.items():
        got = send(door, raw)
        seen = statuses(got)
        smuggled = b"/v1/smuggled" in got
        check(not smuggled and all(400 <= status < 500 for status in seen[:1]), f"{name}: {seen}, nothing smuggled")
        check(not any(status >= 500 for status in seen), f"{name}: no failure of the server")


def plain(door):
    """Rare but right forms are served."""
    host = f"{door.http[0]}:{door.http[1]}".encode()
    got = statuses(send(door, b"GET http://" + host + b"/healthz HTTP/1.1\r\nhost: " + host + b"\r\nconnection: close\r\n\r\n"))
    check(got in ([200], [503]), f"absolute form: {got}")
    got = statuses(send(door, b"GET http://elsewhere.example/v1/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    check(got == [401], f"absolute form of another host: {got}")
    got = statuses(send(door, b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    check(got and got[0] < 500, f"the server as a whole: {got}")
    got = statuses(send(door, b"CONNECT elsewhere.example:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"))
    check(got and 400 <= got[0] < 500, f"no tunnels: {got}")
    got = statuses(send(door, b"GET /v1/rejects HTTP/1.1\nhost: x\nconnection: close\n\n"))
    check(got and got[0] in (200, 400), f"bare newlines: {got}")
    got = send(door, b"GET /v1/me HTTP/1.1\r\nhost: x\r\n\r\n" * 1_000 + b"GET /v1/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 20)
    seen = statuses(got)
    check(len(seen) == 1_001 and set(seen) <= {401, 429}, f"1,001 requests in one breath: {len(seen)} answers, {sorted(set(seen))}")
    for target in ("/../../etc/passwd", "/docs/..%2f..%2fetc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/assets/..\\..\\x",
                   "//etc/passwd", "/%00", "/docs/reference.js/../../../Cargo.toml", "/assets/%252e%252e/x"):
        status, _, body = door.ask("GET", target)
        check(status in (200, 400, 404) and b"root:" not in body and b"[package]" not in body, f"{target}: {status}")
    status, lines, _ = door.ask("GET", "/v1/rejects", headers=["x-request-id: a\tb", "x-forwarded-for: 10.0.0.1"])
    check(status == 200 and not any("a\tb" in line for line in lines), "an id that is no id is not repeated")


def large(door):
    """Heads and bodies beyond the limits are refused at little cost."""
    memory, bystander = Memory(door, "large heads"), Bystander(door)
    for name, raw in {
        "a target of 1 MiB": b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        "100,000 headers": b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: v\r\n" % n for n in range(100_000)) + b"\r\n",
        "a header of 16 MiB": b"GET / HTTP/1.1\r\nx: " + b"a" * (16 << 20) + b"\r\n\r\n",
        "a method of 1 MiB": b"A" * (1 << 20) + b" / HTTP/1.1\r\nhost: x\r\n\r\n",
        "a query of 60 KiB": b"GET /v1/orders?" + b"a=b&" * 15_000 + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        "a body said to be 1 TiB": b"POST /v1/sign-in HTTP/1.1\r\nhost: x\r\ncontent-length: 1099511627776\r\n\r\n",
        "a chunk said to be 4 GiB": b"POST /v1/sign-in HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffff\r\n" + b"a" * (1 << 20),
        "a chunk extension of 4 MiB": b"POST /v1/sign-in HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;" + b"a" * (4 << 20),
        "trailers without end": b"POST /v1/sign-in HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"t: v\r\n" * 200_000,
    }.items():
        seen = statuses(send(door, raw, 12))
        check(all(400 <= status < 500 for status in seen), f"{name}: {seen or 'closed'}")
    bystander.tell("large heads")
    memory.tell()


def half_open(door, count=2_000):
    """Sockets that say nothing, or not enough, end by themselves and cost little."""
    beginnings = [b"", b"G", b"GET / HTTP/1.1\r\nhost: x\r\nx: ", b"POST /v1/sign-in HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{",
                  b"\x16\x03\x01\x02\x00\x01\x00", b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    memory, bystander = Memory(door, f"{count} half-open sockets"), Bystander(door)
    streams = []
    for number in range(count):
        stream = socket.socket()
        stream.setblocking(False)
        stream.connect_ex(door.http)
        streams.append((stream, beginnings[number % len(beginnings)]))
    time.sleep(0.5)
    for stream, beginning in streams:
        try:
            stream.send(beginning)
        except OSError:
            pass
    fresh = time.monotonic()
    status, _, _ = door.ask("GET", "/v1/rejects")
    check(status == 200, f"a new client is served in {time.monotonic() - fresh:.2f} s among {count} half-open sockets")
    until = time.monotonic() + 30
    while time.monotonic() < until and door.sockets() > memory.open + count // len(beginnings) + 40:
        time.sleep(0.5)
    # A preface of HTTP/2 is a whole greeting: such a connection may be idle for a minute.
    left = door.sockets() - memory.open
    check(left <= count // len(beginnings) + 40, f"half-open sockets end by themselves: {left} of {count} are left after {time.monotonic() - fresh:.0f} s")
    bystander.tell("half-open sockets")
    for stream, _ in streams:
        stream.close()
    memory.tell()


def dripping(door, count=200):
    """A head or body that comes byte by byte has no more time than one that does not come at all."""
    memory, bystander = Memory(door, f"{count} dripping clients"), Bystander(door)
    begun, streams = time.monotonic(), []
    for number in range(count):
        stream = door.connect()
        head = b"GET / HTTP/1.1\r\nx: " if number % 2 else b"POST /v1/sign-in HTTP/1.1\r\nhost: x\r\ncontent-length: 999\r\n\r\n"
        stream.sendall(head)
        stream.setblocking(False)
        streams.append(stream)
    live = set(streams)
    while live and time.monotonic() - begun < 30:
        time.sleep(1)
        for stream in list(live):
            try:
                stream.send(b"a")
                if stream.recv(4096) == b"":
                    live.discard(stream)
            except BlockingIOError:
                pass
            except OSError:
                live.discard(stream)
    check(not live, f"dripping clients are closed: {len(live)} left after {time.monotonic() - begun:.0f} s")
    bystander.tell("dripping clients")
    for stream in streams:
        stream.close()
    memory.tell()


def unread(door, count=200):
    """Clients that ask for much and never read fill nothing but their own sockets."""
    memory, bystander = Memory(door, f"{count} clients that never read"), Bystander(door)
    request, streams = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 200, []
    for _ in range(count):
        stream = socket.socket()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.connect(door.http)
        stream.setblocking(False)
        try:
            stream.send(request)
        except OSError:
            pass
        streams.append(stream)
    time.sleep(5)
    check(door.rss_mb() - memory.before < 200, f"{count} clients that never read: {memory.before} MiB before, {door.rss_mb()} now")
    bystander.tell("clients that never read")
    for stream in streams:
        stream.close()
    memory.tell(grown_max=100)


if __name__ == "__main__":
    door = Door(sys.argv[1])
    for attack in (shapes, plain, large, half_open, dripping, unread):
        if len(sys.argv) < 3 or attack.__name__ in sys.argv[2:]:
            attack(door)
    status, _, _ = answer_of(b"") if door.pid is None else door.ask("GET", "/v1/rejects")
    check(status == 200, "the door still serves")
    finish()
