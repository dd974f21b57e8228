"""FIX: hostile bytes on the port, before and behind a logon. Needs the session of attack.toml."""

import random
import socket
import sys
import time

from door import Bystander, Door, Memory, check, finish, read_all

SOH = "\x01"


def now():
    return time.strftime("%Y%m%d-%H:%M:%S", time.gmtime())


def message(kind, number, body="", begin="FIX.4.4", sender="TW", target="ISLD", length=None, checksum=None, head=""):
    inner = f"35={kind}|34={number}|49={sender}|52={now()}|56={target}|{head}{body}".replace("|", SOH).encode("latin1")
    size = len(inner) if length is None else length
    raw = f"8={begin}{SOH}9={size}{SOH}".encode() + inner
    total = sum(raw) % 256 if checksum is None else checksum
    return raw + f"10={total:03d}{SOH}".encode()


LOGON = "98=0|108=30|"
ORDER = "11=A|21=1|55=X|54=1|60=20260706-01:30:00|38=100|40=2|44=10|"


class Session:
    """A counterparty that writes the bytes itself."""

    def __init__(self, door, log_on=True, receive=None):
        self.stream = socket.socket()
        if receive:
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.stream.settimeout(10)
        self.stream.connect(door.fix)
        self.number, self.alive = 1, True
        if log_on:
            self.send("A", LOGON)
            self.alive = b"\x0135=A\x01" in self.wait(b"\x0135=A\x01", 5)

    def send(self, kind, body="", **options):
        self.raw(message(kind, self.number, body, **options))
        self.number += 1

    def raw(self, data):
        try:
            self.stream.sendall(data)
        except OSError:
            self.alive = False

    def wait(self, what, seconds=5):
        got, until = b"", time.monotonic() + seconds
        while what not in got and time.monotonic() < until:
            try:
                self.stream.settimeout(max(0.05, until - time.monotonic()))
                piece = self.stream.recv(65536)
            except OSError:
                break
            if not piece:
                break
            got += piece
        return got

    def close(self):
        self.stream.close()


def works(door, name):
    """Whether a good counterparty can log on and gets an answer; the attacker's connection may take a moment to end."""
    until = time.monotonic() + 8
    while time.monotonic() < until:
        session = Session(door)
        if session.alive:
            session.send("1", "112=well|")
            got = session.wait(b"112=well", 5)
            session.send("5")
            read_all(session.stream, seconds=2)
            session.close()
            return check(b"112=well" in got, f"after {name}: a good counterparty is served")
        session.close()
        time.sleep(0.2)
    return check(False, f"after {name}: a good counterparty can log on")


