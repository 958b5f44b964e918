"""`python -m policy_server --policy NAME`: serve a policy until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import ssl
import sys
from collections.abc import Sequence

from policy_server import API_KEY_VARIABLE
from stage_core.errors import ConfigurationError, StageError
from stage_core.supervision import die_with_supervisor


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options; argparse ends the program on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m policy_server",
        description="Serve a policy over openpi's websocket protocol: Stage's client and openpi's own both work against it.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--policy", help="a bundled name (scripted, ...), a checkpoint folder, or module:Class of your own")
    what.add_argument("--checkpoint", help="a checkpoint folder (contract.json, config.json, weights)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; other than loopback needs a key (default %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="TCP port, 0 takes a free one (default %(default)s)")
    parser.add_argument("--api-key", default=None, help=f"key clients must send; better set {API_KEY_VARIABLE}: others cannot see it")
    parser.add_argument("--tls-certificate", default=None, help="PEM file; with --tls-key the server speaks wss")
    parser.add_argument("--tls-key", default=None, help="PEM file of the certificate's private key")
    parser.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"), help="default %(default)s")
    parser.add_argument("--debug", action="store_true", help="full tracebacks for errors of the start")
    return parser.parse_args(arguments)


def _tls_context(certificate: str | None, key: str | None) -> ssl.SSLContext | None:
    """Return the context for wss, or None without a certificate."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigurationError("--tls-certificate and --tls-key belong together; one is missing. Give both PEM files.")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"--tls-certificate {certificate} with --tls-key {key} cannot be used: {error}.") from None
    return context


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code, 0 after a clean end."""
    options = parse_arguments(arguments)
    die_with_supervisor()
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # A port scan or a refused key is one line of ours, not a traceback of the library's.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    try:
        from policy_server.loading import load_checkpoint, load_policy
        from policy_server.server import PolicyServer

        api_key = options.api_key or os.environ.get(API_KEY_VARIABLE) or None
        policy = load_checkpoint(options.checkpoint) if options.checkpoint else load_policy(options.policy)
        server = PolicyServer(policy, options.host, options.port, api_key, tls=_tls_context(options.tls_certificate, options.tls_key))

        def announce() -> None:
            print(f"policy server ready: {policy.contract.policy_name} on {server.url}", flush=True)

        server.serve_forever(on_ready=announce)
    except KeyboardInterrupt:
        return 0
    except StageError as error:
        if options.debug:
            raise
        kind = "" if isinstance(error, ConfigurationError) else "policy server: "
        print(f"error: {kind}{error}", file=sys.stderr)
        return 1
    finally:
        # A terminal and a launcher may both send Ctrl-C; the second must not spoil a clean end.
        with contextlib.suppress(ValueError):  # not in the main thread: there are no signals
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
