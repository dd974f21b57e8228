"""Hostile text in every field of every operation: each payload of corpus.json, and some too large for a file, in each
parameter of the path, the query and the headers, and in each text of the body, as /openapi.json declares them.

    payloads.py READY [SECONDS]

Without SECONDS every payload meets every field (120,000 requests, about a minute); with it, as many as fit, each field and each payload at
least once. No answer is a failure of ours, takes long, tells of files, statements or code, carries a header that the
payload brought, or is anything but well-formed JSON under its right name; and what is refused changes nothing."""

import http.client
import itertools
import json
import os
import re
import sys
import threading
import time
import urllib.parse

from door import Door, check, finish

# An answer may wait for a busy machine, never for a payload.
ANSWER_MAX_S = 9.0
THREADS = 3
# These end what the attack itself lives by, or wait on purpose, or are streams.
LEFT_OUT = {"signOut", "endSessions", "endSession"}
# What tells of the inside. The payload itself is taken out of the answer before.
INSIDE = (b"panicked", b"stack backtrace", b".rs:", b"sqlx", b"SQLITE", b"sqlite error", b"syntax error at", b"near \"",
          b"no such table", b"no such column", b"/home/", b"/tmp/", b"/usr/", b"PRIVATE KEY", b"$argon2",
          b"root:x:0", b"heng-data", b"Traceback", b"java.lang", b"uid=0")


def corpus():
    """Every payload (class, text)."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus.json"), encoding="ascii") as file:
        told = json.load(file)
    found = [(kind, text) for kind, texts in told.items() for text in texts]
    large = ["A" * 65, "A" * 129, "A" * 4_097, "A" * 40_000, "\u8861" * 5_000, "<" * 3_000, "\\" * 3_000, "[" * 3_000,
             "{\"a\":" * 1_000, "%" * 3_000, "../" * 1_500, "'" * 3_000, "\u0000" * 1_000, "9" * 400, "-" * 300, "a b " * 900]
    return found + [("large", text) for text in large]


class Line:
    """A connection that is kept."""

    def __init__(self, door):
        self.line = http.client.HTTPConnection(*door.http, timeout=30)

    def ask(self, method, target, token, body=None, headers=None):
        headers = dict(headers or {})
        headers["authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers.setdefault("content-type", "application/json")
        for last in (False, True):
            try:
                self.line.request(method, target, body=data, headers=headers)
                answer = self.line.getresponse()
                named = {name.lower(): value for name, value in answer.getheaders()}
                if "text/event-stream" in named.get("content-type", ""):
                    self.line.close()
                    return answer.status, named, b"{}"
                return answer.status, named, answer.read()
            except (http.client.HTTPException, OSError):
                self.line.close()
                if last:
                    raise
        return 0, {}, b""


def texts_of(value, path=()):
    """The places of all texts in a body."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts_of(inner, path + (key,))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from texts_of(inner, path + (at,))


def with_text(value, path, text):
    """The same body with one text exchanged."""
    if not path:
        return text
    copy = dict(value) if isinstance(value, dict) else list(value)
    known = copy[path[0]] if isinstance(copy, list) or path[0] in copy else None
    copy[path[0]] = with_text(known, path[1:], text)
    return copy


