"""What the documents name is there: files, links, make targets, commands, settings, paths of the API, functions, states."""

from __future__ import annotations

import ast
import itertools
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from trunkline.api.server import OPERATIONS
from trunkline.calls import table, transfer_table
from trunkline.cli.main import app
from trunkline.resources.validation import parse
from trunkline.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "trunkline"
DOCUMENTS = sorted(
    path
    for folder in (".", "bench", "dialplan", "docker", "sip_configs", "src", "tests")
    for path in (ROOT / folder).glob("*.md" if folder == "." else "**/*.md")
)
ARCHITECTURE = PACKAGE / "ARCHITECTURE.md"
README = ROOT / "README.md"

LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[A-Za-z_.][\w./-]*(\.(py|md|conf|toml|yaml|json|wav)|/)|[a-z_]+(/[a-z_]+)+")
# A file of the operator's: made by a command, or Asterisk's own.
MADE = re.compile(r"\.?/?trunkline\.toml|trunkline/\w+\.conf|extensions\.conf|modules\.conf|log/\w+|var/.*")
DO = re.compile(r"^\s*(?:\$ |[A-Z_]+='[^']*' )*(trunkline|make)(?:\s+(.*))?$", re.MULTILINE)
POST = re.compile(r"""^post (/\S+) '(\{.*\})'$""", re.MULTILINE)
REQUEST = re.compile(r"\b(GET|POST|PATCH|DELETE) (/[\w/{}-]*)")
STATES = re.compile(r"^ +(\w+) --> (\w+): ([a-z ]+)$", re.MULTILINE)
PLACE = re.compile(r"`([\w/]+\.py)` `([A-Za-z_.]+)`")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path) -> list[str]:
    """What is set as code, but for drawings and file contents."""
    return [body for language, body in FENCE.findall(text(path)) if language in {"", "bash", "sh"}]


def spans(path: Path) -> list[str]:
    """Code in the running text."""
    return SPAN.findall(FENCE.sub("", text(path)))


every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=name)


def test_the_documents_are_there() -> None:
    """The rules below would pass over none at all."""
    wanted = {README, ARCHITECTURE, ROOT / "CHANGELOG.md"}
    wanted |= {ROOT / folder / "README.md" for folder in ("bench", "docker", "sip_configs", "tests")}

    assert wanted - set(DOCUMENTS) == set()


@every_document
def test_links_lead_somewhere(document: Path) -> None:
    """A relative link ends at a file of this repository."""
    targets = [target.partition("#")[0] for target in LINK.findall(text(document)) if "://" not in target]

    assert [target for target in targets if target and not (document.parent / target).exists()] == []


@every_document
def test_files_that_are_named_exist(document: Path) -> None:
    """A path in the text is one from the document's folder, the repository, the package or the tests."""
    named = [span for span in spans(document) if FILE.fullmatch(span) and not MADE.fullmatch(span)]
    homes = (document.parent, ROOT, PACKAGE, ROOT / "tests")

    assert [path for path in named if not any((home / path).exists() for home in homes)] == []


# --- commands ---------------------------------------------------------------------------------------------------------


def commands(document: Path, program: str) -> Iterator[list[str]]:
    """The words behind a program's name, up to a comment, an operator of the shell or the line's end."""
    for line in "\n".join((*blocks(document), *spans(document))).splitlines():
        plain = re.sub(r"(^|\s)#.*", "", re.sub(r"<[^>]*>", "it", line))
        for part in re.split(r"&&|[|;>]", plain):
            for known, rest in DO.findall(part.strip()):
                if known == program:
                    yield shlex.split(rest)


def below(command: Any) -> dict[str, Any]:
    """The commands of a group; none of a command."""
    return getattr(command, "commands", {})


