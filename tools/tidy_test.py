#!/usr/bin/env python3
"""Tests of tools/tidy: each rule finds what it is for, and lets good code be."""
import importlib.machinery
import importlib.util
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
_loader = importlib.machinery.SourceFileLoader("tidy", str(HERE / "tidy"))
sys.dont_write_bytecode = True
import unit_main  # noqa: E402

tidy = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy", _loader))
_loader.exec_module(tidy)
Outline = tidy.Outline


def findings(files, compile_headers=False, build=None):
    """The (rule, path, line) triples that a tree of the given {path: text} earns."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        tree = tidy.Tree(root, list(files))
        tidy.check_all(tree, build and pathlib.Path(root, build), compile_headers)
        return [finding[:3] for finding in tree.findings]


def header(*lines):
    return "// A header.\n#pragma once\n" + "\n".join(lines) + "\n"


class Includes(unittest.TestCase):
    def test_down_is_fine(self):
        self.assertEqual(findings({"src/base/fd.h": header(), "src/memory/m.h": header('#include "base/fd.h"')}), [])

    def test_up_is_found(self):
        found = findings({"src/base/fd.h": header('#include "memory/m.h"'), "src/memory/m.h": header()})
        self.assertEqual(found, [("include", "src/base/fd.h", 3)])

    def test_sideways_is_found(self):
        found = findings(
            {"src/devices/fs/fs.h": header('#include "devices/vsock/v.h"'), "src/devices/vsock/v.h": header()}
        )
        self.assertEqual(found, [("include", "src/devices/fs/fs.h", 3)])

    def test_api_may_not_see_devices(self):
        found = findings({"src/api/vm.h": header('#include "devices/rng.h"'), "src/devices/rng.h": header()})
        self.assertEqual(found, [("include", "src/api/vm.h", 3)])

    def test_cli_sees_the_public_api(self):
        self.assertEqual(
            findings({"include/cloche/vm.h": header(), "src/cli/run.h": header('#include "cloche/vm.h"')}), []
        )

    def test_tests_include_anything_and_nothing_includes_tests(self):
        files = {
            "src/base/a_test.cc": '// A test.\n#include "machine/m.h"\n',
            "src/machine/m.h": header(),
            "src/virtio/testing/fake.h": header(),
            "src/virtio/q.h": header('#include "virtio/testing/fake.h"'),
        }
        self.assertEqual(findings(files), [("include", "src/virtio/q.h", 3)])

    def test_kvm_header_stays_where_it_belongs(self):
        files = {
            "src/hypervisor/kvm/k.h": header("#include <linux/kvm.h>"),
            "src/machine/m.h": header("#include <linux/kvm.h>"),
        }
        self.assertEqual(findings(files), [("include", "src/machine/m.h", 3)])

    def test_unknown_folder_is_found(self):
        found = findings({"src/novel/a.h": header('#include "base/fd.h"'), "src/base/fd.h": header()})
        self.assertEqual(found, [("include", "src/novel/a.h", 3)])


class Sizes(unittest.TestCase):
    def test_columns(self):
        self.assertEqual(findings({"src/base/a.h": header("// " + "x" * 118)}), [("columns", "src/base/a.h", 3)])
        self.assertEqual(findings({"src/base/a.h": header("// " + "x" * 117)}), [])

    def test_long_file(self):
        self.assertEqual(findings({"src/base/a.h": header(*["int a;"] * 599)}), [("file-size", "src/base/a.h", 1)])

    def test_long_function(self):
        def body(lines):
            return header("inline void f() {", *["  g();"] * (lines - 2), "}")

        self.assertEqual(findings({"src/base/a.h": body(71)}), [("function-size", "src/base/a.h", 3)])
        self.assertEqual(findings({"src/base/a.h": body(70)}), [])

    def test_long_python_function(self):
        text = '"""A tool."""\ndef f():\n' + "    g()\n" * 70
        self.assertEqual(findings({"tools/a.py": text}), [("function-size", "tools/a.py", 2)])

    def test_parameters(self):
        self.assertEqual(findings({"src/base/a.h": header("void f(int a, int b, int c, int d);")}), [])
        self.assertEqual(
            findings({"src/base/a.h": header("void f(int a, int b, int c, int d, int e);")}),
            [("parameters", "src/base/a.h", 3)],
        )

    def test_public_methods(self):
        def klass(count):
            return header(
                "class C {", " public:", *[f"  void f{i}();" for i in range(count)], " private:", "  void g();", "};"
            )

        self.assertEqual(findings({"src/base/a.h": klass(20)}), [])
        self.assertEqual(findings({"src/base/a.h": klass(21)}), [("class-size", "src/base/a.h", 3)])


class Habits(unittest.TestCase):
    def test_pragma_once(self):
        self.assertEqual(findings({"src/base/a.h": "// A header.\n"}), [("pragma", "src/base/a.h", 1)])

    def test_using_namespace_in_a_header(self):
        self.assertEqual(findings({"src/base/a.h": header("using namespace std;")}), [("using", "src/base/a.h", 3)])
        self.assertEqual(findings({"src/base/a.cc": "// Code.\nusing namespace std::literals;\n"}), [])

    def test_opening_comment(self):
        self.assertEqual(findings({"src/base/a.cc": "int a;\n"}), [("opening", "src/base/a.cc", 1)])
        files = {
            "src/base/a.h": header(),
            "src/base/a.cc": '#include "base/a.h"\n',
            "src/base/a_test.cc": '#include "base/a.h"\n',
        }
        self.assertEqual(findings(files), [])

    def test_todo(self):
        self.assertEqual(findings({"src/base/a.h": header("// TO" + "DO: later")}), [("todo", "src/base/a.h", 3)])
        self.assertEqual(findings({"src/base/a.h": header("// TO" + "DO(#7): later")}), [])

    def test_a_library_does_not_end_the_process(self):
        text = "// Code.\nvoid f() {\n  exit(1);\n  ::_exit(1);\n  std::abort();\n  atexit(g);\n  machine.exit();\n}\n"
        self.assertEqual([line for _, _, line in findings({"src/base/a.cc": text})], [3, 4, 5])
        self.assertEqual(findings({"src/cli/main.cc": text}), [])

    def test_a_library_does_not_print(self):
        text = '// Code.\nvoid f() {\n  std::cout << 1;\n  fmt::print("x");\n  snprintf(a);\n  log.print("y");\n}\n'
        self.assertEqual([line for _, _, line in findings({"src/base/a.cc": text})], [3, 4])

    def test_words_in_comments_and_literals_are_no_code(self):
        text = '// exit() is bad\nconst char* a = "abort()";\nconst char* b = R"(exit(1))";\nint c = 1\'000;\n'
        self.assertEqual(findings({"src/base/a.cc": text}), [])


class Builds(unittest.TestCase):
    def test_forgotten_test_is_found(self):
        files = {
            "src/base/a_test.cc": "// A test.\n",
            "src/base/b_test.cc": "// A test.\n",
            "out/build.ninja": "build a.o: CXX /x/src/base/a_test.cc || deps\n",
        }
        self.assertEqual(
            [f for f in findings(files, build="out") if f[0] == "target"], [("target", "src/base/b_test.cc", 1)]
        )

    def test_lone_header(self):
        files = {
            "src/base/a.h": header("inline int f() { return g(); }"),
            "src/base/b.h": header("inline int f() { return 1; }"),
        }
        self.assertEqual(findings(files, compile_headers=True), [("lone-header", "src/base/a.h", 1)])


class Exceptions(unittest.TestCase):
    def test_covers_and_is_reported_when_unused(self):
        exceptions = tidy.read_exceptions(
            "# words\nfunction-size src/a.cc:decode  a straight switch\ncolumns src/b.cc  a table\n"
        )
        found = [("function-size", "src/a.cc", 3, "decode", "x"), ("function-size", "src/a.cc", 9, "other", "x")]
        left, unused = tidy.remaining(found, exceptions)
        self.assertEqual([each[3] for each in left], ["other"])
        self.assertEqual(unused, [("columns", "src/b.cc", "")])


class Outlines(unittest.TestCase):
    def names(self, text):
        return [(f.name, f.parameters) for f in Outline(text).functions]

    def test_functions_of_every_shape(self):
        text = """
        namespace a { namespace {
        template <typename T, int N> Result<T> one(std::map<int, int> a, T (&b)[N]) { if (a) { g(1, 2, 3, 4, 5); } }
        Foo::Foo(int a) : a_(a), b_{a, 1}, c_([this](int x) { h(x); }) { run(); }
        [[nodiscard]] auto two(int a) const noexcept -> std::vector<int> { return {a}; }
        bool operator==(const A& a, const A& b) { return true; }
        std::array<int, 3> kTable{1, 2, 3};
        auto lambda = [](int a, int b, int c, int d, int e) { return a; };
        } }
        """
        self.assertEqual(self.names(text), [("one", 2), ("Foo::Foo", 1), ("two", 1), ("operator==", 2)])

    def test_classes(self):
        text = """
        class A final : public B<int> { public: A(); ~A(); int f() const { return 1; } virtual void g(int, int) = 0;
          A(const A&) = delete; bool operator==(const A&) const = default; private: void h(); struct { int x; } y_; };
        struct S { int a = 0; void f(); };
        """
        self.assertEqual([(c.name, c.public_methods) for c in Outline(text).classes], [("A", 2), ("S", 1)])

    def test_line_numbers(self):
        function = Outline("\n\nint f(\n  int a) {\n  return a;\n}\n").functions[0]
        self.assertEqual((function.line, function.lines), (3, 4))


if __name__ == "__main__":
    sys.exit(unit_main.main())
