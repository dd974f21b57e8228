"""WebSocket and server-sent events: floods of connections and frames, frames that are none, clients that never read."""

import base64
import json
import os
import socket
import struct
import sys
import time

from door import Bystander, Door, Memory, check, finish, read_all

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def frame(opcode, payload=b"", fin=True, mask=True, bits=0, length=None):
    """A frame (RFC 6455, 5.2), right or wrong as asked."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | bits << 4 | opcode])
    flag = 0x80 if mask else 0
    if size < 126:
        head += bytes([flag | size])
    elif size < 1 << 16:
        head += bytes([flag | 126]) + struct.pack(">H", size)
    else:
        head += bytes([flag | 127]) + struct.pack(">Q", size)
    if not mask:
        return head + payload
    key = b"\x01\x02\x03\x04"
    return head + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))


def upgrade(door, token, receive=None, extra=""):
    """An open WebSocket, or the first line of the refusal."""
    stream = socket.socket()
    if receive:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    stream.settimeout(15)
    stream.connect(door.http)
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(
        f"GET /v1/stream HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        f"sec-websocket-key: {key}\r\nauthorization: Bearer {token}\r\n{extra}\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        piece = stream.recv(1)
        if not piece:
            break
        head += piece
    first = head.split(b"\r\n")[0].decode()
    if " 101 " in first + " ":
        return stream, first
    stream.close()
    return None, first


def subscribe(door, symbols=200):
    request = {"op": "subscribe", "id": 1, "symbols": door.told["instruments"][:symbols],
               "what": ["depth", "trades", "snapshot", "candle.1m"]}
    return frame(TEXT, json.dumps(request).encode())


def ended(stream, seconds=8):
    """Whether the other side closes within that time; and what it said last."""
    got = read_all(stream, seconds=seconds)
    try:
        stream.settimeout(0.1)
        return stream.recv(1) == b"", got
    except socket.timeout:
        return False, got
    except OSError:
        return True, got


def bad_frames(door):
    """Frames that break the protocol end their connection, and nothing else."""
    token = door.tokens["client"]
    memory, bystander = Memory(door, "bad frames"), Bystander(door)
    for name, raw in {
        "no mask": frame(TEXT, b"{}", mask=False),
        "reserved bits": frame(TEXT, b"{}", bits=4),
        "a reserved opcode": frame(3, b"{}"),
        "a reserved control opcode": frame(11, b""),
        "bad UTF-8": frame(TEXT, b"\xff\xfe\xfd"),
        "bad UTF-8 across fragments": frame(TEXT, b"\xe4", fin=False) + frame(0, b"\x00"),
        "a fragmented ping": frame(PING, b"a", fin=False),
        "a ping of 126 bytes": frame(PING, b"a" * 126),
        "a continuation of nothing": frame(0, b"a"),
        "text inside text": frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
        "a message of 1 MiB": frame(TEXT, b"a" * (1 << 20)),
        "a frame said to be 4 EiB": frame(BINARY, b"a" * 1000, length=1 << 62),
        "a length with the highest bit": frame(BINARY, b"a", length=(1 << 63) + 1),
        "fragments without end": frame(TEXT, b"a" * 1000, fin=False) + frame(0, b"a" * 1000, fin=False) * 5_000,
        "empty fragments without end": frame(TEXT, b"", fin=False) + frame(0, b"", fin=False) * 200_000,
        "a flood of pings": frame(PING, b"a" * 125) * 20_000,
        "a flood of pongs": frame(PONG, b"a" * 125) * 20_000,
        "a flood of small texts": frame(TEXT, b"{}") * 20_000,
        "a flood of binaries": frame(BINARY, b"a" * 100) * 20_000,
        "a close of one byte": frame(CLOSE, b"a"),
        "a close with a reserved code": frame(CLOSE, struct.pack(">H", 1005)),
        "a close with bad UTF-8": frame(CLOSE, struct.pack(">H", 1000) + b"\xff"),
    }.items():
        stream, first = upgrade(door, token)
        if stream is None:
            check(False, f"{name}: no WebSocket: {first}")
            continue
        try:
            stream.sendall(raw)
        except OSError:
            pass
        # Fragments without content make no message: such a client is dropped as silent after a minute.
        closed, _ = ended(stream, seconds=75 if name.startswith("empty") else 8)
        check(closed, f"{name}: the connection ends")
        stream.close()
    bystander.tell("bad frames")
    memory.tell()


def bad_words(door):
    """Messages that say nonsense are answered by name, and the stream goes on."""
    stream, first = upgrade(door, door.tokens["client"])
    if not check(stream is not None, f"a WebSocket: {first}"):
        return
    words = ["", "null", "[]", "{", '{"op":"subscribe"}', '{"op":"x"}', '{"op":"subscribe","symbols":[]}',
             '{"op":"subscribe","symbols":["' + "a" * 9_000 + '"]}', '{"op":"subscribe","symbols":["600000.SH"],"what":["../x"]}',
             '{"op":"subscribe","symbols":["600000.SH\\r\\nset-cookie: x"]}', '{"op":"ping","id":-1}', '{"op":"ping","id":1e400}',
             '{"op":"ping","id":18446744073709551616}', "[" * 10_000, '{"op":"resync","symbol":"\\u0000"}',
             '{"op":"subscribe","channel":"' + "\\ud83d\\ude00" * 100 + '","symbols":["600000.SH"]}', '{"op":"ping","op":"ping"}']
    for word in words:
        stream.sendall(frame(TEXT, word.encode()))
        time.sleep(0.06)
    stream.sendall(frame(TEXT, b'{"op":"ping","id":77}'))
    time.sleep(0.5)
    stream.setblocking(False)
    got = stream.recv(1 << 20)
    named = got.count(b'"error"')
    check(b'"id":77' in got and named == len(words), f"{named} of {len(words)} wrong messages are answered by name")
    stream.close()


def no_token(door):
    for token, name in (("", "no token"), ("x" * 100_00, "a long token"), ("hst_" + "A" * 43, "a wrong token")):
        stream, first = upgrade(door, token)
        check(stream is None and " 401 " in first, f"{name}: {first}")


def flood(door, count=3_000):
    """More streams than one principal may have are refused by name; their ends free everything."""
    memory, bystander = Memory(door, f"{count} WebSockets of one client"), Bystander(door)
    streams, refused = [], []
    for _ in range(count):
        stream, first = upgrade(door, door.tokens["client"])
        streams.append(stream) if stream else refused.append(first)
    check(refused and all(" 429 " in first for first in refused),
          f"{count} WebSockets of one client: {len(streams)} open, {len(refused)} refused by 429")
    bystander.tell("a flood of WebSockets")
    for stream in streams:
        stream.close()
    memory.tell(grown_max=150)


def never_read(door, count=300):
    """Subscribers of everything who read nothing are dropped by name, and cost little until then."""
    memory, bystander = Memory(door, f"{count} subscribers that never read"), Bystander(door)
    streams = []
    for number in range(count):
        token = door.clients[2 + number % 15]["token"]
        stream, _ = upgrade(door, token, receive=4096)
        if stream:
            stream.sendall(subscribe(door))
            streams.append(stream)
    begun, peak = time.monotonic(), 0
    while time.monotonic() - begun < 70 and door.sockets() > memory.open + 30:
        peak = max(peak, door.rss_mb())
        time.sleep(1)
    check(door.sockets() <= memory.open + 30, f"{len(streams)} subscribers that never read are dropped within {time.monotonic() - begun:.0f} s (memory {memory.before} MiB before, {peak} at most)")
    bystander.tell("subscribers that never read")
    for stream in streams:
        stream.close()
    memory.tell(grown_max=300)


def events(door, path, count, streams_max, grown_max=300):
    """Server-sent events that nobody reads."""
    memory, bystander = Memory(door, f"{count} event streams that never read, {path[:28]}"), Bystander(door)
    streams, statuses = [], {}
    for number in range(count):
        token = door.clients[2 + number % 15]["token"]
        stream = socket.socket()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.settimeout(15)
        stream.connect(door.http)
        stream.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n".encode())
        try:
            status = stream.recv(12)[9:12].decode()
        except OSError:
            status = "none"
        statuses[status] = statuses.get(status, 0) + 1
        streams.append(stream)
    begun, peak = time.monotonic(), 0
    while time.monotonic() - begun < 60 and door.sockets() > memory.open + 30:
        peak = max(peak, door.rss_mb())
        time.sleep(1)
    took = time.monotonic() - begun
    left = door.sockets() - memory.open
    check(set(statuses) <= {"200", "429"} and statuses.get("200", 0) <= streams_max, f"{count} event streams: {statuses}")
    print(f"     {path[:28]}: {statuses}; after {took:.0f} s {left} are left; memory {memory.before} MiB before, {peak} at most")
    bystander.tell("event streams that never read")
    for stream in streams:
        stream.close()
    memory.tell(grown_max=grown_max)


def never_read_events(door):
    symbols = ",".join(door.told["instruments"][:100])
    events(door, f"/v1/stream/market?symbols={symbols}&channels=depth,snapshot,trades", 300, 300)
    events(door, "/v1/stream/trade-events?since=0", 1_000, 15 * 32)


if __name__ == "__main__":
    door = Door(sys.argv[1])
    for attack in (no_token, bad_frames, bad_words, flood, never_read, never_read_events):
        if len(sys.argv) < 3 or attack.__name__ in sys.argv[2:]:
            attack(door)
    check(door.ask("GET", "/v1/rejects")[0] == 200, "the door still serves")
    finish()
