"""The cache on Redis, in the process's own memory while Redis is away.

What is cached are the counts of the rate limits (D33). While Redis is dead they hold in each process by itself,
and people still sign in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import ConnectionError, TimeoutError

logger = logging.getLogger(__name__)


class RedisOrMemory(RedisCache):
    """Redis, or memory for the one call that does not reach it. Nothing is copied from one to the other."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._memory = LocMemCache("redis-is-away", params)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._either(lambda cache: cache.get(key, default, version))

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._either(lambda cache: cache.add(key, value, timeout, version)))

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        self._either(lambda cache: cache.set(key, value, timeout, version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(self._either(lambda cache: cache.delete(key, version)))

    def _either(self, act: Callable[[Any], Any]) -> Any:
        try:
            return act(super())
        except (ConnectionError, TimeoutError) as error:
            logger.warning("The cache is kept in memory, for Redis does not answer: %s", error)
            return act(self._memory)