def schema_of(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


class Field:
    """One place of one operation where text goes."""

    def __init__(self, document, path, method, operation, place):
        self.path, self.method, self.place, self.id = path, method.upper(), place, operation["operationId"]
        self.parameters = operation.get("parameters", [])
        content = operation.get("requestBody", {}).get("content", {})
        self.media = next(iter(content), None)
        self.body = body_of(document, operation)[0]
        self.told = {media.split(";")[0] for answer in operation.get("responses", {}).values() for media in answer.get("content", {})}
        self.name = f"{self.method} {path} {'.'.join(map(str, place))}"

    def request(self, text):
        """Target, body and headers with the payload at its place."""
        kind, *where = self.place
        quoted = urllib.parse.quote(text, safe="", errors="surrogatepass")
        target, query, headers, body = self.path, {}, {}, self.body
        for parameter in self.parameters:
            if parameter["in"] == "path":
                own = quoted if (kind, where) == ("path", [parameter["name"]]) else "1"
                target = target.replace("{" + parameter["name"] + "}", own)
            elif parameter["in"] == "query" and parameter.get("required"):
                query[parameter["name"]] = "1"
        if kind == "query":
            query[where[0]] = None
        if kind == "header":
            # A client of this library cannot send what would split the head; http1.py does that.
            headers[where[0]] = "".join(c if 32 <= ord(c) < 127 or 160 <= ord(c) < 256 else "?" for c in text)[:2_000]
        if kind == "body":
            body = with_text(body, where, text)
        if kind == "key":
            body = {**(body if isinstance(body, dict) else {}), text: 1}
        pairs = [f"{name}={quoted if value is None else value}" for name, value in query.items()]
        target += "?" + "&".join(pairs) if pairs else ""
        return target, body, headers


def body_of(document, operation):
    """The example of the body, and the names of the optional texts that it leaves out."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None, []
    told = content["application/json"]
    body = told.get("example")
    schema = schema_of(document, told.get("schema", {}))
    more = []
    if isinstance(body, dict):
        for name, inner in schema.get("properties", {}).items():
            kind = schema_of(document, inner).get("type")
            if name not in body and ("string" in kind if isinstance(kind, list) else kind == "string"):
                more.append(name)
    return (body if body is not None else {}), more


def good_bodies(door, line, document, tokens):
    """Puts bodies that are taken as they are in the place of examples about accounts and users that are not there."""
    symbol = door.told["instruments"][0]
    stats = json.loads(line.ask("GET", f"/v1/market/{symbol}/snapshot", tokens["client"])[2])["stats"]
    users = json.loads(line.ask("GET", "/v1/users?limit=200", tokens["staff"])[2])["users"]
    desk = next(user["id"] for user in users if user["name"] == "desk")
    account = door.clients[-2]["account_id"]
    price = stats.get("limit_down") or stats.get("prev_close") or "10.00"
    order = {"account": account, "client_order_id": "payload", "symbol": symbol, "side": "buy", "type": "limit", "price": price, "quantity": "100"}
    parent = {"account": account, "client_order_id": "payload-p", "symbol": symbol, "side": "buy", "kind": "twap", "quantity": "1000", "price": price, "slices": 10}
    bodies = {"placeOrder": order, "estimateOrder": order, "placeBulk": {"orders": [order]}, "placeParent": parent,
              "cancelAllOrders": {"account": account}, "proposeRoles": {"user": desk, "roles": ["trader"], "accounts": ["*"], "reason": "x"}}
    for methods in document["paths"].values():
        for operation in methods.values():
            if operation.get("operationId") in bodies:
                operation["requestBody"]["content"]["application/json"]["example"] = bodies[operation["operationId"]]


def fields(document):
    """Every field of every operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if operation.get("operationId") in LEFT_OUT:
                continue
            places = [(one["in"], one["name"]) for one in operation.get("parameters", []) if one["in"] != "cookie"]
            body, more = body_of(document, operation)
            if body is not None:
                places += [("body", *at) for at in texts_of(body)] + [("body", name) for name in more] + [("key",)]
            for place in places:
                yield Field(document, path, method, operation, place)


class Findings:
    """What went wrong, a few examples of each kind."""

    def __init__(self, folder):
        self.folder = folder.encode()
        self.lock, self.bad, self.asked, self.classes = threading.Lock(), {}, 0, {}

    def note(self, kind, field, text, told):
        with self.lock:
            self.bad.setdefault(kind, []).append(f"{field.name} {text[:60]!r}: {told}")


def judge(findings, field, text, answer, took):
    status, headers, body = answer
    if status >= 500 or status == 0:
        findings.note("failure", field, text, f"{status} {body[:200]!r}")
    if took > ANSWER_MAX_S:
        findings.note("slow", field, text, f"{took:.1f} s")
    if "x-heng-injected" in headers or "evil" in headers.get("set-cookie", ""):
        findings.note("header", field, text, str(headers)[:200])
    media = headers.get("content-type", "")
    if headers.get("x-content-type-options") != "nosniff" or "content-security-policy" not in headers:
        findings.note("unhardened", field, text, str(headers)[:200])
    if not body:
        return
    if media.startswith("application/json") or media.startswith("application/problem+json"):
        try:
            json.loads(body)
        except ValueError as error:
            findings.note("not JSON", field, text, f"{error} {body[:200]!r}")
    elif media.split(";")[0] not in field.told:
        findings.note("another type", field, text, f"{status} {media} {body[:80]!r}")
    plain = body
    for form in (text.encode("utf-8", "surrogatepass"), json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")):
        plain = plain.replace(form, b"") if form else plain
    inside = [mark.decode() for mark in (*INSIDE, findings.folder) if mark in plain and mark not in text.encode("utf-8", "surrogatepass")]
    if inside and status >= 400:
        findings.note("tells the inside", field, text, f"{inside} {body[:300]!r}")


def state(line, tokens):
    """What must not change while everything is refused: users, keys, changes, consents, and a bystander's money."""
    staff, bystander = tokens["staff"], tokens["bystander"]
    told = {}
    for name in ("/v1/users?limit=200", "/v1/partners?limit=200", "/v1/role-changes", "/v1/access-reviews", "/v1/password-resets", "/v1/api-keys"):
        told[name] = line.ask("GET", name, staff)[2]
    for name in ("/v1/api-keys", "/v1/accounts", "/v1/consents", "/v1/me/factors"):
        told["bystander " + name] = line.ask("GET", name, bystander)[2]
    # The market goes on meanwhile.
    return {name: re.sub(rb'"as_of_sequence":\d+', b"", text) for name, text in told.items()}


def attack(door, budget_s):
    tokens = {"staff": door.tokens["staff"], "client": door.clients[-2]["token"], "bystander": door.clients[-1]["token"]}
    line = Line(door)
    document = json.loads(line.ask("GET", "/openapi.json", tokens["client"])[2])
    good_bodies(door, line, document, tokens)
    every, texts = list(fields(document)), corpus()
    operations = {field.id for field in every}
    check(len(texts) >= 300 and len(operations) >= 60, f"{len(texts)} payloads, {len(every)} fields of {len(operations)} operations")
    findings, accepted = Findings(os.path.dirname(door.told["clients_file"])), {}

    def one(own, field, kind, text):
        target, body, headers = field.request(text)
        for who in ("client", "staff"):
            begun = time.monotonic()
            answer = own.ask(field.method, target, tokens[who], body, headers)
            if answer[0] == 429 and answer[1].get("retry-after") == "1":
                time.sleep(1.0)
                begun = time.monotonic()
                answer = own.ask(field.method, target, tokens[who], body, headers)
            judge(findings, field, text, answer, time.monotonic() - begun)
            if answer[0] in (200, 201, 202, 204) and field.method != "GET":
                accepted[field.id] = accepted.get(field.id, 0) + 1
            # Staff are asked where clients may not.
            if answer[0] != 403:
                break
        with findings.lock:
            findings.asked += 1
            findings.classes[kind] = findings.classes.get(kind, 0) + 1

    # Every field meets another payload in each round, and every payload another field.
    rounds = len(texts)
    plan = ((field, texts[(turn + 7 * at) % rounds]) for turn in range(rounds) for at, field in enumerate(every))
    if budget_s:
        once = max(rounds, len(every))
        at_least = [(every[at % len(every)], texts[at % rounds]) for at in range(once)]
        plan = itertools.chain(at_least, plan)
    changing = [field for field in every if field.method != "GET"]
    before = state(line, tokens)
    until, lock, failed = time.monotonic() + budget_s if budget_s else None, threading.Lock(), []

    def work():
        own = Line(door)
        try:
            while until is None or time.monotonic() < until:
                with lock:
                    task = next(plan, None)
                if task is None:
                    return
                field, (kind, text) = task
                one(own, field, kind, text)
        except Exception as error:  # noqa: BLE001 - a broken connection is a finding
            failed.append(repr(error))

    workers = [threading.Thread(target=work) for _ in range(THREADS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    check(not failed, f"no connection broke {failed[:3]}")
    check(findings.asked >= max(len(every), rounds), f"{findings.asked} requests, {len(findings.classes)} classes of payloads")
    for kind in ("failure", "slow", "header", "unhardened", "not JSON", "another type", "tells the inside"):
        bad = findings.bad.get(kind, [])
        check(not bad, f"{kind}: {len(bad)}" + "".join("\n       " + told for told in bad[:6]))
    after = state(line, tokens)
    owners = {"createUser": "/v1/users?limit=200", "createPartner": "/v1/partners?limit=200", "proposeRoles": "/v1/role-changes",
              "beginAccessReview": "/v1/access-reviews", "askPasswordReset": "/v1/password-resets", "createApiKey": "/v1/api-keys"}
    users = ("createUser", "disableUser", "enableUser", "decideRoles", "resetFactors")
    may = {owners[id] for id in accepted if id in owners} | ({"/v1/users?limit=200"} if any(id in accepted for id in users) else set())
    may |= {"/v1/role-changes"} if "decideRoles" in accepted else set()
    changed = [name for name in before if before[name] != after[name] and name not in may]
    check(not changed, f"what was refused changed nothing {[(name, before[name][:200], after[name][:200]) for name in changed[:2]]}")
    print(f"     accepted: {dict(sorted(accepted.items()))} of {len(changing)} fields that change something")
    status, _, _ = line.ask("GET", "/v1/me", tokens["client"])
    check(status == 200, "the client is still who they were")
    health = json.loads(line.ask("GET", "/healthz", tokens["client"])[2])
    check(health["status"] == "ok", f"the process is well: {health['status']}")


if __name__ == "__main__":
    attack(Door(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0)
    finish()
