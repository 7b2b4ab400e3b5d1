"""The browsable page of the API, written from its OpenAPI document: no script, nothing fetched from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--key:#2a7ae2}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1.5rem}
code,pre{font:.875rem/1.5 ui-monospace,monospace}
pre{background:var(--soft);border-radius:.4rem;overflow-x:auto;padding:.75rem}
h1 small{font-weight:400;opacity:.6}h2{border-bottom:1px solid var(--line);margin-top:2.5rem}
details{border:1px solid var(--line);border-radius:.4rem;margin:.5rem 0}
summary{cursor:pointer;padding:.5rem .75rem}summary:focus-visible{outline:2px solid var(--key)}
details>div{border-top:1px solid var(--line);padding:.25rem .75rem .75rem}
details details{margin:.5rem 0}
.verb{display:inline-block;font-weight:700;min-width:4.5rem}
.GET{color:#2a7ae2}.POST{color:#1f8a4c}.PATCH{color:#b36b00}.DELETE{color:#c4314b}
table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid var(--line);padding:.35rem .5rem;text-align:left;vertical-align:top}
th{font-weight:600;opacity:.7}
nav a{margin-right:1rem}
"""
POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
)
"""The page's Content-Security-Policy: its own style sheet and nothing else."""


def docs_page(document: Mapping[str, Any]) -> str:
    """The whole page as HTML."""
    info = document["info"]
    tags = [tag["name"] for tag in document["tags"]]
    body = "".join(_section(document, tag) for tag in tags)
    links = "".join(f'<a href="#{_anchor(tag)}">{escape(tag)}</a>' for tag in tags)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])} API <small>{escape(info['version'])}</small></h1><p>{_text(info['description'])}</p>"
        "<p>Send your key as <code>Authorization: Bearer &lt;api key&gt;</code>. "
        'The contract for programs is <a href="openapi.json">openapi.json</a>.</p>'
        f"<nav>{links}</nav><main>{body}{_models(document)}</main></body></html>"
    )


def _section(document: Mapping[str, Any], tag: str) -> str:
    operations = "".join(
        _operation(document, path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag in operation["tags"]
    )
    return f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2>{operations}'


def _operation(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> str:
    verb = method.upper()
    key = "" if operation.get("security") == [] else "Needs an API key."
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><span class="verb {verb}">{verb}</span>'
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary><div>"
        f"<p>{_text(operation['description'])} {key}</p>{_parameters(operation)}"
        f"{_body(document, operation)}{_example(path, verb, operation)}{_responses(operation)}</div></details>"
    )


def _parameters(operation: Mapping[str, Any]) -> str:
    rows = [
        (parameter["name"], parameter["in"], _type(parameter["schema"]), parameter.get("description", ""))
        for parameter in operation["parameters"]
    ]
    return _table(("Parameter", "In", "Type", "Meaning"), rows) if rows else ""


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
    if "requestBody" not in operation:
        return ""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return "<h4>Body</h4>" + "".join(_fields(document, choice) for choice in schema.get("oneOf", [schema]))


def _fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    named = _resolve(document, schema)
    required = set(named.get("required", ()))
    rows = [
        (name, _type(field), "yes" if name in required else "", field.get("description", ""))
        for name, field in named.get("properties", {}).items()
    ]
    return f"<p><b>{escape(named.get('title', ''))}</b> {_text(named.get('description', ''))}</p>" + _table(
        ("Field", "Type", "Required", "Meaning"), rows
    )


def _example(path: str, verb: str, operation: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    examples = {title: example["value"] for title, example in content.get("examples", {}).items()} or {
        "Example": None
    }
    return "".join(
        f"<h4>{escape(title)}</h4><pre>{escape(_curl(path, verb, value))}</pre>"
        for title, value in examples.items()
    )


def _curl(path: str, verb: str, value: Any) -> str:
    lines = [f"curl -X {verb} http://127.0.0.1:8080{path}", "-H 'Authorization: Bearer '$TRUNKLINE_API_KEY"]
    if value is not None:
        lines += [
            "-H 'Content-Type: application/json'",
            "-d '" + json.dumps(value, indent=2).replace("'", "'\\''") + "'",
        ]
    return " \\\n  ".join(lines)


def _responses(operation: Mapping[str, Any]) -> str:
    rows = [
        (status, _type(next(iter(response["content"].values()))["schema"]), response["description"])
        for status, response in operation["responses"].items()
    ]
    return "<h4>Answers</h4>" + _table(("Status", "Body", "When"), rows)


def _models(document: Mapping[str, Any]) -> str:
    models = "".join(
        f'<details id="{_anchor(name)}"><summary><code>{escape(name)}</code></summary><div>{_fields(document, schema)}</div></details>'
        for name, schema in document["components"]["schemas"].items()
    )
    return f'<h2 id="models">Models</h2>{models}'


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of text; the first column is code, types come with their own mark-up."""
    cells = "".join(
        f"<tr>{''.join(_cell(column, text) for column, text in zip(head, row, strict=True))}</tr>"
        for row in rows
    )
    return f"<table><tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>{cells}</table>"


def _cell(column: str, text: str) -> str:
    if column in {"Type", "Body"}:
        return f"<td>{text}</td>"
    return (
        f"<td><code>{escape(text)}</code></td>"
        if column in {"Field", "Parameter"}
        else f"<td>{_text(text)}</td>"
    )


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words, as HTML; models are links."""
    return " or ".join(dict.fromkeys(_type_words(schema))) or "any"


def _type_words(schema: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        yield f'<a href="#{_anchor(name)}">{escape(name)}</a>'
    elif "enum" in schema or "const" in schema:
        yield ", ".join(
            f"<code>{escape(str(value))}</code>" for value in schema.get("enum", [schema.get("const")])
        )
    elif "anyOf" in schema or "oneOf" in schema:
        for choice in schema.get("anyOf", schema.get("oneOf", [])):
            yield from _type_words(choice)
    elif schema.get("type") == "array":
        yield f"list of {_type(schema.get('items', {}))}"
    elif "type" in schema:
        yield escape(str(schema["type"]))


def _resolve(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in schema:
        return schema
    found: Mapping[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return found


def _anchor(name: str) -> str:
    return escape(name.lower().replace(" ", "-"))


def _text(text: str) -> str:
    """Prose with `code` in backticks."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
