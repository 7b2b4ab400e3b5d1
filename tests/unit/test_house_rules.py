"""The code stays small, typed, and silent about where it was made: rules that a tool counts, so that nobody has to."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for folder in ("src", "bench") for path in (ROOT / folder).rglob("*.py"))
MODULE_LINES = 600
MODULE_MEDIAN = 200
FUNCTION_LINES = 60
FUNCTION_MEDIAN = 8
FUNCTION_P90 = 30

# Spelled in two parts, so that this file does not break the rule it holds.
FOREIGN_HOSTS = re.compile(
    "|".join(
        (
            "pypi" + r"\.org",
            "pythonhosted" + r"\.org",
            "deb" + r"\.debian\.org",
            "registry\\." + "npmjs",
            "/opt/" + "pypi",
        )
    )
)
TEXT_ENDINGS = frozenset(
    {
        ".py",
        ".toml",
        ".md",
        ".conf",
        ".sh",
        ".yaml",
        ".yml",
        ".json",
        ".lock",
        ".xml",
        ".sql",
        ".css",
        ".js",
        ".html",
        "",
    }
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


def length(function: Function) -> int:
    """Lines without the docstring."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines


def test_no_module_is_too_long() -> None:
    """A module holds one idea: at most 600 lines, half of them under 200."""
    sizes = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}

    assert {path: size for path, size in sizes.items() if size > MODULE_LINES} == {}
    assert median(sizes.values()) <= MODULE_MEDIAN


def test_no_function_is_too_long() -> None:
    """A function does one level of work: at most 60 lines without its docstring, most of them far fewer."""
    sizes = {
        f"{name(path)}:{function.lineno} {function.name}": length(function)
        for path in SOURCES
        for function in functions(path)
    }
    ordered = sorted(sizes.values())

    assert {place: size for place, size in sizes.items() if size > FUNCTION_LINES} == {}
    assert median(ordered) <= FUNCTION_MEDIAN
    assert ordered[int(len(ordered) * 0.9)] <= FUNCTION_P90


def test_every_function_is_annotated() -> None:
    """Each parameter and each result has a type."""
    bare = [
        f"{name(path)}:{function.lineno} {function.name}"
        for path in SOURCES
        for function in functions(path)
        if function.returns is None
        or any(argument.annotation is None for argument in named_arguments(function))
    ]

    assert bare == []


def named_arguments(function: Function) -> list[ast.arg]:
    given = function.args
    arguments = [
        *given.posonlyargs,
        *given.args,
        *given.kwonlyargs,
        *(extra for extra in (given.vararg, given.kwarg) if extra),
    ]
    return [argument for argument in arguments if argument.arg not in ("self", "cls")]


def test_every_module_says_what_lives_in_it() -> None:
    """A module opens with its docstring."""
    silent = [
        name(path)
        for path in SOURCES
        if path.read_text(encoding="utf-8").strip() and ast.get_docstring(tree(path)) is None
    ]

    assert silent == []


def test_no_class_is_named_after_nothing() -> None:
    """Names say what a thing is."""
    vague = [
        f"{name(path)}:{node.lineno} {node.name}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef) and re.search(r"(Manager|Helper|Utils?)$", node.name)
    ]

    assert vague == []


def test_tasks_have_names() -> None:
    """Every task can be told from another in a log."""
    nameless = [
        f"{name(path)}:{node.lineno}"
        for path in SOURCES
        if path.is_relative_to(ROOT / "src")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "create_task"
        and not any(keyword.arg == "name" for keyword in node.keywords)
    ]

    assert nameless == []


def kept_files() -> list[Path]:
    """What git keeps or would keep; every file below the known folders where this is no checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    if listed.returncode == 0:
        return [ROOT / line for line in listed.stdout.splitlines()]
    return [
        path
        for folder in ("src", "tests", "dialplan", "sip_configs", "docker", "bench")
        for path in (ROOT / folder).rglob("*")
    ]


def test_no_file_names_a_package_host() -> None:
    """Where packages come from is each machine's own configuration."""
    found = [
        f"{name(path)}:{number}"
        for path in kept_files()
        if path.is_file() and path.suffix in TEXT_ENDINGS and path != Path(__file__)
        for number, line in enumerate(
            path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1
        )
        if FOREIGN_HOSTS.search(line)
    ]

    assert found == []


@pytest.mark.parametrize("module", ["core", "audio", "observe"])
def test_rooms_are_there(module: str) -> None:
    """The rules above would pass over an empty tree; it is not empty."""
    assert any(path.is_relative_to(ROOT / "src" / "trunkline" / module) for path in SOURCES)
