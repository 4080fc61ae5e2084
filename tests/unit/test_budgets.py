"""The rules and budgets of CONTRIBUTING.md, read from the syntax tree of every source file."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "farframe"
SEED_ENTRY = ROOT / "prediction_train.py"
FILES = sorted(PACKAGE.rglob("*.py")) + ([SEED_ENTRY] if SEED_ENTRY.exists() else [])

MAX_FILE_LINES = 350
MAX_MEDIAN_LINES = 120
MAX_FUNCTION_LINES = 60
MAX_LOOP_IFS = 6
DRAWERS = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}

# Calls that a module may make while it is imported: they build a value and touch nothing else.
# Names in CapWords are constructors (presets build RunConfigs) and are allowed too.
PURE_CALLS = {
    "dict", "enumerate", "field", "fields", "frozenset", "getLogger", "list", "range", "replace",
    "set", "sorted", "tuple", "zip", "items", "keys", "values", "compile", "join", "array", "dtype",
    "namedtuple", "get_args", "len", "max", "min", "sum", "float", "int", "str", "bytes", "split",
    "asdict", "sqrt", "log", "exp", "sin", "cos", "linspace", "arange", "zeros", "ones",
}  # fmt: skip

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(tree(path)))


@cache
def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def at(path: Path, node: ast.AST | None = None) -> str:
    where = str(path.relative_to(ROOT))
    return where if node is None else f"{where}:{getattr(node, 'lineno', '?')}"


@cache
def functions(path: Path) -> list[Function]:
    return [n for n in nodes(path) if isinstance(n, Function)]


def last_name(node: ast.AST) -> str:
    """``c`` of ``a.b.c``, ``a`` of ``a`` and of ``a[...]`` and ``a(...)``."""
    match node:
        case ast.Attribute():
            return node.attr
        case ast.Name():
            return node.id
        case ast.Subscript():
            return last_name(node.value)
        case ast.Call():
            return last_name(node.func)
    return ""


def test_files_are_short() -> None:
    assert not {at(path): lines(path) for path in FILES if lines(path) > MAX_FILE_LINES}


def test_median_file_is_short() -> None:
    assert statistics.median(map(lines, FILES)) <= MAX_MEDIAN_LINES


def test_functions_are_short() -> None:
    long = [
        f"{at(path, f)} {f.name}"
        for path in FILES
        for f in functions(path)
        if (f.end_lineno or 0) - f.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert not long


def test_training_loop_branches_little() -> None:
    branches = (ast.If, ast.IfExp, ast.Match)
    for function in functions(PACKAGE / "training" / "loop.py"):
        ifs = sum(isinstance(node, branches) for node in ast.walk(function))
        assert ifs <= MAX_LOOP_IFS, f"{function.name} has {ifs} ifs"


def prints(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="print" | "pprint")):
            return True
        case ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "__stdout__"):
            return True
    return False


def test_no_print_outside_the_command_line() -> None:
    quiet = [path for path in FILES if path != PACKAGE / "cli.py"]
    assert not [at(path, node) for path in quiet for node in nodes(path) if prints(node)]


def bare(node: ast.AST) -> bool:
    return isinstance(node, ast.ExceptHandler) and node.type is None


def test_no_bare_except() -> None:
    assert not [at(path, node) for path in FILES for node in nodes(path) if bare(node)]


def unannotated(path: Path) -> list[str]:
    methods = {f for c in nodes(path) if isinstance(c, ast.ClassDef) for f in c.body}
    missing: list[str] = []
    for function in functions(path):
        given = function.args
        named = [*given.posonlyargs, *given.args]
        static = "staticmethod" in map(last_name, function.decorator_list)
        if function in methods and not static:
            named = named[1:]  # self, cls
        named += [*given.kwonlyargs, *(a for a in (given.vararg, given.kwarg) if a)]
        missing += [f"{at(path, a)} {function.name}({a.arg})" for a in named if not a.annotation]
        if function.returns is None:
            missing.append(f"{at(path, function)} {function.name} -> ?")
    return missing


def test_every_signature_is_annotated() -> None:
    assert not [name for path in FILES for name in unannotated(path)]


def test_no_drawers() -> None:
    assert not [at(path) for path in FILES if path.stem.strip("_") in DRAWERS]


# -- importing -------------------------------------------------------------------------------


def is_test(node: ast.If, name: str) -> bool:
    return name in {last_name(n) for n in ast.walk(node.test)}


def import_time(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported, class bodies included."""
    for node in body:
        match node:
            case ast.If() if is_test(node, "TYPE_CHECKING") or is_test(node, "__name__"):
                yield from import_time(node.orelse)
            case ast.ClassDef():
                yield from import_time(node.body)
            case ast.If():
                yield from import_time(node.body + node.orelse)
            case ast.Try():
                handlers = [s for h in node.handlers for s in h.body]
                yield from import_time(node.body + handlers + node.orelse + node.finalbody)
            case _:
                yield node


