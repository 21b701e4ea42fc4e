"""How one asks the server through the client, whichever release that is. Nothing else here knows the difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from wandb.apis.normalize import normalize_exceptions

T = TypeVar("T")

_PAGE = 100


@normalize_exceptions
def execute(thing: Any, document: str, **variables: Any) -> dict[str, Any]:
    """The data that a document answers, asked as `thing` of the client does; `wandb.errors.CommError` if refused."""
    variables = {name: value for name, value in variables.items() if value is not None}
    service = getattr(thing, "_service_api", None)
    if service is not None:
        answer: dict[str, Any] = service.execute_graphql(document, variables)
        return answer
    from wandb_gql import gql  # only releases without the service have it

    answer = thing.client.execute(gql(document), variable_values=variables)
    return answer


def pages(thing: Any, document: str, field: str, **variables: Any) -> Iterator[dict[str, Any]]:
    """The nodes of a connection at the root of the schema, page by page."""
    after = None
    while True:
        page = execute(thing, document, first=_PAGE, after=after, **variables)[field]
        for edge in page["edges"]:
            yield edge["node"]
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def adopt(thing: Any, kind: type[T]) -> T:
    """Something that the client made, as a subclass of what it is: releases differ in how it is made."""
    thing.__class__ = kind
    adopted: T = thing
    return adopted
