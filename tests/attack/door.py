"""What all attacks share: the ready file, the process behind the doors, raw sockets, and a bystander who watches."""

import json
import os
import socket
import sys
import threading
import time
import urllib.parse

FINDINGS = []


def check(right, what):
    """Notes whether a demand was kept."""
    FINDINGS.append((bool(right), what))
    print(("ok   " if right else "FAIL ") + what, flush=True)
    return bool(right)


def finish():
    """Ends the process: 1 if a demand was not kept."""
    bad = [what for right, what in FINDINGS if not right]
    print(f"{len(FINDINGS)} checks, {len(bad)} failed")
    sys.exit(1 if bad else 0)


class Door:
    """The doors of one running process, as its ready file tells them."""

    def __init__(self, ready):
        with open(ready, encoding="utf-8") as file:
            self.told = json.load(file)
        base = urllib.parse.urlparse(self.told["http"])
        self.http = (base.hostname, base.port)
        self.fix = (self.told["fix"]["host"], self.told["fix"]["port"])
        self.tokens = self.told["token"]
        with open(self.told["clients_file"], encoding="utf-8") as file:
            self.clients = json.load(file)
        self.pid = self._listener(self.http[1])

    @staticmethod
    def _listener(port):
        """The process that listens on a port (Linux)."""
        inode = None
        with open("/proc/net/tcp", encoding="ascii") as table:
            for line in list(table)[1:]:
                row = line.split()
                if row[3] == "0A" and int(row[1].split(":")[1], 16) == port:
                    inode = row[9]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                for name in os.listdir(f"/proc/{pid}/fd"):
                    if os.readlink(f"/proc/{pid}/fd/{name}") == f"socket:[{inode}]":
                        return int(pid)
            except OSError:
                continue
        return None

    def rss_mb(self):
        """Resident memory in MiB."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS"):
                    return int(line.split()[1]) // 1024
        return 0

    def sockets(self):
        """Descriptors that the process holds."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def connect(self, timeout=10):
        return socket.create_connection(self.http, timeout)

    def ask(self, method, target, token=None, body=None, headers=(), timeout=15):
        """One request on a connection of its own. Returns status, header lines and body."""
        head = [f"{method} {target} HTTP/1.1", f"host: {self.http[0]}", "connection: close", *headers]
        if token:
            head.append(f"authorization: Bearer {token}")
        data = b""
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            head += [f"content-length: {len(data)}"]
            if not any(line.lower().startswith("content-type") for line in headers):
                head.append("content-type: application/json")
        raw = "\r\n".join(head).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + data
        with self.connect(timeout) as stream:
            stream.sendall(raw)
            return answer_of(read_all(stream))


def read_all(stream, most=8 << 20, seconds=15):
    """Everything until the other side closes, or nothing comes any more."""
    got, until = [], time.monotonic() + seconds
    size = 0
    while size < most and time.monotonic() < until:
        try:
            stream.settimeout(max(0.05, until - time.monotonic()))
            piece = stream.recv(65536)
        except OSError:
            break
        if not piece:
            break
        got.append(piece)
        size += len(piece)
    return b"".join(got)


def answer_of(raw):
    """Status, header lines and body of the first answer; status 0 if there is none."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin1").split("\r\n")
    words = lines[0].split(" ")
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else 0
    return status, lines[1:], body


def statuses(raw):
    """The statuses of all answers in a stream."""
    return [int(part[1:4]) for part in raw.split(b"HTTP/1.1")[1:] if part[1:4].isdigit()]


class Bystander(threading.Thread):
    """Another client, who asks for its accounts all the time and notes how long it waits."""

    def __init__(self, door, who=1):
        super().__init__(daemon=True)
        self.door, self.token = door, door.clients[who]["token"]
        self.took, self.failed, self.ends = [], [], threading.Event()
        self.start()

    def run(self):
        stream = None
        request = (f"GET /v1/accounts HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {self.token}\r\n\r\n").encode()
        while not self.ends.is_set():
            begun = time.monotonic()
            try:
                if stream is None:
                    stream = self.door.connect(20)
                stream.settimeout(20)
                stream.sendall(request)
                got = b""
                while b"\r\n\r\n" not in got:
                    piece = stream.recv(65536)
                    if not piece:
                        raise OSError("closed")
                    got += piece
                head, _, body = got.partition(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                while len(body) < length:
                    body += stream.recv(65536)
                if b" 200 " not in head.split(b"\r\n")[0]:
                    self.failed.append(head.split(b"\r\n")[0].decode())
            except (OSError, IndexError) as error:
                self.failed.append(repr(error))
                stream = None
            self.took.append(time.monotonic() - begun)
            time.sleep(0.01)

    def tell(self, name, limit_s=2.0):
        """Ends, and demands that it was served all the time."""
        self.ends.set()
        self.join(25)
        took = sorted(self.took) or [99.0]
        p50, p99, worst = took[len(took) // 2], took[len(took) * 99 // 100], took[-1]
        told = f"{name}: a bystander asked {len(took)} times, p50 {p50*1e3:.1f} ms, p99 {p99*1e3:.1f} ms, worst {worst*1e3:.0f} ms"
        check(not self.failed and p99 < limit_s, told + (f", failed {self.failed[:3]}" if self.failed else ""))


class Memory:
    """Memory and descriptors around an attack."""

    def __init__(self, door, name):
        self.door, self.name, self.before, self.open = door, name, door.rss_mb(), door.sockets()

    def tell(self, grown_max=64, settle_s=15, spare=20):
        """Demands that memory is bounded and descriptors come back."""
        peak = self.door.rss_mb()
        until = time.monotonic() + settle_s
        while time.monotonic() < until and self.door.sockets() > self.open + spare:
            time.sleep(0.25)
        after, left = self.door.rss_mb(), self.door.sockets()
        told = f"{self.name}: memory {self.before} MiB before, {peak} at the end, {after} after; descriptors {self.open}, {left}"
        check(max(peak, after) - self.before <= grown_max and left <= self.open + spare, told)
