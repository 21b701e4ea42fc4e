"""Every GraphQL document that the installed client may send, read from the client itself.

Its Python sources hold them as strings, many of them completed at run time: by an f-string, by `format` or
`replace`, with a fragment that depends on a condition. Each such expression is worked out for every value
that its parts can take. Its compiled core holds them as plain text.
"""

import ast
import itertools
import pathlib
import re
from collections import defaultdict

import wandb
from graphql import GraphQLError, OperationDefinitionNode, Visitor, parse, visit

PACKAGE = pathlib.Path(wandb.__file__).parent
# A place in a template that `replace` fills.
UNFILLED = re.compile(r"_[A-Z]\w*_")
START = re.compile(r"\s*(#[^\n]*\n\s*)*(query|mutation|subscription)\b")
MOST_VARIANTS = 64


def all_documents():
    """Operation name -> the different documents of that name, as (where, parsed document)."""
    found = defaultdict(dict)
    texts = itertools.chain.from_iterable(
        python_texts(file) for file in sorted(PACKAGE.rglob("*.py")) if "vendor" not in file.parts
    )
    for where, text in itertools.chain(texts, core_texts(PACKAGE / "bin" / "wandb-core")):
        document = complete_document(text)
        if document:
            (operation,) = (
                node for node in document.definitions if isinstance(node, OperationDefinitionNode)
            )
            name = operation.name.value if operation.name else "(unnamed)"
            found[name].setdefault(" ".join(text.split()), (where, document))
    return {name: list(documents.values()) for name, documents in found.items()}


class Names(Visitor):
    """What a document defines and what it uses."""

    def __init__(self, document):
        super().__init__()
        self.defined, self.used = set(), set()
        visit(document, self)

    def enter_fragment_definition(self, node, *_):
        self.defined.add(node.name.value)

    def enter_fragment_spread(self, node, *_):
        self.used.add(node.name.value)

    def enter_variable_definition(self, node, *_):
        self.defined.add(f"${node.variable.name.value}")
        return False

    def enter_variable(self, node, *_):
        self.used.add(f"${node.name.value}")

    def enter_field(self, node, *_):
        if UNFILLED.fullmatch(node.name.value):
            self.used.add(node.name.value)


def complete_document(text):
    """The parsed text, if it is one operation that uses all it defines and no more.

    Anything else is a template before it is filled in, or a combination of parts that the client never makes.
    """
    try:
        document = parse(text)
    except GraphQLError:
        return None
    names = Names(document)
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return document if len(operations) == 1 and names.defined == names.used else None


def python_texts(file):
    source = file.read_text(errors="replace")
    if "query" not in source and "mutation" not in source:
        return
    module = Module(ast.parse(source))
    for expression, function in module.strings():
        for text in module.values(expression, function):
            if START.match(text) and "{" in text:
                yield f"{file.relative_to(PACKAGE)}:{expression.lineno}", text


class Module:
    """The values that expressions of one source file can take, as far as they are strings."""

    def __init__(self, tree):
        self.tree = tree
        self.parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}

    def strings(self):
        """The outermost string expressions, each with the function it stands in."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.JoinedStr | ast.Constant | ast.Call) and not self.is_part(node):
                yield node, self.function_of(node)

    def is_part(self, node):
        """Whether a larger string expression is made of it."""
        above = self.parents.get(node)
        made_by_call = isinstance(above, ast.Attribute) and is_string_method(self.parents.get(above))
        return made_by_call or isinstance(above, ast.JoinedStr | ast.FormattedValue)

    def function_of(self, node):
        while node and not isinstance(node, ast.FunctionDef):
            node = self.parents.get(node)
        return node

    def values(self, node, function, depth=0):
        """Every string that the expression may be; none where that cannot be told."""
        if depth > 6:
            return []
        values = lambda part: self.values(part, function, depth + 1)  # noqa: E731
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.FormattedValue(value=value):
                return values(value)
            case ast.IfExp(body=body, orelse=orelse):
                return values(body) + values(orelse)
            case ast.Name(id=name):
                return [text for value in self.assigned(name, function) for text in values(value)]
            case ast.JoinedStr(values=parts):
                return ["".join(chosen) for chosen in product(values(part) for part in parts)]
            case ast.Call(func=ast.Attribute(value=template, attr="format"), args=parts) if is_string_method(
                node
            ):
                return [
                    format_or_empty(*chosen)
                    for chosen in product(values(part) for part in [template, *parts])
                ]
            case ast.Call(func=ast.Attribute(value=template, attr="replace"), args=[old, new]):
                return [
                    text.replace(was, now) for text, was, now in product(map(values, (template, old, new)))
                ]
        return []

    def assigned(self, name, function):
        """What a name was given: in its function, by its function's callers, or in the module."""
        if function:
            inside = [
                node.value
                for node in ast.walk(function)
                if isinstance(node, ast.Assign) and gives(node, name)
            ]
            parameters = [argument.arg for argument in function.args.args if argument.arg != "self"]
            if name in parameters:
                at = parameters.index(name)
                calls = (
                    node
                    for node in ast.walk(self.tree)
                    if isinstance(node, ast.Call) and called(node) == function.name
                )
                inside += [call.args[at] for call in calls if len(call.args) > at]
            if inside:
                return inside
        return [node.value for node in self.tree.body if isinstance(node, ast.Assign) and gives(node, name)]


def product(alternatives):
    return itertools.islice(itertools.product(*alternatives), MOST_VARIANTS)


def gives(assignment, name):
    return any(isinstance(target, ast.Name) and target.id == name for target in assignment.targets)


def called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)


def is_string_method(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("format", "replace")
        and not node.keywords
    )


def format_or_empty(template, *parts):
    try:
        return template.format(*parts)
    except (IndexError, KeyError, ValueError):
        return ""


def core_texts(program):
    """Each operation in the compiled core, with the fragments that follow it."""
    text = program.read_bytes().decode("latin-1")
    fragment = re.compile(r"\s*fragment \w+ on \w+ ?\{")
    for start in re.finditer(r"\n(?:query|mutation) (\w+)", text):
        end = closing_brace(text, start.end())
        while end and (more := fragment.match(text, end)):
            end = closing_brace(text, more.end() - 1)
        if end:
            yield f"wandb-core:{start.group(1)}", text[start.start() : end]


def closing_brace(text, at, longest=40_000):
    """Behind the brace that closes the next selection; braces inside parentheses are values."""
    depth = parentheses = 0
    for position in range(at, min(at + longest, len(text))):
        match text[position]:
            case "(":
                parentheses += 1
            case ")":
                parentheses -= 1
            case "{" if parentheses == 0:
                depth += 1
            case "}" if parentheses == 0:
                depth -= 1
                if depth == 0:
                    return position + 1
    return None
