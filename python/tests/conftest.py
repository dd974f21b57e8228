"""A little HTTP server that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

import pytest

from heng import RetryPolicy


@dataclass
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: Dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


#: Status, document and headers; ``None`` = break the connection without an answer.
Answer = Optional[Tuple[int, Any, Dict[str, str]]]
Script = Callable[[Asked], Union[Answer, bytes]]


class Server:
    """Answers by a script."""

    def __init__(self) -> None:
        self.asked: List[Asked] = []
        self.script: Script = lambda asked: (404, {}, {})
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                asked = Asked(
                    self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length)
                )
                outer.asked.append(asked)
                answer = outer.script(asked)
                if answer is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                if isinstance(answer, bytes):
                    # A stream that ends where the bytes end.
                    self.send_response(200)
                    self.send_header("content-type", "text/event-stream")
                    self.send_header("connection", "close")
                    self.end_headers()
                    self.wfile.write(answer)
                    self.close_connection = True
                    return
                status, document, headers = answer
                content = b"" if document is None else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/problem+json" if status >= 400 else "application/json")
                self.send_header("content-length", str(len(content)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = _serve

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def answers(self, *answers: Union[Answer, bytes]) -> None:
        """Answers one after the other; the last one for ever."""
        left = list(answers)
        self.script = lambda asked: left.pop(0) if len(left) > 1 else left[0]

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def quick() -> RetryPolicy:
    """Retries without waiting."""
    return RetryPolicy(attempts=4, base_s=0.0, most_s=0.0, deadline_s=5.0)


def problem(status: int, code: Optional[int], name: str, **more: Any) -> Tuple[int, Any, Dict[str, str]]:
    """An answer with a problem document."""
    headers = {"retry-after": str(more.pop("retry_after"))} if "retry_after" in more else {}
    document = {"status": status, "code": code, "code_name": name, "title": name, "title_zh": "拒绝", **more}
    return status, document, headers
