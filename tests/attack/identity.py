"""Who one is and what one may: guessing, timing, wrong schemes, replayed signatures, other people's accounts, scopes,
and hostile text in every field of every operation."""

import base64
import hashlib
import hmac
import json
import os
import statistics
import sys
import time
import http.client
import urllib.parse

from door import Bystander, Door, Memory, check, finish


class From:
    """Asks from an address of its own in 127.0.0.0/8, and keeps its connection."""

    def __init__(self, door, address="127.0.0.1"):
        self.line = http.client.HTTPConnection(*door.http, timeout=20, source_address=(address, 0))

    def ask(self, method, target, token=None, body=None, headers=None):
        headers = dict(headers or {})
        if token:
            headers["authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers.setdefault("content-type", "application/json")
        for attempt in (1, 2):
            try:
                self.line.request(method, target, body=data, headers=headers)
                answer = self.line.getresponse()
                if "text/event-stream" in (answer.getheader("content-type") or ""):
                    self.line.close()
                    return answer.status, dict(answer.getheaders()), b""
                return answer.status, dict(answer.getheaders()), answer.read()
            except (http.client.HTTPException, ConnectionError):
                self.line.close()
                if attempt == 2:
                    raise
        return 0, {}, b""


def guessing(door):
    """Failures cost a growing wait; whoever is not guessing is not shut out."""
    attacker = From(door, "127.0.7.1")
    told = [attacker.ask("POST", "/v1/sign-in", body={"user": "demo-9", "password": f"guess {n} of many"}) for n in range(40)]
    seen = [status for status, _, _ in told]
    check(set(seen) <= {401, 429} and seen.count(401) <= 6 and seen[-1] == 429, f"40 guesses of one password: {seen.count(401)} were looked at")
    check(all("retry-after" in {name.lower() for name in headers} for status, headers, _ in told if status == 429), "429 tells when to come back")
    spray = From(door, "127.0.7.2")
    seen = [spray.ask("POST", "/v1/sign-in", body={"user": f"demo-{n}", "password": "Spring 2026!"})[0] for n in range(60)]
    check(seen.count(401) <= 21, f"one password for 60 users: {seen.count(401)} were looked at")
    user = door.told["client"]
    status, _, _ = From(door, "127.0.7.3").ask("POST", "/v1/sign-in", body={"user": user["user"], "password": user["password"]})
    check(status == 200, f"somebody else signs in meanwhile: {status}")
    staff = From(door, "127.0.7.4")
    body = {"user": door.told["staff"]["user"], "password": door.told["staff"]["password"]}
    seen = [staff.ask("POST", "/v1/sign-in", body={**body, "totp": f"{n:06d}"})[0] for n in range(30)]
    check(200 not in seen and seen.count(401) <= 6, f"30 guesses of a code with the right password: {seen.count(401)} were looked at")


def timing(door, rounds=30):
    """Whether a user exists must not be told by words, status or time."""
    took, words = {"known": [], "unknown": []}, {}
    for number in range(rounds):
        for name, user in (("known", f"demo-{5 + number % 10}"), ("unknown", f"nobody-{number}")):
            asking = From(door, f"127.0.8.{number * 2 + (name == 'known') + 1}")
            begun = time.monotonic()
            status, _, body = asking.ask("POST", "/v1/sign-in", body={"user": user, "password": "some long password"})
            took[name].append(time.monotonic() - begun)
            shown = json.loads(body)
            words.setdefault(name, set()).add((status, shown["code_name"], shown["detail"] if status == 401 else ""))
    known, unknown = (statistics.median(took[name]) * 1e3 for name in ("known", "unknown"))
    alike = {word for word in words["known"] if word[0] == 401} == {word for word in words["unknown"] if word[0] == 401}
    check(alike and abs(known - unknown) < 0.25 * max(known, unknown) + 2, f"sign-in of a known user {known:.1f} ms, of an unknown one {unknown:.1f} ms, same words: {alike}")


def schemes(door):
    token, ask = door.tokens["client"], From(door)
    for name, target, headers in (
        ("Basic", "/v1/me", {"authorization": f"Basic {token}"}),
        ("Basic, coded", "/v1/me", {"authorization": "Basic " + base64.b64encode(f"x:{token}".encode()).decode()}),
        ("Token", "/v1/me", {"authorization": f"Token {token}"}),
        ("no scheme", "/v1/me", {"authorization": token}),
        ("a list", "/v1/me", {"authorization": f"Bearer x, Bearer {token}"}),
        ("two words", "/v1/me", {"authorization": f"Bearer {token} x"}),
        ("the query", f"/v1/me?access_token={token}", {}),
        ("another cookie", "/v1/me", {"cookie": f"session={token}"}),
        ("the key header", "/v1/me", {"x-heng-key": token}),
        ("another header", "/v1/me", {"x-authorization": f"Bearer {token}"}),
        ("its prefix", "/v1/me", {"authorization": f"Bearer {token[:-1]}"}),
        ("its hash", "/v1/me", {"authorization": "Bearer hst_" + base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")}),
        ("NUL", "/v1/me", {"authorization": f"Bearer {token}%00"}),
    ):
        status, _, _ = ask.ask("GET", target, headers=headers)
        check(status in (400, 401), f"a token by {name}: {status}")
    status, _, _ = ask.ask("POST", "/v1/sign-out", headers={"cookie": f"heng_session={token}"})
    check(status == 403, f"a change by the cookie alone, as a page of another site would send it: {status}")


def signed(door, method, target, body=b"", nonce=None, shift_s=0, key=None, secret=None):
    key, secret = key or door.told["api_key"]["id"], secret or door.told["api_key"]["secret"]
    stamp, nonce = str(int((time.time() + shift_s) * 1000)), nonce or os.urandom(12).hex()
    text = f"{method}\n{target}\n{stamp}\n{nonce}\n{hashlib.sha256(body).hexdigest()}"
    signature = base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()
    return {"x-heng-key": key, "x-heng-timestamp": stamp, "x-heng-nonce": nonce, "x-heng-signature": signature}


def signatures(door):
    ask, target = From(door), "/v1/accounts"
    headers = signed(door, "GET", target)
    check(ask.ask("GET", target, headers=headers)[0] == 200, "a signed request is served")
    check(ask.ask("GET", target, headers=headers)[0] == 401, "sent again it is refused")
    check(ask.ask("GET", target, headers=signed(door, "GET", target, nonce=headers["x-heng-nonce"]))[0] == 401, "a nonce counts once")
    for shift in (-31, 31, -86_400, 86_400, 10 ** 9):
        check(ask.ask("GET", target, headers=signed(door, "GET", target, shift_s=shift))[0] == 401, f"signed {shift} s from now: refused")
    check(ask.ask("GET", target + "?limit=1", headers=signed(door, "GET", target))[0] == 401, "another query: refused")
    check(ask.ask("GET", "/v1/orders", headers=signed(door, "GET", target))[0] == 401, "another path: refused")
    check(ask.ask("HEAD", target, headers=signed(door, "GET", target))[0] in (401, 405), "another method: refused")
    order = json.dumps({"account": "1", "client_order_id": "sig", "symbol": door.told["instruments"][0], "side": "buy", "type": "limit", "price": "1.00", "quantity": "100"}).encode()
    headers = {**signed(door, "POST", "/v1/orders", order), "content-type": "application/json"}
    check(ask.ask("POST", "/v1/orders", body=order.replace(b'"100"', b'"900"'), headers=headers)[0] == 401, "another body: refused")
    for name, change in {"an empty signature": {"x-heng-signature": ""}, "no nonce": {"x-heng-nonce": None}, "another key": {"x-heng-key": "hk-aaaaaaaaaaaaaaaaaaaaaaaa"},
                         "a key of 100 KB": {"x-heng-key": "k" * 10_000}, "a long nonce": {"x-heng-nonce": "n" * 65}, "a path as key": {"x-heng-key": "../owned/identity.db"}}.items():
        headers = {k: v for k, v in {**signed(door, "GET", target), **change}.items() if v is not None}
        check(ask.ask("GET", target, headers=headers)[0] == 401, f"{name}: refused")


def operations(door):
    document = json.loads(From(door).ask("GET", "/openapi.json")[2])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation, document


def others(door):
    """Client B asks every operation about client A's account, orders, parents, keys and sessions."""
    mine, theirs = door.clients[1], door.clients[0]
    a, b = From(door), From(door)
    symbol = door.told["instruments"][0]
    order = {"account": theirs["account_id"], "client_order_id": "secret-order-a", "symbol": symbol, "side": "buy", "type": "limit", "quantity": "100"}
    status, _, body = a.ask("GET", f"/v1/market/{symbol}/snapshot", theirs["token"])
    price = json.loads(body)["stats"].get("limit_down") or json.loads(body)["stats"].get("prev_close") or "10.00"
    status, _, body = a.ask("POST", "/v1/orders", theirs["token"], {**order, "price": price})
    placed = json.loads(body)
    parent = {"account": theirs["account_id"], "client_order_id": "secret-parent-a", "symbol": symbol, "side": "buy", "kind": "twap", "quantity": "1000", "price": price, "slices": 10}
    status_parent, _, body_parent = a.ask("POST", "/v1/parents", theirs["token"], parent)
    made = json.loads(body_parent)
    key = json.loads(a.ask("POST", "/v1/api-keys", theirs["token"], {"name": "secret-key-a"})[2])
    sessions = json.loads(a.ask("GET", "/v1/sessions", theirs["token"])[2])["sessions"]
    ids = {"order": placed.get("order_id", "1"), "parent": made.get("parent_id", "1"), "key": key["id"], "session": sessions[0]["id"]}
    check(status in (200, 201, 409), f"client A has an order ({status} {ids['order']}) and a parent ({status_parent} {ids['parent']})")
    secrets = (b"secret-order-a", b"secret-parent-a", b"secret-key-a", theirs["token"].encode())
    asked, leaks, let_in = 0, [], []
    for method, path, operation, document in operations(door):
        if operation["operationId"] in ("signOut", "signIn", "changePassword", "enrolTotp", "confirmTotp", "removeTotp", "endSessions") or path.startswith("/oauth"):
            continue
        targets = [path]
        if "{id}" in path:
            kind = next((kind for kind in ("parent", "key", "session", "account", "user", "partner", "order") if kind in path), "order")
            own = ids.get(kind, theirs["account_id"])
            targets = [path.replace("{id}", own)]
        targets = [target.replace("{symbol}", symbol).replace("{name}", "KillSwitch") for target in targets]
        names = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"}
        query = {name: value for name, value in {"account": theirs["account_id"], "user": "2", "client_order_id": "secret-order-a", "trade_date": "2026-07-06", "since": "0"}.items() if name in names}
        body = None
        if "requestBody" in operation:
            one = {**order, "price": price, "client_order_id": "b-for-a"}
            body = {"placeOrder": one, "estimateOrder": one, "placeBulk": {"orders": [one]}, "placeBasket": {"orders": [one], "account": theirs["account_id"]},
                    "cancelAllOrders": {"account": theirs["account_id"]}, "placeParent": {**parent, "client_order_id": "b-for-a"},
                    "cancelOrder": {"account": theirs["account_id"]}, "setKillSwitch": {"account": theirs["account_id"], "on": True},
                    "createUser": {"name": "evil", "kind": "staff", "roles": ["admin"], "accounts": ["*"]},
                    "createPartner": {"name": "evil", "accounts": ["*"]}}.get(operation["operationId"], {})
        for target in targets:
            if query:
                target += "?" + urllib.parse.urlencode(query)
            status, _, answer = b.ask(method, target, mine["token"], body)
            asked += 1
            if any(secret in answer for secret in secrets):
                leaks.append((method, target, status))
            personal = "account" in query or "{id}" in path or (body and "account" in json.dumps(body))
            if personal and status in (200, 201, 204) and not (b'"refused"' in answer or b'"rejected"' in answer or b'[]' in answer):
                let_in.append((method, target, status, answer[:120]))
    check(not leaks, f"{asked} questions about another client: nothing of theirs is told {leaks[:5]}")
    check(not let_in, f"{asked} questions about another client: none is let in {let_in[:5]}")
    status, _, body = a.ask("GET", f"/v1/orders/{ids['order']}", theirs["token"])
    check(status == 200 and b"b-for-a" not in body, "client A's order is still what it was")
    check(a.ask("GET", "/v1/me", theirs["token"])[0] == 200, "client A's session still stands")
    status, _, body = b.ask("GET", f"/v1/orders/{ids['order']}", mine["token"])
    unknown = b.ask("GET", "/v1/orders/999999999", mine["token"])
    # Ids ascend, so that an order exists is no secret; all else about it is.
    check(status in (403, 404) and unknown[0] == 404, f"another's order: {status}, one that does not exist: {unknown[0]}")


def scopes(door):
    """A key that may read does nothing else, and makes no keys that may more."""
    client = door.clients[3]
    ask = From(door)
    key = json.loads(ask.ask("POST", "/v1/api-keys", client["token"], {"name": "narrow", "scopes": ["order.read", "key.write"]})[2])
    account = client["account_id"]
    order = {"account": account, "client_order_id": "s", "symbol": door.told["instruments"][0], "side": "buy", "type": "limit", "price": "10.00", "quantity": "100"}

    def by_key(method, target, body=None, key=key):
        data = json.dumps(body).encode() if body is not None else b""
        return ask.ask(method, target, body=data if body is not None else None, headers=signed(door, method, target, data, key=key["id"], secret=key["secret"]))

    check(by_key("GET", f"/v1/orders?account={account}")[0] == 200, "a key reads what its scope names")
    for method, target, body in (
        ("POST", "/v1/orders", order), ("POST", "/v1/orders/bulk", {"orders": [order]}), ("POST", "/v1/orders/cancel-all", {"account": account}),
        ("GET", f"/v1/accounts/{account}", None), ("GET", f"/v1/fills?account={account}", None), ("GET", "/v1/audit", None), ("GET", "/v1/users", None),
        ("POST", "/v1/me/password", {"current_password": "x" * 12, "new_password": "staple gun orchard nine"}), ("POST", "/v1/me/totp", {"password": "x" * 12}),
        ("POST", "/v1/sign-out", None), ("POST", "/v1/kill-switch", {"account": account, "on": True}),
    ):
        status, _, _ = by_key(method, target, body)
        check(status == 403, f"{method} {target.split('?')[0]} by a key that may not: {status}")
    status, _, body = by_key("POST", "/v1/api-keys", {"name": "wide"})
    if status == 201:
        wide = json.loads(body)
        status, _, _ = by_key("POST", "/v1/orders", {**order, "client_order_id": "wide"}, wide)
        check(status == 403, f"a key that a narrow key made is no wider: {status}")
    else:
        check(status in (400, 403), f"a narrow key makes no key: {status}")
    status, _, body = by_key("POST", "/v1/api-keys", {"name": "wide", "scopes": ["order.place"]})
    check(status in (400, 403), f"nor one with a scope of its own: {status}")


HOSTILE = ["", " ", "\x00", "a\x00b", "\r\nset-cookie: x=1", "%0d%0aset-cookie:%20x=1", "../../../etc/passwd", "..\\..\\x", "%2e%2e%2f", "'; DROP TABLE users; --",
           "\" OR 1=1 --", "${jndi:ldap://x}", "{{7*7}}", "<script>alert(1)</script>", "\u202e\u200b\ufeff", "\ud83d\ude00" * 20, "e\u0301" * 40, "１２３", "-1", "+1", "0", "1e400", "NaN", "Infinity",
           "0x10", "9" * 400, "-" + "9" * 30, "1.0000000000000000001", "170141183460469231731687303715884105728", "18446744073709551616", "9223372036854775808", "a" * 5_000, "null", "true", "\\", "*", "%", "_"]
HOSTILE_VALUES = [None, True, -1, 0, 1 << 63, 1 << 64, -(1 << 70), 1.5, 1e308, [], {}, [[]], {"a": 1}]


def resolve(schema, document):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def fields(door):
    """Every parameter and every field of every body gets every hostile value."""
    memory, bystander = Memory(door, "hostile fields"), Bystander(door, who=18)
    token, ask = door.clients[15]["token"], From(door, "127.0.9.9")
    asked, failures, slow, injected, seen = 0, [], [], [], {}

    def one(method, target, body=None, headers=None):
        nonlocal asked
        begun = time.monotonic()
        try:
            status, heads, answer = ask.ask(method, target, token, body, headers)
        except Exception as error:
            failures.append((method, target[:80], repr(error)))
            return
        asked += 1
        seen[status] = seen.get(status, 0) + 1
        if status >= 500 or status == 0:
            failures.append((method, target[:80], status, answer[:200]))
        if time.monotonic() - begun > 3:
            slow.append((method, target[:80]))
        if "set-cookie" in {name.lower() for name in heads} and "sign-in" not in target:
            injected.append((method, target[:80]))
        if b"root:" in answer and b"/bin/" in answer:
            injected.append((method, target[:80], "file"))

    for method, path, operation, document in operations(door):
        if operation["operationId"] in ("signOut", "signIn"):
            continue
        plain = path.replace("{symbol}", door.told["instruments"][0]).replace("{id}", "1").replace("{name}", "x")
        for parameter in operation.get("parameters", []):
            for value in HOSTILE:
                quoted = urllib.parse.quote(value.encode("utf-8", "surrogatepass"), safe="")
                if parameter["in"] == "query":
                    one(method, f"{plain}?{parameter['name']}={quoted}")
                elif parameter["in"] == "path":
                    one(method, path.replace("{" + parameter["name"] + "}", quoted))
                elif value.isascii() and value.isprintable():
                    one(method, plain, headers={parameter["name"]: value[:2_000]})
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            schema = resolve(content["schema"], document)
            if "json" not in media:
                for name in schema.get("properties", {}):
                    for value in HOSTILE:
                        form = {"grant_type": "client_credentials", "token": "x", name: value.encode("utf-8", "surrogatepass")}
                        one(method, plain, urllib.parse.urlencode(form).encode(), {"content-type": media})
                continue
            base = content.get("example") or {}
            base = base if isinstance(base, dict) else {}
            for name in schema.get("properties", {}):
                for value in HOSTILE + HOSTILE_VALUES:
                    one(method, plain, {**base, name: value})
                    one(method, plain, {**base, name: [value]})
            for body in (b"", b"null", b"[]", b"\xff\xfe", b"{" * 10_000, b'{"a":' * 200, b'{"\\ud800":1}', json.dumps({f"k{n}": 1 for n in range(2_000)}).encode(), b"[" + b"1," * 20_000 + b"1]"):
                one(method, plain, body)
    check(not failures, f"{asked} hostile values in every field: no failure {failures[:6]}")
    check(not slow, f"none is slow {slow[:5]}")
    check(not injected, f"none reaches a header or a file {injected[:5]}")
    print(f"     {asked} requests: {dict(sorted(seen.items()))}")
    bystander.tell("hostile fields")
    memory.tell(grown_max=100)


def waiting(door, count=700):
    """A client whose requests wait for what will not come does not keep others out."""
    import threading

    memory, bystander = Memory(door, "requests that wait"), Bystander(door, who=17)
    token, seen, lock = door.clients[16]["token"], {}, threading.Lock()

    def wait():
        for _ in range(3):
            try:
                status, _, _ = door.ask("GET", "/v1/orders?account=" + door.clients[16]["account_id"] + "&min_sequence=99999999999", token)
            except OSError:
                status = 0
            with lock:
                seen[status] = seen.get(status, 0) + 1

    threads = [threading.Thread(target=wait) for _ in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    check(not any(status >= 500 or status == 0 for status in seen), f"{count * 3} requests for a sequence that nobody knows yet: {seen}")
    bystander.tell("requests that wait", limit_s=2.5)
    memory.tell(grown_max=100)


if __name__ == "__main__":
    door = Door(sys.argv[1])
    for attack in (timing, guessing, schemes, signatures, others, scopes, fields, waiting):
        if len(sys.argv) < 3 or attack.__name__ in sys.argv[2:]:
            attack(door)
    finish()
