"""What the live page asks for, and the server that answers.

    /TOKEN/             the page
    /TOKEN/api/runs     a window of the list of runs       ?sort= &descending=1 &words= &start= &count=
    /TOKEN/api/trials   a window of a run's trials         ?run= &metric= and the same
    /TOKEN/events       what changes (server-sent events)  ?run= &metric= &groups=ID,ID &log=ID

A stream says at once what there is, then twice a second what is new: `head` (the run's facts and last events, or of the
list that it changed), `curves` of the settings asked for, `log`. One task reads the files for all streams, and none
reads while there is no stream.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import Route

from underhood.errors import BadInput
from underhood.report.live.curves import Curves
from underhood.report.live.guard import Guard, PoliteProtocol, json_safe, new_token
from underhood.report.live.page import page, policy
from underhood.report.live.tails import Log
from underhood.report.live.watching import Watch, WatchedRun

EVERY = 0.5  # seconds between two looks at the files
BEAT = 15.0  # seconds after which a stream with no news says so, lest it be taken for dead
MOST_CURVES = 7  # settings whose curves are drawn at once, as many as there are colours
MOST_ROWS = 200


class Live:
    """The application of one folder of runs."""

    def __init__(self, root: Path) -> None:
        self.watch = Watch(root)
        self.streams = 0
        self.closing = False
        self._looking: asyncio.Task[None] | None = None
        self.app = Starlette(
            routes=[
                Route("/", self.page),
                Route("/api/runs", self.runs),
                Route("/api/trials", self.trials),
                Route("/events", self.events),
            ]
        )

    async def page(self, request: Request) -> Response:
        return HTMLResponse(page(), headers={"Content-Security-Policy": policy()})

    async def runs(self, request: Request) -> Response:
        await self._look_again()
        return _answer(self.watch.rows(*_window_of(request)))

    async def trials(self, request: Request) -> Response:
        await self._look_again()
        run = self.watch.runs.get(request.query_params.get("run", ""))
        if run is None:
            return _answer({"error": "There is no such run."}, 404)
        metric = request.query_params.get("metric") or run.summary()["metric"]
        return _answer(await asyncio.to_thread(run.rows, metric, *_window_of(request)))

    async def events(self, request: Request) -> Response:
        stream = _Stream(self.watch, dict(request.query_params))
        return StreamingResponse(self._told(stream), media_type="text/event-stream")

    async def _told(self, stream: "_Stream") -> AsyncIterator[str]:
        self.streams += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield "retry: 1000\n\n"
            said = time.monotonic()
            while not self.closing:
                for kind, news in await asyncio.to_thread(stream.news):
                    yield f"event: {kind}\ndata: {_text(news)}\n\n"
                    said = time.monotonic()
                if time.monotonic() - said > BEAT:
                    yield ": still here\n\n"
                    said = time.monotonic()
                await asyncio.sleep(EVERY)
        finally:
            self.streams -= 1

    async def _look(self) -> None:
        """Read the files as long as a stream is open."""
        while self.streams and not self.closing:
            await asyncio.to_thread(self.watch.refresh)
            await asyncio.sleep(EVERY)

    async def _look_again(self) -> None:
        """For who asks without a stream. What is read the first time is not waited for."""
        if self.watch.loaded:
            await asyncio.to_thread(self.watch.refresh, EVERY)


class _Stream:
    """What one viewer was told last, and what is new since."""

    def __init__(self, watch: Watch, asked: dict[str, str]) -> None:
        self.watch, self.asked = watch, asked
        self.said: Any = None
        self.curves: dict[str, Curves] = {}
        self.log: Log | None = None

    def news(self) -> list[tuple[str, Any]]:
        """Each new thing by its kind."""
        if not self.asked.get("run"):
            return self._of_list()
        run = self.watch.runs.get(self.asked["run"])
        if run is None:
            state = (self.watch.loaded, self.watch.reading)
            known, self.said = self.said == state, state
            return [] if known else [("gone", {"loaded": state[0], "reading": state[1]})]
        return [*self._head(run), *self._curves(run), *self._log(run)]

    def _of_list(self) -> list[tuple[str, Any]]:
        versions = {name: (run.version, run.state) for name, run in self.watch.runs.items()}
        now = (versions, self.watch.loaded, self.watch.reading)
        known, self.said = self.said == now, now
        return [] if known else [("list", {"loaded": self.watch.loaded, "reading": self.watch.reading})]

    def _head(self, run: WatchedRun) -> list[tuple[str, Any]]:
        now = (id(run), run.version, run.state)
        if self.said == now:
            return []
        if self.said and self.said[0] != now[0]:
            self.curves, self.log = {}, None
        self.said = now
        return [("head", run.summary() | {"events": list(run.events)})]

    def _curves(self, run: WatchedRun) -> list[tuple[str, Any]]:
        wanted = [each for each in self.asked.get("groups", "").split(",") if each in run.groups][:MOST_CURVES]
        found: dict[str, Any] = {}
        for each in wanted:
            if each not in self.curves:
                self.curves[each] = Curves(run.groups[each], self.asked.get("metric", ""))
            added = self.curves[each].read()
            if added is not None:
                found[each] = added
        return [("curves", found)] if found else []

    def _log(self, run: WatchedRun) -> list[tuple[str, Any]]:
        trial = run.trials.get(self.asked.get("log", ""))
        if trial is None:
            return []
        self.log = self.log or Log(trial.folder.log_file)
        lines = self.log.read()
        return [] if lines is None else [("log", lines)]


def _window_of(request: Request) -> tuple[str, bool, str, int, int]:
    """Sort, descending, words, start and count as a request has them, within bounds."""
    asked = request.query_params
    start, count = (_whole(asked.get(name, ""), least) for name, least in (("start", 0), ("count", MOST_ROWS)))
    return asked.get("sort", ""), asked.get("descending") == "1", asked.get("words", ""), start, min(count, MOST_ROWS)


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else otherwise


def _text(value: Any) -> str:
    """JSON in a line that is harmless inside HTML, too."""
    return json.dumps(json_safe(value), separators=(",", ":")).replace("<", "\\u003c")


def _answer(value: Any, status: int = 200) -> Response:
    return Response(_text(value), status, media_type="application/json")


class LiveServer:
    """The page of a folder of runs, at `url`: served until interrupted, or, as a context, in a thread of its own."""

    def __init__(self, root: Path, host: str = "127.0.0.1", port: int = 0, run: str = "") -> None:
        self.live, self.token = Live(root), new_token()
        try:
            self.socket = socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
            )
        except OSError as error:
            raise BadInput(f"{host}:{port}: cannot be listened at: {error.strerror or error}") from error
        where = f"[{host}]" if ":" in host else host
        self.url = f"http://{where}:{self.socket.getsockname()[1]}/{self.token}/" + (f"#run={run}" if run else "")
        config = uvicorn.Config(
            Guard(self.live.app, self.token, host),
            http=PoliteProtocol,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=2,
        )
        self.server = uvicorn.Server(config)
        self._thread: threading.Thread | None = None

    def serve(self) -> None:
        """Answer until Ctrl-C."""
        self._read_first()
        try:
            self.server.run(sockets=[self.socket])
        except KeyboardInterrupt:
            pass
        finally:
            self.live.closing = True

    def __enter__(self) -> Self:
        self._read_first()
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        time.sleep(2 * EVERY)  # the last news go out
        self.live.closing = self.server.should_exit = True
        if self._thread:
            self._thread.join(5)

    def _read_first(self) -> None:
        threading.Thread(target=self.live.watch.refresh, daemon=True).start()
