"""A Hugging Face hub on this machine: one repository, served as the real one does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LATER = "89abcdef0123456789abcdef0123456789abcdef"


@contextmanager
def hub(name: str, commits: dict[str, Path]) -> Iterator[str]:
    """Serve folders as commits of a repository; the last one is its newest.

    Parameters
    ----------
    name : str
        ``owner/model``.
    commits : dict of str to Path
        Folder of each commit.

    Yields
    ------
    str
        The hub's address, for ``HF_ENDPOINT``.
    """

    class Hub(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = self.path.split("?")[0].strip("/").split("/")
            if parts == [""]:
                return self._send(b"hub")
            if parts[:4] == ["api", "models", *name.split("/")]:
                commit = self._commit(parts[5])
                files = [
                    {"type": "file", "path": p.name, "size": p.stat().st_size, "oid": p.name}
                    for p in sorted(commits[commit].iterdir())
                ]
                about = {"id": name, "sha": commit, "siblings": []}
                return self._send(json.dumps(files if parts[4] == "tree" else about).encode())
            if parts[:2] == name.split("/") and parts[2] == "resolve":
                path = commits[self._commit(parts[3])] / parts[4]
                if path.is_file():
                    return self._send(path.read_bytes(), self._commit(parts[3]))
            return self.send_error(404)

        do_GET = do_HEAD = _answer  # noqa: N815 - named by http.server

        def _commit(self, revision: str) -> str:
            return list(commits)[-1] if revision == "main" else revision

        def _send(self, content: bytes, commit: str = "") -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Content-Type", "application/json")
            if commit:
                self.send_header("X-Repo-Commit", commit)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
