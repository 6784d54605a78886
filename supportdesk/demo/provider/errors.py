"""What the provider refuses, in Stripe's shape."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer that is an error. ``kept``: the work had begun, so an idempotency key gives this answer again."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        kept: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kept = kept
        said = {"type": kind, "code": code, "message": message, "param": param} | more
        self.body: dict[str, Any] = {"error": {name: value for name, value in said.items() if value is not None}}


def missing(kind: str, name: str, *, param: str = "id") -> ApiError:
    """There is no such object."""
    return ApiError(404, f"No such {kind}: '{name}'", code="resource_missing", param=param)


def not_here(what: str) -> ApiError:
    """Stripe can do that, the stand-in cannot: better said than done wrongly."""
    return ApiError(400, f"The stand-in for the demo does not do this: {what}", code="parameter_unknown", param=what)
