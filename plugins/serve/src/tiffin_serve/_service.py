"""Service: functions of a user's behind HTTP, with the runners that they call."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, overload

from tiffin import Runner
from tiffin.runners import metrics_text
from tiffin_serve._annotations import describe
from tiffin_serve._application import Application, Handler, json_response
from tiffin_serve._asgi import AsgiApplication
from tiffin_serve._context import Context, present
from tiffin_serve._description import API_ERRORS, EXTENSION, answer_of, document
from tiffin_serve._descriptors import Descriptor
from tiffin_serve._errors import ServeError
from tiffin_serve._flows import Streamed
from tiffin_serve._health import add_health
from tiffin_serve._mounting import Asgi, Mounted
from tiffin_serve._pages import add_pages
from tiffin_serve._requests import Limits, Request, Response, StreamedResponse
from tiffin_serve._running import call_once, make_methods, start_runner, stop_runner
from tiffin_serve._streams import UNSTORED, Stream
from tiffin_serve._threads import ThreadItems, Threads

F = TypeVar("F", bound=Callable[..., Any])

_ROUTE = re.compile(r"/[\w.~:@-]+(?:/[\w.~:@-]+)*", re.ASCII)


class Api(NamedTuple):
    """One function of a service: where it is, what it takes and gives, and which argument gets the request's context."""

    name: str
    route: str
    function: Callable[..., Any]
    given: Descriptor | None
    returned: Descriptor
    context: str | None


