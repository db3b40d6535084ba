"""The web application: the annotators' pages, their media, and the organiser's page."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Collection
from functools import wraps
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from pipeline.annotate.cut import TYPES, Cutter
from pipeline.annotate.database import Database
from pipeline.annotate.export import annotations_csv, transcripts_csv
from pipeline.annotate.organiser import Organiser
from pipeline.annotate.rounds import PHASE_NAMES, PHASES
from pipeline.annotate.security import LARGEST_BODY, Guard
from pipeline.annotate.voting import RefusedError, Task, Voting
from pipeline.errors import BuildError, ClipError
from pipeline.report.pages import page_templates
from pipeline.terminal import tell

_HERE = Path(__file__).parent
_STATIC = {
    "annotate.js": "text/javascript",
    "organise.js": "text/javascript",
    "style.css": "text/css",
    "icon.svg": "image/svg+xml",
}

Endpoint = Callable[[Request], Awaitable[Response]]


def application(
    database: Database, cutter: Cutter, names: Collection[str] = (), *, addresses: bool = False
) -> Starlette:
    """Return the application of a round.

    Parameters
    ----------
    database : Database
        The round's database.
    cutter : Cutter
        Makes the files that are played.
    names : collection of str
        Host names under which the pages may be opened, next to localhost.
    addresses : bool
        Whether they may be opened under any IP address of this machine.
    """
    pages = _Pages(database, cutter)
    get, post = ["GET"], ["POST"]
    routes = [
        Route("/static/{name}", pages.static, methods=get),
        Route("/a/{token}", pages.with_slash, methods=get),
        Route("/o/{token}", pages.with_slash, methods=get),
        Route("/a/{token}/", pages.annotator, methods=get),
        Route("/a/{token}/state", pages.state, methods=get),
        Route("/a/{token}/clip/{ticket}", pages.clip, methods=get),
        Route("/a/{token}/media/{ticket}", pages.media, methods=get),
        Route("/a/{token}/vote", pages.vote, methods=post),
        Route("/a/{token}/remark", pages.remark, methods=post),
        Route("/a/{token}/close", pages.close, methods=post),
        Route("/o/{token}/", pages.organiser, methods=get),
        Route("/o/{token}/transcripts", pages.transcripts, methods=get),
        Route("/o/{token}/media/{clip:int}", pages.organisers_media, methods=get),
        Route("/o/{token}/transcript", pages.set_transcript, methods=post),
        Route("/o/{token}/decide", pages.decide, methods=post),
        Route("/o/{token}/annotations.csv", pages.annotations, methods=get),
        Route("/o/{token}/transcripts.csv", pages.transcript_table, methods=get),
    ]
    guard = Middleware(Guard, names=names, addresses=addresses)
    app = Starlette(routes=routes, middleware=[guard])
    app.router.redirect_slashes = False
    return app


def _answering(endpoint: Callable[[Any, Request], Awaitable[Response]]) -> Any:
    """Turn what the protocol refuses, and clips that cannot be played, into responses."""

    @wraps(endpoint)
    async def answered(pages: _Pages, request: Request) -> Response:
        try:
            return await endpoint(pages, request)
        except RefusedError as error:
            return JSONResponse({"reason": error.reason}, error.status)
        except ClipError:
            return JSONResponse({"reason": "this clip cannot be played"}, 422)
        except BuildError as error:
            # the details name files: they are for the organiser's page and terminal
            tell(f"error: {error}")
            return JSONResponse({"reason": "the server cannot make this file"}, 500)
        except sqlite3.Error as error:
            tell(f"error: an answer was not stored ({error}); is the disk full?")
            return JSONResponse({"reason": "the server cannot store anything now"}, 503)

    return answered


class _Pages:
    """The endpoints; everything that touches the disk runs in a thread."""

    def __init__(self, database: Database, cutter: Cutter) -> None:
        self._voting = Voting(database)
        self._organiser = Organiser(database)
        self._database = database
        self._cutter = cutter
        self._templates = page_templates(_HERE / "templates")

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _STATIC:
            raise HTTPException(404)
        return FileResponse(_HERE / "static" / name, media_type=_STATIC[name])

    async def with_slash(self, request: Request) -> Response:
        """Mend a link that lost its last character on the way."""
        return RedirectResponse(f"{request.url.path}/")

    @_answering
    async def annotator(self, request: Request) -> Response:
        state = await run_in_threadpool(self._voting.state, request.path_params["token"])
        return self._page("annotator.html.j2", name=state["name"])

    @_answering
    async def state(self, request: Request) -> Response:
        return JSONResponse(
            await run_in_threadpool(self._voting.state, request.path_params["token"])
        )

    @_answering
    async def clip(self, request: Request) -> Response:
        given = request.path_params
        shown = await run_in_threadpool(self._voting.clip, given["token"], given["ticket"])
        return JSONResponse(shown)

    @_answering
    async def media(self, request: Request) -> Response:
        given = request.path_params
        task = await run_in_threadpool(self._voting.media, given["token"], given["ticket"])
        return await self._file(task)

    @_answering
    async def vote(self, request: Request) -> Response:
        token, values = request.path_params["token"], await _body(request)
        ticket = str(values.get("ticket"))
        return JSONResponse(
            await run_in_threadpool(self._voting.vote, token, ticket, values.get("answer"))
        )

    @_answering
    async def remark(self, request: Request) -> Response:
        token, values = request.path_params["token"], await _body(request)
        await run_in_threadpool(self._voting.remark, token, str(values.get("ticket")), values)
        return JSONResponse({})

    @_answering
    async def close(self, request: Request) -> Response:
        token, values = request.path_params["token"], await _body(request)
        return JSONResponse(await run_in_threadpool(self._voting.close, token, values.get("phase")))

    @_answering
    async def organiser(self, request: Request) -> Response:
        token = request.path_params["token"]
        shown = await run_in_threadpool(self._organiser.overview, token)
        failures = {shown["clips"][clip]: why for clip, why in self._cutter.failures.items()}
        return self._page(
            "organiser.html.j2",
            **shown,
            failures=failures,
            phases=PHASES,
            phase_names=PHASE_NAMES,
            base=str(request.base_url),
        )

    @_answering
    async def transcripts(self, request: Request) -> Response:
        token = request.path_params["token"]
        rows = await run_in_threadpool(self._organiser.transcripts, token)
        return self._page("transcripts.html.j2", rows=rows)

    @_answering
    async def organisers_media(self, request: Request) -> Response:
        given = request.path_params
        return await self._file(
            await run_in_threadpool(self._organiser.media, given["token"], given["clip"])
        )

    @_answering
    async def set_transcript(self, request: Request) -> Response:
        token, values = request.path_params["token"], await _body(request)
        clip, text = values.get("clip"), values.get("text")
        await run_in_threadpool(self._organiser.set_transcript, token, clip, text)
        return JSONResponse({})

    @_answering
    async def decide(self, request: Request) -> Response:
        token, values = request.path_params["token"], await _body(request)
        clip, text = values.get("clip"), values.get("text")
        await run_in_threadpool(self._organiser.decide, token, clip, text)
        return JSONResponse({})

    @_answering
    async def annotations(self, request: Request) -> Response:
        return await self._table(request, annotations_csv)

    @_answering
    async def transcript_table(self, request: Request) -> Response:
        return await self._table(request, transcripts_csv)

    async def _table(self, request: Request, write: Callable[[Database], str]) -> Response:
        await run_in_threadpool(self._organiser.check, request.path_params["token"])
        name = request.url.path.rpartition("/")[2]
        return Response(
            await run_in_threadpool(write, self._database),
            media_type="text/csv; charset=utf-8",
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )

    async def _file(self, task: Task) -> Response:
        path = await run_in_threadpool(self._cutter.cut, task)
        return FileResponse(path, media_type=TYPES[task.phase])

    def _page(self, template: str, **content: Any) -> Response:
        return HTMLResponse(self._templates.get_template(template).render(content))


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request, of a bounded size."""
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > LARGEST_BODY:
            raise RefusedError(413, f"more than {LARGEST_BODY:,} bytes were sent")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise RefusedError(400, "a JSON object is expected")
    return values
