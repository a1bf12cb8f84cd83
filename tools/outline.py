"""Reads the outline of a C++ file: functions with their sizes and parameters, classes with their public methods.
It is no parser. It blanks out comments and literals, then follows braces: at namespace and class scope, the text
before a `{` or a `;` is a head, and a head with a parameter list is a function. Code written as STYLE.md asks is read
rightly; odd code may not be.
"""
import re
from typing import NamedTuple

_LITERAL = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<raw>[^(\s]{0,16})\(.*?\)(?P=raw)"|'
    r'"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
    re.S,
)
_CLASS = re.compile(r"\b(class|struct|union)\s+(?:\[\[.*?\]\]\s*|alignas\s*\([^)]*\)\s*)*([A-Za-z_]\w*)")
_ATTRIBUTE = re.compile(
    r"\[\[.*?\]\]|__attribute__\s*\(\(.*?\)\)|\bnoexcept\s*\([^()]*\)|\balignas\s*\([^()]*\)|"
    r"\bdecltype\s*\([^()]*\)",
    re.S,
)
_TEST = re.compile(r"^(TEST|TEST_F|TEST_P|TYPED_TEST|BENCHMARK|INSTANTIATE_TEST_SUITE_P|MATCHER(_P\d*)?)\s*\(")


_BRACED = "\x01"  # Stands in a head for what was in braces.


class Function(NamedTuple):
    name: str
    line: int
    lines: int  # 0 for a declaration.
    parameters: int


class Class(NamedTuple):
    name: str
    line: int
    public_methods: int


def blank(text):
    """`text` with comments, literals and preprocessor lines turned to spaces; line breaks stay where they are."""

    def spaces(match):
        return re.sub(r"[^\n]", " ", match.group())

    text = _LITERAL.sub(spaces, text)
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", spaces, text, flags=re.M)


def _split_top(text):
    """The parts of `text` between commas that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for index, char in enumerate(text):
        if char in "([{<":
            depth += 1
        elif char in ")]}" or (char == ">" and text[index - 1 : index] != "-"):
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    parts.append(text[start:])
    return [part for part in (p.strip() for p in parts) if part and part != "void"]


def _strip_template(head):
    """`head` without leading template<...> and requires clauses."""
    head = head.strip()
    while head.startswith("template"):
        depth = 0
        for index, char in enumerate(head):
            if char == "<":
                depth += 1
            elif char == ">" and head[index - 1] != "-":
                depth -= 1
                if depth == 0:
                    head = head[index + 1 :].strip()
                    break
        else:
            return head
    return re.sub(r"^requires\s+[\w:<>, |&]*(?=\b(?:void|auto|class|struct|static|inline|constexpr)\b)", "", head)


def function_head(head):
    """(name, number of parameters) when the text before `{` or `;` declares a function, else None."""
    head = _ATTRIBUTE.sub(" ", _strip_template(head)).strip()
    if not head or _TEST.match(head):
        return None
    match = re.search(r"(operator\s*\(\s*\)|operator\s*[^\s\w(]{1,3}|~?[A-Za-z_][\w:~]*)\s*\(", head)
    if not match or re.match(
        r"(using|typedef|static_assert|friend class|return|if|for|while|switch|namespace|enum)\b", head
    ):
        return None
    before = head[: match.start()]
    if "=" in before or match.group(1) in ("static_assert", "requires", "explicit"):
        return None
    depth = 0
    for index in range(match.end() - 1, len(head)):
        depth += {"(": 1, ")": -1}.get(head[index], 0)
        if depth == 0:
            return match.group(1), len(_split_top(head[match.end() : index]))
    return None


class _Scope:
    """One brace that is open: a namespace, a class, or a body whose inside does not matter."""

    def __init__(self, kind, name, line, parameters=0):
        self.kind, self.name, self.line, self.parameters = kind, name, line, parameters
        self.access = "private" if kind == "class" else "public"
        self.methods = 0


class Outline:
    """functions and classes of a text."""

    def __init__(self, text):
        self.functions, self.classes = [], []
        self._scopes, self._head, self._parens = [], "", 0
        self._line, self._head_line = 1, 1
        for char in blank(text):
            self._take(char)
            if char == "\n":
                self._line += 1

    def _inside_body(self):
        return bool(self._scopes) and self._scopes[-1].kind == "body"

    def _take(self, char):
        if char in "()":
            self._parens += 1 if char == "(" else -1
        if char == "{":
            self._open()
        elif char == "}":
            self._close()
        elif char == ";" and self._parens == 0:
            self._statement()
        elif char == ":" and re.fullmatch(r"\s*(public|protected|private)\s*", self._head):
            if self._scopes:
                self._scopes[-1].access = self._head.strip()
            self._head = ""
        else:
            if not self._head.strip() and not char.isspace():
                self._head_line = self._line
            self._head += char

    def _open(self):
        head = self._head
        if self._inside_body() or self._parens > 0:
            self._push(_Scope("body", None, self._line), keep=self._parens > 0)
            return
        if re.search(r"\bnamespace\b|^\s*extern\s*$", head):
            self._push(_Scope("namespace", "", self._head_line))
            return
        function = function_head(head)
        named = _CLASS.search(_strip_template(head))
        if named and (
            function is None or head.find("(") > head.find(named.group(2)) and ":" in head and ")" not in head
        ):
            self._push(_Scope("class" if named.group(1) == "class" else "struct", named.group(2), self._head_line))
        elif function and not re.search(r"(?<!:)[:,](?!:)\s*[\w:]+(<[\w:<>, ]*>)?\s*$", head):
            self._push(_Scope("body", function[0], self._head_line, function[1]))
            self._count(head)
        else:
            # A brace initialiser: of a member in a constructor's list (the head goes on after it) or of a variable.
            self._push(_Scope("body", None, self._line), keep=True)

    def _push(self, scope, keep=False):
        scope.parens = self._parens
        scope.saved = (self._head, self._head_line) if keep else None
        self._parens, self._head = 0, ""
        self._scopes.append(scope)

    def _close(self):
        if not self._scopes:
            return
        scope = self._scopes.pop()
        self._parens = scope.parens
        self._head = ""
        if scope.saved:
            self._head, self._head_line = scope.saved[0] + _BRACED, scope.saved[1]
        if scope.kind == "body" and scope.name:
            lines = self._line - scope.line + 1
            self.functions.append(Function(scope.name, scope.line, lines, scope.parameters))
        elif scope.kind in ("class", "struct"):
            self.classes.append(Class(scope.name, scope.line, scope.methods))

    def _statement(self):
        if not self._inside_body():
            function = function_head(self._head)
            if function:
                if not self._head.strip().startswith("return"):
                    self.functions.append(Function(function[0], self._head_line, 0, function[1]))
                self._count(self._head)
        self._head = ""

    def _count(self, head):
        """Counts a public method, but no constructor, destructor, operator, nor what is defaulted or deleted."""
        scope = self._scopes[-1] if self._scopes else None
        if scope is not None and scope.kind == "body":
            scope = self._scopes[-2] if len(self._scopes) > 1 else None
        if scope is None or scope.kind not in ("class", "struct") or scope.access != "public":
            return
        name = function_head(head)[0]
        if name == scope.name or name.startswith(("~", "operator")) or re.search(r"=\s*(default|delete)\s*$", head):
            return
        scope.methods += 1