class Service:
    """Functions behind HTTP, and the runners that they call.

    Args:
        name: for logs and the description.
        runners: started with the service, unless they are already, and called once before the first request.

    Attributes:
        apis: its functions, by their routes.
        draining: whether it takes no more.

    Raises:
        ServeError: a runner is none.
    """

    def __init__(self, name: str, runners: Iterable[Runner] = ()) -> None:
        self.name = name
        self.runners = list(runners)
        for runner in self.runners:
            if not isinstance(runner, Runner):
                raise ServeError(
                    f"Service {name!r} is given {runner!r:.80} as a runner", fix="Give tiffin.get(tag).to_runner()"
                )
        self.apis: dict[str, Api] = {}
        self.draining = False
        self._answered: dict[str, bool] = {runner.name: False for runner in self.runners}
        self._started: list[Runner] = []
        self._threads = Threads(name)
        self._mounted: dict[str, Mounted] = {}
        self._beginning: list[Callable[[], Any]] = []
        self._ending: list[Callable[[], Any]] = []

    @overload
    def api(self, function: F, /) -> F: ...

    @overload
    def api(
        self,
        function: None = None,
        /,
        *,
        input: Descriptor | None = ...,
        output: Descriptor | None = ...,
        route: str | None = ...,
    ) -> Callable[[F], F]: ...

    def api(
        self,
        function: Any = None,
        /,
        *,
        input: Descriptor | None = None,
        output: Descriptor | None = None,
        route: str | None = None,
    ) -> Any:
        """Put the decorated function behind HTTP. It stays as it is, and can be called as before.

        Args:
            function: the function, when used without parentheses. One argument is the body, several are the fields of an
                object in JSON, or parts; one that is annotated `Context` gets the request's context. A coroutine function
                runs on the event loop, any other in a thread. What a generator yields is sent at once.
            input: what it takes; by default its annotations say that.
            output: what it returns; by default its annotation says that.
            route: its path; "/" and its name by default.

        Raises:
            ServeError: the function's arguments do not fit what is said of them, or the route is none, or is taken.
        """

        def add(target: F) -> F:
            described = describe(target, input, output)
            path = f"/{target.__name__}" if route is None else route
            if not _ROUTE.fullmatch(path):
                raise ServeError(f"{path!r} is no route", fix="Write a path such as '/classify'")
            if path in self.apis or path in RESERVED:
                raise ServeError(
                    f"The route {path!r} of {target.__name__!r} is taken", fix="Give it another: route='/…'"
                )
            self.apis[path] = Api(target.__name__, path, target, *described)
            return target

        return add if function is None else add(function)

    def mount(self, path: str, application: Asgi) -> None:
        """Have an ASGI application answer what is below a path, but for the service's own routes.

        It is started and stopped with the service, if it speaks the protocol `lifespan`. Its websockets are not served.

        Args:
            path: where it begins, such as "/admin"; "/" for all that nothing else answers.
            application: speaks ASGI 3: of FastAPI, Starlette, Django, Flask behind an adapter, …

        Raises:
            ServeError: the path is none, or is taken.
        """
        begins = path.rstrip("/")
        if begins in self._mounted or begins in self.apis or begins in RESERVED:
            raise ServeError(f"The path {path!r} is taken", fix="Mount the application elsewhere")
        if begins and not _ROUTE.fullmatch(begins):
            raise ServeError(f"{path!r} is no path", fix="Write one such as '/admin'")
        self._mounted[begins] = Mounted(begins, application)

    def on_startup(self, function: F) -> F:
        """Call the decorated function, of either kind, when the service starts; its runners come after it."""
        self._beginning.append(function)
        return function

    def on_shutdown(self, function: F) -> F:
        """Call the decorated function, of either kind, when the service has stopped."""
        self._ending.append(function)
        return function

    # Served

    def application(self, limits: Limits | None = None) -> Application:
        """Return the service as an application that knows no server."""
        application = Application(limits)
        add_health(application, self)
        for api in self.apis.values():
            application.route("POST", api.route, self._handler(api))

        async def describe(request: Request) -> Response:
            return json_response(self.description())

        for path, mounted in self._mounted.items():
            application.mounted[path] = mounted.answer
        add_pages(application, first="" not in self._mounted and "/" not in self._mounted)
        application.route("GET", "/openapi.json", describe)
        return application

    def asgi(self, limits: Limits | None = None) -> AsgiApplication:
        """Return the service as an ASGI application: for tests in this process, and for servers of your own.

        The service is not started with it: `async with service:` does that.
        """
        return AsgiApplication(self.application(limits))

    def _handler(self, api: Api) -> Handler:
        function, returned = api.function, api.returned
        headers = [("content-type", returned.media_type)]
        # Calling what yields begins nothing yet.
        at_once = inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)
        coroutine = inspect.iscoroutinefunction(function)

        async def handle(request: Request) -> Response:
            context = Context(request)
            present.set(context)
            arguments: list[Any] = []
            named: dict[str, Any] = {}
            if api.given is not None:
                given = api.given.take(await request.body(), request.headers.get("content-type") or "")
                if api.given.several:
                    named = given
                else:
                    arguments = [given]
            if api.context is not None:
                named[api.context] = context
            if at_once:
                result = function(*arguments, **named)
            elif coroutine:
                result = await function(*arguments, **named)
            else:
                result = await self._threads.call(function, *arguments, **named)
            answer = context.response
            if not isinstance(returned, Streamed):
                return Response(answer.status, returned.write(result), [*headers, *answer.headers, *_numbered(request)])
            items = result if hasattr(result, "__aiter__") else ThreadItems(iter(result), self._threads)
            stream = await Stream(items, returned.write, returned.last, returned.failed).begin()
            return StreamedResponse(answer.status, stream, [*headers, *UNSTORED, *answer.headers, *_numbered(request)])

        return handle

    def description(self) -> dict[str, Any]:
        """Return the OpenAPI document of the service's functions."""
        paths = {}
        for api in self.apis.values():
            told: dict[str, Any] = {
                "summary": inspect.getdoc(api.function) or f"Call {api.name}",
                "operationId": api.name,
                "responses": {
                    "200": answer_of("The answer", api.returned.schema, api.returned.media_type),
                    **API_ERRORS,
                },
            }
            if api.given is not None:
                content = {api.given.media_type: {"schema": dict(api.given.schema), "example": api.given.example()}}
                told["requestBody"] = {"required": True, "content": content}
            told[EXTENSION] = {
                "group": self.name,
                "names": [self.name],
                "streams": isinstance(api.returned, Streamed),
                "paths": [api.route],
                "several": api.given is not None and api.given.several,
                "gives": api.returned.kind,
            }
            paths[api.route] = {"post": told}
        return document(self.name, paths)

    # Life

    def states(self) -> dict[str, bool]:
        """Return which runners have answered a call, and take more."""
        return {runner.name: self._answered[runner.name] and runner.ready() for runner in self.runners}

    async def metrics(self) -> list[dict[str, Any]]:
        """Return nothing: each process has runners of its own."""
        return []

    def counts(self) -> str:
        """Return the counters of its runners, in Prometheus' text format."""
        return metrics_text(*(runner.metrics() for runner in self.runners))

    async def start(self) -> None:
        """Start the runners that are not started yet, and have each answer a call.

        Raises:
            TiffinError: a model cannot be loaded, or its worker does not run.
            Exception: what loading raised.
        """
        for function in self._beginning:
            await self._call(function)
        for mounted in self._mounted.values():
            await mounted.start()
        # One by one: threads that import parts of one framework at the same time may see each other's half-made modules.
        for runner in self.runners:
            if not runner.scheduled:
                self._started.append(runner)
            await start_runner(runner)
            await call_once(make_methods(runner, runner.methods).values())
            self._answered[runner.name] = True

    async def stop(self, seconds: float = 30.0) -> None:
        """End the runners that were started with the service, once they have answered what they took in.

        Args:
            seconds: to wait for that at most.
        """
        started, self._started = self._started, []
        try:
            for mounted in self._mounted.values():
                await mounted.stop()
            await asyncio.gather(*(stop_runner(runner, seconds) for runner in started))
            for function in self._ending:
                await self._call(function)
        finally:
            self._threads.close()

    async def _call(self, function: Callable[[], Any]) -> None:
        if inspect.iscoroutinefunction(function):
            await function()
        else:
            await self._threads.call(function)

    async def __aenter__(self) -> Service:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def __repr__(self) -> str:
        return f"<Service {self.name!r}: {', '.join(self.apis) or 'no functions'}>"


def _numbered(request: Request) -> list[tuple[str, str]]:
    return [("x-request-id", request.id)]


RESERVED = frozenset({"/", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json"})
"""Paths that every service has."""