def wrong_in(words: list[str]) -> str | None:
    """What the command line does not know of `trunkline <words>`."""
    command: Any = typer.main.get_command(app)
    known: set[str] = set()
    for word in words:
        if word.startswith("-"):
            known |= {
                each for parameter in command.params for each in (*parameter.opts, *parameter.secondary_opts)
            }
            if word not in known | {"--help", "-h"}:
                return f"{command.name} {word}"
        elif word in below(command):
            command = below(command)[word]
        elif below(command) and not known:
            return f"{command.name} {word}"
    return None


@every_document
def test_commands_that_are_named_exist(document: Path) -> None:
    """`trunkline ...` names a command of the command line, with options that it has."""
    assert [wrong for words in commands(document, "trunkline") if (wrong := wrong_in(words))] == []


def test_a_command_that_does_not_exist_is_found() -> None:
    """The check itself: a wrong command and a wrong option are told, a right line is not."""
    assert wrong_in(["pbx", "upp"]) == "pbx upp"
    assert wrong_in(["pbx", "up", "--carrierr"]) == "up --carrierr"
    assert wrong_in(["pbx", "up", "--carrier", "--write-config", "trunkline.toml"]) is None


@every_document
def test_make_targets_that_are_named_exist(document: Path) -> None:
    """`make ...` names a target of the Makefile, with variables that it reads."""
    makefile = text(ROOT / "Makefile")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \?=", makefile, re.MULTILINE))
    words = [word for line in commands(document, "make") for word in line]

    assert [
        word
        for word in words
        if (word.partition("=")[0] not in variables if "=" in word else word not in targets)
    ] == []


def test_the_readme_names_the_two_commands() -> None:
    """The lists above are not empty."""
    assert ["demo"] in list(commands(README, "make")) and ["test"] in list(commands(README, "make"))
    assert ["serve"] in list(commands(README, "trunkline"))


@every_document
def test_markers_that_are_named_exist(document: Path) -> None:
    """`pytest -m` selects by markers of pyproject.toml, and its folders are there."""
    listed = tomllib.loads(text(ROOT / "pyproject.toml"))["tool"]["pytest"]["ini_options"]["markers"]
    known = {line.partition(":")[0] for line in listed}
    lines = [line for line in (*blocks(document), *spans(document)) if line.startswith(".venv/bin/pytest")]
    words = [word for line in lines for word in shlex.split(line)[1:]]
    markers = [word.removeprefix("not ") for before, word in itertools.pairwise(words) if before == "-m"]
    folders = [word for word in words if word.startswith("tests")]

    assert set(markers) - known == set()
    assert [folder for folder in folders if not (ROOT / folder).exists()] == []


# --- settings ---------------------------------------------------------------------------------------------------------


def settings() -> dict[str, set[str]]:
    return {
        section: set(field.annotation.model_fields)
        for section, field in Settings.model_fields.items()
        if field.annotation is not None
    }


def environment() -> set[str]:
    """Every name that the service, its command line or its dialplan reads."""
    keys = {f"TRUNKLINE_{section}__{key}".upper() for section, keys in settings().items() for key in keys}
    options = {str(name) for name in environment_of(typer.main.get_command(app))}
    dialplan = set(re.findall(r"TRUNKLINE_[A-Z_]+", text(ROOT / "dialplan" / "trunkline.conf")))
    return keys | options | dialplan | {"TRUNKLINE_CONFIG"}


def environment_of(command: Any) -> Iterator[Any]:
    yield from (parameter.envvar for parameter in command.params if parameter.envvar)
    for each in below(command).values():
        yield from environment_of(each)


@every_document
def test_environment_names_are_read(document: Path) -> None:
    """A TRUNKLINE_ name is a setting's, an option's or the dialplan's."""
    assert set(re.findall(r"TRUNKLINE_[A-Z_]*[A-Z]", text(document))) - environment() == set()


@every_document
def test_settings_that_are_named_exist(document: Path) -> None:
    """`section.key` is a key of settings.py."""
    sections = settings()
    named = [span.split(".") for span in spans(document) if re.fullmatch(r"[a-z]+\.[a-z_]+", span)]

    assert [
        pair for pair in named if pair[0] in sections and pair[1] not in sections[pair[0]] | {"py", "conf"}
    ] == []


