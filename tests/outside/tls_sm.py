"""TLS 1.3 with SM (RFC 8998) by OpenSSL 4, as PyPI `cryptography` carries it: one handshake as client or as server.

    tls_sm.py client PORT --suite TLS_SM4_GCM_SM3 --group curveSM2 --papers DIR [--role trading]
    tls_sm.py server      --suite TLS_SM4_CCM_SM3 --group curveSM2MLKEM768 --papers DIR [--role core]

DIR holds authority.pem and ROLE.pem, ROLE.key. One line of JSON tells what was agreed. A server prints its port first.
"""

import argparse
import json
import os
import socket
import sys
import tempfile


def choose_group(group: str) -> None:
    """pyOpenSSL cannot name key exchange groups; OpenSSL's configuration file can."""
    file = tempfile.NamedTemporaryFile("w", suffix=".cnf", delete=False)
    with file:
        file.write(f"openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n[c]\nGroups = {group}\n")
    os.environ["OPENSSL_CONF"] = file.name


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=["client", "server"])
    parser.add_argument("port", nargs="?", type=int, default=0)
    parser.add_argument("--suite", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--papers", required=True)
    parser.add_argument("--role", default="trading")
    parser.add_argument("--say", default="ping", help="with the escapes of a Python text")
    asked = parser.parse_args()
    choose_group(asked.group)
    from cryptography.hazmat.bindings.openssl.binding import Binding
    from OpenSSL import SSL

    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_tls13_ciphersuites(asked.suite.encode())
    context.use_certificate_chain_file(f"{asked.papers}/{asked.role}.pem")
    context.use_privatekey_file(f"{asked.papers}/{asked.role}.key")
    context.load_verify_locations(f"{asked.papers}/authority.pem")
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *told: bool(told[4]))
    if asked.side == "server":
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(20)
        print(listener.getsockname()[1], flush=True)
        stream, _ = listener.accept()
    else:
        stream = socket.create_connection(("127.0.0.1", asked.port), timeout=20)
    # pyOpenSSL does not wait by itself on a socket with a time limit.
    stream.setblocking(True)
    connection = SSL.Connection(context, stream)
    if asked.side == "server":
        connection.set_accept_state()
    else:
        connection.set_connect_state()
    connection.do_handshake()
    connection.sendall(asked.say.encode().decode("unicode_escape").encode())
    answer = connection.recv(4096)
    binding = Binding()
    group = binding.ffi.string(binding.lib.SSL_get0_group_name(connection._ssl)).decode()
    peer = connection.get_peer_certificate()
    print(json.dumps({
        "library": SSL.SSLeay_version(SSL.SSLEAY_VERSION).decode(),
        "version": connection.get_protocol_version_name(), "suite": connection.get_cipher_name(), "group": group,
        "peer": peer.get_subject().CN if peer else None, "answer": answer.decode(),
    }), flush=True)
    connection.shutdown()


if __name__ == "__main__":
    sys.exit(main())