def impure(node: ast.stmt) -> bool:
    """Whether a statement does more than import, define, or build a value."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return False
        case ast.Expr():
            return not isinstance(node.value, ast.Constant)  # docstrings, and ... in protocols
        case ast.Pass():
            return False
        case ast.Assign() | ast.AnnAssign():
            pass
        case _:
            return True
    deferred = {c for n in ast.walk(node) if isinstance(n, ast.Lambda) for c in ast.walk(n)}
    calls = [n for n in ast.walk(node) if isinstance(n, ast.Call) and n not in deferred]
    names = {last_name(call.func) for call in calls}
    return any(name not in PURE_CALLS and not name.lstrip("_")[:1].isupper() for name in names)


def test_no_work_at_import() -> None:
    assert not [
        at(path, node) for path in FILES for node in import_time(tree(path).body) if impure(node)
    ]


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES if path != SEED_ENTRY}


def packages(name: str) -> set[str]:
    """The packages that a module lies in."""
    parts = name.split(".")
    return {".".join(parts[:n]) for n in range(1, len(parts))}


def imports(path: Path) -> set[str]:
    """Modules that ``path`` imports while it is itself imported, and the packages they lie in."""
    found: set[str] = set()
    for node in import_time(tree(path).body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{at(path, node)}: write the whole name, not a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & MODULES.keys()) or {node.module or ""}
    found |= {package for name in found for package in packages(name)} - packages(module_name(path))
    return found & MODULES.keys()


def test_no_circular_imports() -> None:
    """So that any module can be the first that is imported."""
    graph = {name: imports(path) - {name} for name, path in MODULES.items()}
    while ready := [name for name, needs in graph.items() if not needs & graph.keys()]:
        for name in ready:
            del graph[name]
    assert not graph, f"these modules import each other in a circle: {sorted(graph)}"


# -- modes and configuration -----------------------------------------------------------------


def classes(path: Path) -> list[ast.ClassDef]:
    return [node for node in tree(path).body if isinstance(node, ast.ClassDef)]


MODES = PACKAGE / "modes"
MODE_FILES = sorted(p for p in MODES.glob("*.py") if p.stem not in ("__init__", "base"))
MODE_CLASSES = {c.name for path in MODE_FILES for c in classes(path)}
MODE_TAGS = {path.stem for path in MODE_FILES} | {name.lower() for name in MODE_CLASSES}


def knows_modes(path: Path) -> bool:
    presets = path.parent == PACKAGE and path.stem.startswith("presets")
    return path.parent.name == "modes" or presets or path == SEED_ENTRY


def docstrings(path: Path) -> set[ast.AST]:
    """Every string that stands alone as a statement: documentation, not code."""
    alone = (node for node in nodes(path) if isinstance(node, ast.Expr))
    return {node.value for node in alone if isinstance(node.value, ast.Constant)}


def names_a_mode(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=str() as text):
            return text.strip().lower() in MODE_TAGS
        case ast.Name() | ast.Attribute():
            return last_name(node) in MODE_CLASSES
        case ast.ImportFrom():
            named = {alias.name for alias in node.names} | {(node.module or "").split(".")[-1]}
            return bool(named & (MODE_CLASSES | MODE_TAGS))
        case ast.Call() if last_name(node.func) in ("isinstance", "issubclass", "type"):
            return "mode" in last_name(node.args[0]).lower().split("_") or any(
                last_name(n) == "TrainingMode" for n in ast.walk(node)
            )
    return False


def test_modes_are_found() -> None:
    assert {"e2e", "epev"} <= MODE_TAGS


def test_only_modes_and_presets_name_a_mode() -> None:
    assert not [
        at(path, node)
        for path in FILES
        if not knows_modes(path)
        for node in set(nodes(path)) - docstrings(path)
        if names_a_mode(node)
    ]


def is_property(node: ast.stmt) -> bool:
    return isinstance(node, Function) and "property" in map(last_name, node.decorator_list)


def members(cls: ast.ClassDef) -> Iterator[str]:
    """Names of a dataclass's fields and properties."""
    for node in cls.body:
        if isinstance(node, ast.AnnAssign) and last_name(node.annotation) != "ClassVar":
            yield last_name(node.target)
        elif is_property(node) and isinstance(node, Function):
            yield node.name


def config_classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    baseline = [PACKAGE / "baselines" / f"svg_{part}.py" for part in ("config", "mode")]
    for path in [PACKAGE / "config.py", *MODE_FILES, *baseline]:
        for cls in classes(path):
            if "dataclass" in map(last_name, cls.decorator_list):
                yield path, cls


def reads(cls: ast.ClassDef) -> set[str]:
    """Attributes that are read of values that can be a ``cls``, by the names such values have.

    A config is called ``config`` or by its section (``model``, ``data``, ``train``), its own or a
    subclass's; inside its own class it is ``self``. Validation (``__post_init__``) is no use of a
    field.
    """
    kinds = [cls, *(c for _, c in config_classes() if cls.name in map(last_name, c.bases))]
    receivers = {"config", "run", "mode"}
    for section in (kind.name.removesuffix("Config").lower() for kind in kinds):
        receivers |= {section, f"{section}_config", f"_{section}"}
    own = set(ast.walk(cls))
    return {
        node.attr
        for node in attributes_read()
        if last_name(node.value) in receivers or (last_name(node.value) == "self" and node in own)
    }


@cache
def attributes_read() -> list[ast.Attribute]:
    found: set[ast.Attribute] = set()
    for path in FILES:
        found |= {n for n in nodes(path) if isinstance(n, ast.Attribute)}
        for function in functions(path):
            if function.name == "__post_init__":
                found -= {n for n in ast.walk(function) if isinstance(n, ast.Attribute)}
    return list(found)


def test_every_config_field_is_used() -> None:
    unread = [
        f"{path.name}: {cls.name}.{name}"
        for path, cls in config_classes()
        for name in sorted(set(members(cls)) - reads(cls))
    ]
    assert not unread, f"no code reads these fields: {unread}"