def strangers(door):
    """Nothing that comes before a good Logon is answered; it ends, and costs nothing."""
    memory, bystander = Memory(door, "strangers on the FIX port"), Bystander(door)
    seed = random.Random(1)
    shapes = {
        "HTTP": b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        "noise": seed.randbytes(1 << 20),
        "an unknown CompID": message("A", 1, LOGON, sender="NOBODY"),
        "an empty CompID": message("A", 1, LOGON, sender=""),
        "a long CompID": message("A", 1, LOGON, sender="X" * 60_000),
        "a path as CompID": message("A", 1, LOGON, sender="../../../etc/passwd"),
        "another version": message("A", 1, LOGON, begin="FIX.9.9"),
        "a heartbeat first": message("0", 1),
        "an order first": message("D", 1, ORDER),
        "no heartbeat interval": message("A", 1, "98=0|"),
        "a heartbeat below zero": message("A", 1, "98=0|108=-1|"),
        "a heartbeat of ages": message("A", 1, "98=0|108=99999999999|"),
        "a wrong checksum": message("A", 1, LOGON, checksum=1),
        "a length too short": message("A", 1, LOGON, length=5),
        "a length too long": message("A", 1, LOGON, length=500_000_000),
        "a length below zero": message("A", 1, LOGON, length=-5),
        "a length beyond 64 bits": message("A", 1, LOGON, length=1 << 70),
        "a number of zero": message("A", 0, LOGON),
        "a number below zero": message("A", -1, LOGON),
        "a number beyond 64 bits": message("A", 1 << 70, LOGON),
        "a time that is none": message("A", 1, LOGON + "52=99999999-99:99:99|"),
        "raw data of 2^31": message("A", 1, LOGON + "95=2147483647|96=a|"),
        "raw data below zero": message("A", 1, LOGON + "95=-1|96=a|"),
        "tag 0": message("A", 1, LOGON + "0=x|"),
        "tag of ages": message("A", 1, LOGON + "99999999999999999999=x|"),
        "no equals signs": message("A", 1, LOGON + "|||||xxx|"),
        "10,000 fields": message("A", 1, LOGON + "58=x|" * 10_000),
        "a group of 4 billion": message("A", 1, LOGON + "384=4294967295|372=D|385=S|"),
        "encryption": message("A", 1, "98=1|108=30|"),
        "an old time": message("A", 1, LOGON).replace(now()[:4].encode(), b"1999", 1),
    }
    for name, raw in shapes.items():
        session = Session(door, log_on=False)
        session.raw(raw)
        got = read_all(session.stream, seconds=12)
        check(b"\x0135=A\x01" not in got, f"{name}: not logged on ({len(got)} bytes of answer)")
        session.close()
    works(door, "strangers")
    bystander.tell("strangers on the FIX port")
    memory.tell()


def inside(door):
    """Whoever is logged on may break nothing but its own session."""
    memory, bystander = Memory(door, "hostile counterparties"), Bystander(door)
    seed = random.Random(2)

    def fuzzed(session):
        for _ in range(3_000):
            raw = bytearray(message(seed.choice("0123458DFGHAVjx"), session.number, seed.choice(["", ORDER, "112=x|", "7=1|16=0|", "36=5|123=Y|"])))
            for _ in range(seed.randrange(4)):
                raw[seed.randrange(len(raw))] = seed.randrange(256)
            session.raw(bytes(raw))
            session.number += 1

    def numbers(session):
        for number in (2, 2, 1, 500, 10 ** 18, 3, 0, -1):
            session.raw(message("0", number))

    def duplicates(session):
        for number in range(5_000):
            session.raw(message("D", 1 + number % 3, ORDER, head="43=Y|122=" + now() + "|"))
        session.raw(message("D", 2, ORDER, head="43=Y|122=99991231-23:59:59|"))

    attacks = {
        "garbled messages": fuzzed,
        "numbers out of order": numbers,
        "a storm of duplicates": duplicates,
        "two logons": lambda s: (s.send("A", LOGON), s.send("A", LOGON)),
        "a storm of logons that reset": lambda s: [s.raw(message("A", 1, LOGON + "141=Y|")) for _ in range(2_000)],
        "a storm of resend requests": lambda s: [s.send("D", ORDER) for _ in range(500)] + [s.send("2", "7=1|16=0|") for _ in range(2_000)],
        "resend requests out of range": lambda s: [s.send("2", body) for body in ("7=0|16=0|", "7=5|16=1|", "7=99999999999|16=0|", "7=-1|16=-1|", "7=1|16=18446744073709551616|")],
        "a gap of ages": lambda s: [s.raw(message("D", 1_000 + n, ORDER)) for n in range(20_000)],
        "a sequence reset of ages": lambda s: (s.send("4", "36=999999999999999999|"), s.send("0"), s.send("4", "36=1|"), s.send("4", "123=Y|36=18446744073709551616|")),
        "a group of 4 billion": lambda s: [s.send("D", ORDER + f"453={n}|448=A|447=D|452=1|") for n in (0, 4294967295, -1, 99999999999999999999, "1e9", 10_000)],
        "a group of 10,000": lambda s: s.send("D", ORDER + "453=10000|" + "448=A|447=D|452=1|" * 3_000),
        "a message of 10 MiB": lambda s: s.raw(message("D", s.number, ORDER + "58=" + "a" * (10 << 20) + "|")),
        "a text of 60 KiB": lambda s: s.send("D", ORDER + "58=" + "a" * 60_000 + "|"),
        "fields that stand twice": lambda s: s.send("D", ORDER + ORDER),
        "quantities of ages": lambda s: [s.send("D", ORDER.replace("38=100", f"38={q}")) for q in ("-1", "1e400", "NaN", "9" * 400, "0x10", "+5", "")],
        "bad UTF-8": lambda s: s.send("D", ORDER + "58=\xff\xfe\xc3|"),
        "a flood of test requests": lambda s: s.raw(b"".join(message("1", n, "112=x|") for n in range(2, 20_002))),
        "noise": lambda s: s.raw(seed.randbytes(4 << 20)),
    }
    for name, attack in attacks.items():
        session = Session(door)
        if not check(session.alive, f"{name}: logged on first"):
            continue
        attack(session)
        read_all(session.stream, most=4 << 20, seconds=1.5)
        session.close()
        works(door, name)
    bystander.tell("hostile counterparties", limit_s=1)
    memory.tell(grown_max=120)


