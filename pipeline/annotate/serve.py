"""Running a round: one server per folder, its links, and a clean end."""

from __future__ import annotations

import fcntl
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from pipeline.annotate.clips import read_clips, require_folder
from pipeline.annotate.cut import Cutter
from pipeline.annotate.database import Database
from pipeline.annotate.rounds import PHASES, Links, links, set_up
from pipeline.annotate.security import is_loopback, own_names
from pipeline.annotate.voting import Task
from pipeline.annotate.web import application
from pipeline.config import Config, available_cores
from pipeline.errors import BuildError

STORE = ".annotate"
"""Where a round is kept, in the corpus folder: its name begins with a dot, so a build skips it."""


@dataclass(frozen=True)
class Place:
    """Where a server listens.

    Parameters
    ----------
    host : str
        The address, e.g. ``127.0.0.1``.
    port : int
        The port; 0 takes a free one.
    names : tuple of str
        Further host names under which the pages are opened.
    """

    host: str = "127.0.0.1"
    port: int = 8321
    names: tuple[str, ...] = ()


def annotate(
    config: Config, store: Path, annotators: int | None, place: Place, say: Callable[[str], None]
) -> None:
    """Serve a round of annotation until Ctrl-C or a signal ends it.

    Parameters
    ----------
    config : Config
        ``raw`` is the corpus folder; ``media`` says how its files are opened.
    store : Path
        The folder of the round.
    annotators : int or None
        How many annotators there should be; see `set_up`.
    place : Place
        Where to listen.
    say : callable
        Prints a line.

    Raises
    ------
    BuildError
        If the folder has no clips, the address cannot be used, or a server runs already.
    """
    require_folder(config.raw)
    with closing(Database(store)) as database, _only_server(store), closing(_listen(place)) as sock:
        say(f"reading {config.raw} ...")
        clips, left_out = read_clips(config, store)
        for each in left_out:
            say(f"left out: clip {each.name}: {each.reason}")
        for note in set_up(database, clips, annotators):
            say(f"note: {note}")
        cutter = Cutter(
            config.raw, store / "media", config.media.ffmpeg, max(1, available_cores() // 2)
        )
        cutter.ahead(_all_tasks(database))
        try:
            _print_links(place, sock.getsockname()[1], links(database), say)
            is_local = is_loopback(place.host)
            names = place.names if is_local else (*place.names, *own_names())
            app = application(database, cutter, names, addresses=not is_local)
            _run(app, sock)
        except KeyboardInterrupt:
            pass  # uvicorn has closed its connections; every answer is stored
        finally:
            cutter.stop()
        say(f"stopped; every answer is in {database.path}. The same command continues.")


def _run(app: Starlette, sock: socket.socket) -> None:
    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # addresses hold tokens
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
        limit_concurrency=500,
    )
    uvicorn.Server(settings).run(sockets=[sock])


def _all_tasks(database: Database) -> Iterator[Task]:
    """Yield what must be cut: all sounds first, then the pictures, as the phases need them."""
    with database.reading() as db:
        rows = db.execute("SELECT id, media, digest, video, audio FROM clips ORDER BY id")
        clips = [tuple(row) for row in rows]
    for phase in PHASES[1:]:
        yield from (Task(phase, *clip) for clip in clips)


@contextmanager
def _only_server(store: Path) -> Iterator[None]:
    """Hold the folder: two servers would cut the same files at once."""
    with (store / "server.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BuildError(
                f"another chsims-build annotate serves {store} already",
                "use that one, or stop it first (Ctrl-C)",
            ) from None
        yield


def _listen(place: Place) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            place.host, place.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(128)
    except OSError as error:
        raise BuildError(
            f"cannot listen on {place.host}, port {place.port} ({error.strerror or error})",
            "choose another: --port N (0 takes a free one), --host ADDRESS",
        ) from error
    return sock


def _address(host: str) -> str:
    """Return the address to put into links: for a wildcard, the one that leads to the network."""
    if host not in ("0.0.0.0", "::", ""):  # noqa: S104 - compared, not bound
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent; it only chooses the interface
        except OSError:
            return socket.gethostname()
        return str(probe.getsockname()[0])


def _print_links(place: Place, port: int, secret: Links, say: Callable[[str], None]) -> None:
    is_local = is_loopback(place.host)
    name = place.names[0] if place.names else _address(place.host)
    base = f"http://{f'[{name}]' if ':' in name else name}:{port}"
    say("")
    if not is_local:
        say(
            f"WARNING: the pages can be reached from other machines ({place.host}), and http is "
            "not encrypted: whoever reads the network reads the links and the clips. Listen on "
            "127.0.0.1 behind a tunnel or an https proxy where you do not trust the network."
        )
        say("")
    say(f"organiser    {base}/o/{secret.organiser}/")
    for annotator, token in secret.annotators.items():
        say(f"{annotator:<12} {base}/a/{token}/")
    say("")
    say("Send each annotator one link, and keep the organiser's. Ctrl-C stops the server.")
