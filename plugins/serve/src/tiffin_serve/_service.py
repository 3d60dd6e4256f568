"""Service: functions of a user's behind HTTP, with the runners that they call."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar, overload

from tiffin import Runner
from tiffin_serve._application import Application, Handler, json_response
from tiffin_serve._asgi import AsgiApplication
from tiffin_serve._description import API_ERRORS, answer_of, document
from tiffin_serve._errors import ServeError
from tiffin_serve._flows import Streamed
from tiffin_serve._health import add_health
from tiffin_serve._requests import Limits, Request, Response, StreamedResponse
from tiffin_serve._running import call_once, make_methods, start_runner, stop_runner
from tiffin_serve._streams import UNSTORED, Stream
from tiffin_serve._threads import ThreadItems, Threads
from tiffin_serve.io import Descriptor, descriptors_of

F = TypeVar("F", bound=Callable[..., Any])

_ROUTE = re.compile(r"/[\w.~:@-]+(?:/[\w.~:@-]+)*", re.ASCII)


class Api(NamedTuple):
    """One function of a service: where it is, and what it takes and gives."""

    name: str
    route: str
    function: Callable[..., Any]
    given: Descriptor | None
    returned: Descriptor


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
            function: with one argument or none, when used without parentheses. A coroutine function runs on the event loop,
                any other in a thread. What a generator yields is sent at once.
            input: what it takes; by default its annotation says that.
            output: what it returns; by default its annotation says that.
            route: its path; "/" and its name by default.

        Raises:
            ServeError: the function takes several arguments, or the route is none, or is taken.
        """

        def add(target: F) -> F:
            given, returned = descriptors_of(target, input, output)
            path = f"/{target.__name__}" if route is None else route
            if not _ROUTE.fullmatch(path):
                raise ServeError(f"{path!r} is no route", fix="Write a path such as '/classify'")
            if path in self.apis or path in RESERVED:
                raise ServeError(
                    f"The route {path!r} of {target.__name__!r} is taken", fix="Give it another: route='/…'"
                )
            self.apis[path] = Api(target.__name__, path, target, given, returned)
            return target

        return add if function is None else add(function)

    # Served

    def application(self, limits: Limits | None = None) -> Application:
        """Return the service as an application that knows no server."""
        application = Application(limits)
        add_health(application, self)
        for api in self.apis.values():
            application.route("POST", api.route, self._handler(api))

        async def describe(request: Request) -> Response:
            return json_response(self.description())

        application.route("GET", "/docs", describe)
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
            arguments = () if api.given is None else (api.given.read(await request.body()),)
            if at_once:
                result = function(*arguments)
            elif coroutine:
                result = await function(*arguments)
            else:
                result = await self._threads.call(function, *arguments)
            if not isinstance(returned, Streamed):
                return Response(200, returned.write(result), headers)
            items = result if hasattr(result, "__aiter__") else ThreadItems(iter(result), self._threads)
            stream = await Stream(items, returned.write, returned.last, returned.failed).begin()
            return StreamedResponse(200, stream, [*headers, *UNSTORED])

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
                content = {api.given.media_type: {"schema": dict(api.given.schema)}}
                told["requestBody"] = {"required": True, "content": content}
            paths[api.route] = {"post": told}
        return document(self.name, paths)

    # Life

    def states(self) -> dict[str, bool]:
        """Return which runners have answered a call, and take more."""
        return {runner.name: self._answered[runner.name] and runner.ready() for runner in self.runners}

    async def metrics(self) -> list[dict[str, Any]]:
        """Return the counters of its runners, as `Runner.metrics`."""
        return [runner.metrics() for runner in self.runners]

    async def start(self) -> None:
        """Start the runners that are not started yet, and have each answer a call.

        Raises:
            TiffinError: a model cannot be loaded, or its worker does not run.
            Exception: what loading raised.
        """
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
        await asyncio.gather(*(stop_runner(runner, seconds) for runner in started))
        self._threads.close()

    async def __aenter__(self) -> Service:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def __repr__(self) -> str:
        return f"<Service {self.name!r}: {', '.join(self.apis) or 'no functions'}>"


RESERVED = frozenset({"/livez", "/readyz", "/metrics", "/docs", "/openapi.json"})
"""Paths that every service has."""
