"""What a request says: bracketed names into nested values, and each value of its type."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any, Final

from supportdesk.demo.provider.errors import ApiError

Json = dict[str, Any]
METADATA_KEYS: Final = 50
METADATA_NAME: Final = 40
METADATA_VALUE: Final = 500


def nested(pairs: Iterable[tuple[str, str]]) -> Json:
    """Form fields as one value.

    >>> nested([("a", "1"), ("m[k]", "v"), ("expand[]", "x"), ("types[0]", "card")])
    {'a': '1', 'm': {'k': 'v'}, 'expand': ['x'], 'types': ['card']}
    """
    root: Json = {}
    for name, value in pairs:
        head, *rest = re.split(r"\]?\[", name.removesuffix("]"))
        here = root
        for part, following in zip([head, *rest], [*rest, None], strict=True):
            key = part or str(len(here))
            if following is None:
                here[key] = value
            else:
                here = here.setdefault(key, {})
                if not isinstance(here, dict):
                    raise ApiError(400, f"Invalid hash: {name}", param=head)
    # The keys of metadata are the caller's own, and may be figures.
    return {name: value if name == "metadata" else _lists(value) for name, value in root.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inside = {name: _lists(item) for name, item in value.items()}
    return list(inside.values()) if inside and all(name.isdecimal() for name in inside) else inside


def only(params: Json, known: Collection[str]) -> None:
    """Raises ApiError for a parameter that is not ``known``."""
    for name in params:
        if name not in known and name not in ("expand", "key"):
            raise ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)


def whole(params: Json, name: str) -> int | None:
    """A whole number, or None if it is not there. Raises ApiError for anything else."""
    value = params.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"-?\d{1,18}", value):
        raise ApiError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
    return int(value)


def text(params: Json, name: str) -> str | None:
    """A text, or None if it is not there. Raises ApiError for an empty or nested one."""
    value = params.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ApiError(400, f"Invalid string: {value}", param=name)
    if not value:
        raise ApiError(400, f"You passed an empty string for '{name}'.", code="parameter_invalid_empty", param=name)
    return value


def required(params: Json, name: str) -> str:
    """A text that has to be there. Raises ApiError if it is not."""
    value = text(params, name)
    if value is None:
        raise ApiError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
    return value


def metadata(params: Json, before: Json | None = None) -> dict[str, str]:
    """The metadata of before with what is sent; an empty value takes a key away. Raises ApiError past the limits."""
    sent = params.get("metadata")
    if sent == "":
        return {}
    if not isinstance(sent, dict | None):
        raise ApiError(400, "Invalid hash", param="metadata")
    kept = dict(before or {})
    for name, value in (sent or {}).items():
        if len(name) > METADATA_NAME or not isinstance(value, str) or len(value) > METADATA_VALUE:
            raise ApiError(
                400, f"Metadata has names of {METADATA_NAME} and values of {METADATA_VALUE} characters at most.",
                param=f"metadata[{name}]",
            )  # fmt: skip
        kept[name] = value
    kept = {name: value for name, value in kept.items() if value}
    if len(kept) > METADATA_KEYS:
        raise ApiError(400, f"Metadata has {METADATA_KEYS} keys at most.", param="metadata")
    return kept


def page(objects: Iterable[Json], params: Json, url: str, *, by: Collection[str]) -> Json:
    """One page of a list, newest first. ``objects`` come in the order in which they were made."""
    only(params, {*by, "limit", "starting_after", "ending_before", "created"})
    limit = whole(params, "limit")
    if limit is not None and not 1 <= limit <= 100:
        raise ApiError(400, "This value must be between 1 and 100.", code="parameter_invalid_integer", param="limit")
    found = [one for one in objects if all(one.get(name) == params[name] for name in by if name in params)]
    found = [one for one in reversed(found) if _is_in(one["created"], params.get("created"))]
    for name in ("starting_after", "ending_before"):
        if name in params:
            places = [place for place, one in enumerate(found) if one["id"] == params[name]]
            if not places:
                raise ApiError(400, f"No such object: '{params[name]}'", code="resource_missing", param=name)
            found = found[places[0] + 1 :] if name == "starting_after" else found[: places[0]]
    count = limit or 10
    shown = found[-count:] if "ending_before" in params else found[:count]
    return {"object": "list", "url": url, "data": shown, "has_more": len(found) > len(shown)}


def _is_in(created: int, wanted: Any) -> bool:
    if wanted is None:
        return True
    limits = wanted if isinstance(wanted, dict) else {"gte": wanted, "lte": wanted}
    tests = {"gt": int.__gt__, "gte": int.__ge__, "lt": int.__lt__, "lte": int.__le__}
    only(limits, tests)
    return all(tests[name](created, whole(limits, name) or 0) for name in limits)
