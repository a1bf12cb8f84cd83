"""Tests of the documentation runner: it must not take wrong output for right."""
import importlib.util
import pathlib
import unittest

_spec = importlib.util.spec_from_file_location("docs_run", pathlib.Path(__file__).with_name("run.py"))
docs_run = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(docs_run)


class Blocks(unittest.TestCase):
    def test_commands_and_output(self):
        text = "x\n```console\n$ a\nout\n$ b \\\n> c\n```\n```text\n$ not this\n```\n"
        self.assertEqual(docs_run.blocks(text), [[(3, "a", "out\n"), (5, "b \\\nc", "")]])


class Matches(unittest.TestCase):
    def test_exact(self):
        self.assertTrue(docs_run.matches("a\nb\n", "a\nb\n"))
        self.assertFalse(docs_run.matches("a\n", "a\nb\n"))
        self.assertFalse(docs_run.matches("", "a\n"))

    def test_dots(self):
        self.assertTrue(docs_run.matches("a\n...\nz\n", "a\n1\n2\nz\n"))
        self.assertTrue(docs_run.matches("took ... ms\n", "took 3.4 ms\n"))
        self.assertFalse(docs_run.matches("took ... ms\n", "took 3\n4 ms\n"))
        self.assertFalse(docs_run.matches("a\n...\nz\n", "b\nz\n"))


if __name__ == "__main__":
    unittest.main()
