# SPDX-License-Identifier: Apache-2.0
"""The event recorder: v1 Events about objects (client-go's core recorder and correlator).

- `event` never waits; when the writer is more than 1000 events behind, new ones are dropped.
- The same event again counts up the first one; from the tenth similar one within ten minutes on,
  they are combined; one object gets at most 25 events at once and one more every five minutes.
"""

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.expiring import Expiring
from pybernetes.client.queue import TokenBucket
from pybernetes.client.types import STRATEGIC_MERGE_PATCH, Client

EVENTS = GVR("", "v1", "events")
BACKLOG = 1000
REMEMBERED = 4096
SIMILAR, SIMILAR_SECONDS = 10, 600.0
EVENT_SECONDS = 3600.0  # an event that nothing is written to any more is gone then
SPAM_BURST, SPAM_RATE = 25, 1 / 300
TRIES, RETRY_SECONDS = 12, 10.0
DROPS_TOLD_SECONDS = 60.0
_log = logs.get("client.events")


def _key(*parts: object) -> bytes:
    """A short key: the caches of thousands of recorders add up."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).digest()


@dataclass(slots=True)
class _Written:
    """An event as last written."""

    name: str
    count: int
    first: str


class Recorder:
    """Writes events as `component`; `run` does the writing."""

    def __init__(self, env: Env, client: Client, component: str, host: str = "") -> None:
        self._clock = env.clock
        self._random = env.random.child(f"events/{component}")
        self._client = client
        self._component = component
        self._host = host
        self._backlog: deque[Object] = deque()
        self._wake = asyncio.Event()
        self._last_stamp = 0
        self._dropped, self._drops_told = 0, -DROPS_TOLD_SECONDS
        self._similar: Expiring[bytes, tuple[bytes, ...]] = Expiring(env.clock, REMEMBERED)
        self._written: Expiring[bytes, _Written] = Expiring(env.clock, REMEMBERED)
        self._spam: Expiring[bytes, TokenBucket] = Expiring(env.clock, REMEMBERED)

    def event(
        self,
        obj: Object,
        event_type: str,
        reason: str,
        message: str,
        *,
        field_path: str = "",
    ) -> None:
        """Note that something happened to `obj`. `event_type` is Normal or Warning."""
        if len(self._backlog) >= BACKLOG:
            self._drop()
            return
        involved = meta.object_reference(obj)
        if field_path:
            involved["fieldPath"] = field_path
        self._backlog.append(self._make(involved, event_type, reason, message))
        self._wake.set()

    def _drop(self) -> None:
        self._dropped += 1
        now = self._clock.monotonic()
        if now >= self._drops_told + DROPS_TOLD_SECONDS:
            _log.warning("Too many events wait; new ones are dropped", dropped=self._dropped)
            self._dropped, self._drops_told = 0, now

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._backlog:
                await self._record(self._backlog.popleft())

    def _make(self, involved: Object, kind: str, reason: str, message: str) -> Object:
        now = self._clock.now()
        # Recorders of several components may note the same instant: names differ below it.
        nanos = int(now.timestamp() * 1e3) * 1_000_000 + self._random.below(1_000_000)
        self._last_stamp = max(self._last_stamp + 1, nanos)
        stamp = rfc3339(now)
        source = {"component": self._component}
        if self._host:
            source["host"] = self._host
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{involved.get('name', '')}.{self._last_stamp:x}",
                "namespace": involved.get("namespace", "default"),
            },
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "type": kind,
            "eventTime": None,
            "reportingComponent": self._component,
            "reportingInstance": self._host,
        }

    async def _record(self, event: Object) -> None:
        identity = self._aggregate(event)
        if not self._allowed(event):
            return
        known = self._written.get(identity)
        if known is not None:
            event["count"] = known.count + 1
            event["metadata"]["name"] = known.name
            event["firstTimestamp"] = known.first
        for attempt in range(TRIES):
            if await self._write(event, known is not None):
                break
            share = self._random.uniform(0.0, 1.0) if attempt == 0 else 1.0
            await asyncio.sleep(RETRY_SECONDS * share)
        name = event["metadata"]["name"]
        written = _Written(name, event["count"], event["firstTimestamp"])
        self._written.put(identity, written, EVENT_SECONDS)

    def _aggregate(self, event: Object) -> bytes:
        """Combine similar events; the key under which the (combined) event is counted."""
        involved = tuple(
            pair for pair in sorted(event["involvedObject"].items()) if pair[0] != "resourceVersion"
        )
        group = _key(involved, event["type"], event["reason"])
        message = event["message"]
        one = _key(group, message)
        messages = self._similar.get(group) or ()  # of events that differ in nothing else
        if one not in messages:
            messages = (*messages, one)
        kept = messages[1:] if len(messages) >= SIMILAR else messages
        self._similar.put(group, kept, SIMILAR_SECONDS)
        if len(messages) < SIMILAR:
            return one
        event["message"] = f"(combined from similar events): {message}"
        return group

    def _allowed(self, event: Object) -> bool:
        involved = event["involvedObject"]
        key = _key(*(involved.get(name) for name in ("kind", "namespace", "name", "uid")))
        bucket = self._spam.get(key) or TokenBucket(self._clock, SPAM_RATE, SPAM_BURST)
        self._spam.put(key, bucket, SPAM_BURST / SPAM_RATE)
        return bucket.try_take()

    async def _write(self, event: Object, again: bool) -> bool:
        """True once nothing more can be done: written, or refused."""
        metadata = event["metadata"]
        namespace = metadata["namespace"]
        try:
            if again:
                with forgiving(404):
                    changed = {key: event[key] for key in ("count", "lastTimestamp", "message")}
                    await self._client.patch(
                        EVENTS,
                        metadata["name"],
                        changed,
                        namespace,
                        patch_type=STRATEGIC_MERGE_PATCH,
                    )
                    return True
            await self._client.create(EVENTS, event, namespace)
        except ApiError as error:
            _log.warning("The server refused an event", name=metadata["name"], err=error)
        except (ConnectionError, TimeoutError) as error:
            _log.warning("An event could not be written", name=metadata["name"], err=error)
            return False
        return True