# --- the API ----------------------------------------------------------------------------------------------------------


def operation(method: str, path: str) -> Any:
    """The operation that a request would reach, or None."""
    for each in OPERATIONS:
        pattern = re.sub(r"\{\w+\}", "[^/]+", each.path)
        if each.method == method and re.fullmatch(pattern, path):
            return each
    return None


@pytest.mark.parametrize(
    "document", [README, ARCHITECTURE, ROOT / "CHANGELOG.md", ROOT / "tests/README.md"], ids=name
)
def test_requests_that_are_named_exist(document: Path) -> None:
    """A method and a path are an operation of the API."""
    named = {(method, path.rstrip("/")) for method, path in REQUEST.findall(text(document))}

    assert [request for request in named if operation(*request) is None] == []


def test_the_readme_posts_what_the_api_takes() -> None:
    """Each body in the README passes the model that checks it."""
    posted = POST.findall("\n".join(blocks(README)).replace("<call id>", "call-outbound-3k9x0v7q2m1a"))
    reached = [(operation("POST", path), json.loads(body)) for path, body in posted]

    assert {each.path for each, _ in reached} == {
        "/assistants",
        "/sip-trunks",
        "/numbers",
        "/calls/outbound",
        "/calls/{id}/control",
    }
    for each, body in reached:
        assert each.read(body) if each.read else parse(each.body, body)


# --- the code ---------------------------------------------------------------------------------------------------------


def names_in(path: Path) -> set[str]:
    """Classes, functions and `Class.method` of a module."""
    found: set[str] = set()
    for node in ast.parse(text(path)).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
            found |= {
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
            }
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
    return found


def test_functions_on_the_way_through_the_code_exist() -> None:
    """A file and a name beside it in ARCHITECTURE.md: the one defines the other."""
    places = PLACE.findall(text(ARCHITECTURE))

    assert len(places) > 20
    assert [place for place in places if place[1] not in names_in(PACKAGE / place[0])] == []


def test_every_room_is_in_the_table_of_contents() -> None:
    """A folder or module of the package that ARCHITECTURE.md does not name is one that nobody finds."""
    rooms = {
        path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    contents = text(ARCHITECTURE).partition("## Who may import whom")[0]
    named = {room.rstrip("/") for room in SPAN.findall(contents)}

    assert rooms - named - {"__init__.py", "__main__.py"} == set()


def drawn(heading: str) -> set[tuple[str, str, str]]:
    """(state, what happened, next state) of the drawing below a heading."""
    section = text(ARCHITECTURE).partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return {(before, happened, after) for before, after, happened in STATES.findall(section)}


def moves(rows: dict[Any, Any], said_in_words: Callable[[Any, str], bool]) -> set[tuple[str, str, str]]:
    """The table's ways from one state to another, but for those that the text tells of instead."""
    return {
        (before.name, happened, after.name)
        for (before, happening), (after, _) in rows.items()
        if before is not after
        and not said_in_words(before, happened := happening.name.lower().replace("_", " "))
    }


def test_the_drawing_of_a_call_is_its_table() -> None:
    """The picture has the ways of calls/table.py, and the two that it leaves out hold wherever the text says."""
    states, happenings = table.State, table.Happening
    living = set(states) - {states.ENDING, states.ENDED}
    left_out = {state: table.step(state, happenings.END_WANTED)[0] for state in living}
    ended = {state: table.step(state, happenings.LEG_ENDED)[0] for state in living | {states.ENDING}}

    assert set(left_out.values()) == {states.ENDING} and set(ended.values()) == {states.ENDED}
    assert drawn("The life of a call") == moves(
        table.TABLE,
        lambda before, happened: (
            happened == "end wanted" or (happened == "leg ended" and before is not states.ENDING)
        ),
    )


def test_the_drawing_of_a_transfer_is_its_table() -> None:
    """The picture has every way of calls/transfer_table.py."""
    assert drawn("The life of a transfer") == moves(transfer_table.TABLE, lambda _before, _happened: False)