def never_read(door):
    """A counterparty that asks for much and reads nothing is dropped within bounds."""
    memory, bystander = Memory(door, "a counterparty that never reads"), Bystander(door)
    session = Session(door, receive=4096)
    session.stream.settimeout(1)
    begun = time.monotonic()
    while session.alive and time.monotonic() - begun < 15:
        session.send("D", ORDER + "58=" + "a" * 10_000 + "|")
    peak = door.rss_mb()
    session.close()
    check(peak - memory.before < 100, f"a counterparty that never reads: memory {memory.before} MiB before, {peak} at the end")
    works(door, "a counterparty that never reads")
    bystander.tell("a counterparty that never reads")
    memory.tell(grown_max=120)


def half_open(door, count=2_000):
    """Sockets that say nothing do not keep counterparties out."""
    memory = Memory(door, f"{count} half-open FIX sockets")
    streams = []
    for number in range(count):
        stream = socket.socket()
        stream.setblocking(False)
        stream.connect_ex(door.fix)
        streams.append(stream)
        if number % 3 == 1:
            time.sleep(0.0005)
    for number, stream in enumerate(streams):
        try:
            stream.send([b"", b"8=FIX.4.4\x01", message("A", 1, LOGON)[:-3]][number % 3])
        except OSError:
            pass
    begun = time.monotonic()
    works(door, f"{count} half-open sockets")
    took = time.monotonic() - begun
    check(took < 3, f"a good counterparty is in after {took:.1f} s among {count} half-open sockets")
    dripping = Session(door, log_on=False)
    for byte in message("A", 1, LOGON)[:-1]:
        dripping.raw(bytes([byte]))
        time.sleep(0.15)
    check(read_all(dripping.stream, seconds=12) == b"" , "a Logon that comes byte by byte has no more time than others")
    for stream in streams:
        stream.close()
    memory.tell()


def known(door):
    """Whoever knows the names of a session that is in use cannot take it over."""
    first = Session(door)
    others = [Session(door, log_on=False) for _ in range(50)]
    for other in others:
        other.raw(message("A", 1, LOGON))
    first.send("1", "112=mine|")
    check(b"112=mine" in first.wait(b"112=mine"), "50 others with the same names: the first goes on")
    check(all(read_all(other.stream, seconds=3) == b"" for other in others), "the others are turned away without a word")
    first.send("5")
    first.close()


if __name__ == "__main__":
    door = Door(sys.argv[1])
    for attack in (strangers, inside, never_read, half_open, known):
        if len(sys.argv) < 3 or attack.__name__ in sys.argv[2:]:
            attack(door)
    check(door.ask("GET", "/v1/rejects")[0] == 200, "the door still serves")
    finish()
