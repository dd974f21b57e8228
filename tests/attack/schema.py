"""Schemathesis, all checks and phases, over every operation of the document: as staff, as a client, and as nobody."""

import base64
import collections
import json
import os
import subprocess
import sys
import tempfile

from door import Door, check, finish

# What schemathesis reports and what is right all the same: check, part of the operation, part of the answer, reason.
EXPLAINED = [
    ("positive_data_acceptance", "/oauth/", "stands twice", "a list in a form is a parameter that stands twice, which RFC 6749 (3.2) refuses"),
    ("positive_data_acceptance", "/v1/me/", "password", "no schema tells how easily a password is guessed"),
    ("positive_data_acceptance", "/v1/users", "easy to guess", "no schema tells how easily a password is guessed"),
    ("positive_data_acceptance", "GET /v1/stream", "upgrade", "the document cannot tell the headers of a WebSocket handshake"),
    ("positive_data_acceptance", "/v1/stream/market", "", "symbols and channels are lists in one text"),
    ("positive_data_acceptance", "/v1/market/", "does not fit the indicator", "params depend on the indicator"),
    ("positive_data_acceptance", "/v1/market/", "is no date", "format: date of the document, and a day that the calendar does not have"),
    ("positive_data_acceptance", "/v1/api-keys", "", "public_key goes with one kind of key only, networks are addresses"),
    ("positive_data_acceptance", "/v1/partners", "", "[\"*\"] stands alone"),
    ("positive_data_acceptance", "/v1/role-changes", "", "[\"*\"] stands alone, roles fit the kind of user"),
    ("positive_data_acceptance", "/v1/step-up", "", "target and body are those of the operation"),
    ("positive_data_acceptance", "/v1/users", "", "roles and accounts fit the kind of user"),
    ("positive_data_acceptance", "/v1/parents", "", "what a parent needs depends on its kind; 5.0 is no whole number here"),
    ("positive_data_acceptance", "/v1/orders", "", "what an order needs depends on its type; 5.0 is no whole number here"),
]


def run(door, who, examples, folder):
    """One run; returns its failures by check, operation and answer."""
    report = os.path.join(folder, f"{who}.ndjson")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", os.devnull, "run", door.told["http"] + "/openapi.json",
               "-c", "all", "-n", str(examples), "-w", "2", "--continue-on-failure", "--request-timeout", "15", "--report", "ndjson",
               "--report-ndjson-path", report, "--generation-database", "none", "--generation-with-security-parameters", "false", "--no-color",
               # These would end the very session that asks; they are asked alone, below.
               "--exclude-operation-id", "signOut", "--exclude-operation-id", "endSession"]
    token = door.tokens.get(who)
    if token:
        command += ["-H", f"Authorization: Bearer {token}"]
    here = os.path.dirname(os.path.abspath(__file__))
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schema_hooks", "PYTHONPATH": here}
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=3_600)
    return read(report)


def read(report):
    statuses, failed, silent = collections.Counter(), collections.OrderedDict(), 0
    with open(report, encoding="utf-8") as lines:
        for line in lines:
            scenario = json.loads(line).get("ScenarioFinished")
            if not scenario:
                continue
            recorder = scenario["recorder"]
            for asked in recorder.get("interactions", {}).values():
                answer = asked.get("response")
                silent += answer is None
                statuses[answer["status_code"] if answer else "none"] += 1
            for case, checks in recorder.get("checks", {}).items():
                asked, value = recorder["interactions"].get(case, {}), recorder["cases"].get(case, {}).get("value", {})
                content = ((asked.get("response") or {}).get("content") or {}).get("$base64", "")
                body = base64.b64decode(content).decode("utf-8", "replace")
                for one in checks:
                    if one["status"] != "success":
                        operation = f"{value.get('method')} {value.get('path')}"
                        told = (one.get("failure_info") or {}).get("failure", {}).get("message", "")
                        failed.setdefault((one["name"], operation), []).append((asked.get("request", {}).get("uri", ""), body, told))
    return statuses, failed, silent


def reason(name, operation, body):
    for check_name, part, text, why in EXPLAINED:
        if name == check_name and part in operation and text in body:
            return why
    return None


def judge(who, statuses, failed, silent):
    total = sum(statuses.values())
    check(not any(isinstance(status, int) and status >= 500 for status in statuses), f"{who}: {total} requests, {dict(statuses)}")
    check(silent == 0, f"{who}: every request is answered ({silent} were not)")
    whys = collections.Counter()
    for (name, operation), cases in failed.items():
        unexplained = [case for case in cases if reason(name, operation, case[1]) is None]
        whys.update(reason(name, operation, case[1]) for case in cases if reason(name, operation, case[1]))
        if unexplained:
            uri, body, told = unexplained[0]
            check(False, f"{who}: {name} of {operation}, {len(unexplained)} times: {uri[:200]} -> {body[:300]} {told[:300]}")
    for why, count in whys.items():
        print(f"     {who}: {count} times: {why}")


if __name__ == "__main__":
    door, examples = Door(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 50
    people = sys.argv[3:] or ["staff", "client", "nobody"]
    with tempfile.TemporaryDirectory() as folder:
        for who in people:
            judge(who, *run(door, who, examples, folder))
    for who in ("staff", "client"):
        if who in people:
            for method, target in (("DELETE", "/v1/sessions/999999999"), ("DELETE", "/v1/sessions/x"), ("POST", "/v1/sign-out"), ("POST", "/v1/sign-out")):
                status, _, _ = door.ask(method, target, door.tokens[who], b"" if method == "POST" else None)
                check(status in (204, 400, 401, 404), f"{who}: {method} {target}: {status}")
    finish()
