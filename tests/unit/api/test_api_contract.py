"""The OpenAPI document and its page: whole, true to the routes, and free of anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from api_house import House

from trunkline.api.docs_page import POLICY, docs_page
from trunkline.api.openapi import openapi
from trunkline.api.server import OPERATIONS
from trunkline.resources.validation import parse

DOCUMENT = openapi(OPERATIONS, "1.2.3")


def _refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _refs(inner)


def test_every_reference_leads_somewhere() -> None:
    """No `$ref` dangles."""
    for ref in set(_refs(DOCUMENT)):
        found: Any = DOCUMENT
        for part in ref.removeprefix("#/").split("/"):
            found = found[part]


def test_no_component_is_left_over() -> None:
    """Every schema is used, and none got a disambiguated name."""
    used = {ref.rsplit("/", 1)[-1] for ref in _refs(DOCUMENT) if "/schemas/" in ref}

    assert used == set(DOCUMENT["components"]["schemas"])
    assert not [name for name in used if "__" in name]


def test_operation_ids_are_unique_and_links_lead_to_them() -> None:
    """Programs are generated from them."""
    operations = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    ids = [operation["operationId"] for operation in operations]
    linked = {
        link["operationId"]
        for operation in operations
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    }

    assert len(ids) == len(set(ids))
    assert linked <= set(ids)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_operation_is_documented_whole(operation: Any) -> None:
    """Summary, errors, headers, the key, and examples that hold."""
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]

    assert described["summary"]
    assert {"429", "500"} <= set(described["responses"])
    assert ("401" in described["responses"]) is (not operation.public)
    assert (described.get("security") == []) is operation.public
    for response in described["responses"].values():
        assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} <= set(response["headers"])
    if operation.body is not None:
        assert operation.examples or operation.method == "PATCH"
    for example in operation.examples.values():
        (operation.read or (lambda data: parse(operation.body, data)))(example)


async def test_the_document_is_served(house: House) -> None:
    """As JSON, without a key, and it is the one the routes were made from."""
    answered = await house.get("/openapi.json", key=None)

    assert answered.status == 200
    assert answered.body["openapi"] == "3.1.0"
    assert set(answered.body["paths"]) == set(DOCUMENT["paths"])


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        named = dict(attrs)
        assert not [name for name in named if name == "style" or name.startswith("on")]
        self.ids += [named["id"]] if named.get("id") else []
        self.links += [named["href"]] if named.get("href") else []
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_from_elsewhere() -> None:
    """No script, no picture, no font; well-formed; its policy allows its own style alone."""
    page = docs_page(DOCUMENT)
    parsed = _Page()
    parsed.feed(page)
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)

    assert not parsed.tags & {"script", "link", "img", "iframe", "form", "object"}
    assert parsed.open == []
    assert style is not None
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in POLICY
    assert "unsafe" not in POLICY


def test_the_page_has_everything() -> None:
    """Every operation and every model, and no link leads nowhere."""
    parsed = _Page()
    parsed.feed(docs_page(DOCUMENT))

    assert {operation.id for operation in OPERATIONS} <= set(parsed.ids)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {link[1:] for link in parsed.links if link.startswith("#")} <= set(parsed.ids)


async def test_the_page_is_served_with_its_policy(house: House) -> None:
    """Without a key."""
    answered = await house.get("/docs", key=None)

    assert (answered.status, answered.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answered.headers["Content-Security-Policy"] == POLICY
