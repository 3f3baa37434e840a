"""What the runner reads from test programs, by example: a count that is wrong would hide a failure."""
import json
import unittest

from runner.counts import Cargo, Counts, GoTest, conformance


def read(reader, text):
    for line in text.splitlines():
        reader.line(line)
    return reader.counts


class CargoLines(unittest.TestCase):
    def test_every_program_is_added_up(self):
        counts = read(Cargo(), """
running 3 tests
test a::b ... ok
test a::c ... FAILED
test a::d ... ignored, needs nginx
test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
""")
        self.assertEqual(str(counts), "8 passed, 1 failed, 1 skipped")
        self.assertEqual(counts.failures, ["a::c"])
        self.assertEqual(counts.skipped, [("a::d", "needs nginx")])

    def test_colours_do_not_hide_a_failure(self):
        counts = read(Cargo(), "test result: \x1b[31mFAILED\x1b[0m. 0 passed; 2 failed; 0 ignored; 0 measured")
        self.assertEqual(counts.failed, 2)

    def test_ignored_without_a_line_still_counts(self):
        counts = read(Cargo(), "test result: ok. 0 passed; 0 failed; 2 ignored; 0 filtered out")
        self.assertEqual(len(counts.skipped), 2)

    def test_what_a_test_prints_is_no_result(self):
        self.assertEqual(read(Cargo(), "the test result: ok. 9 passed; 0 failed; 0 ignored").ran, 0)


class GoEvents(unittest.TestCase):
    def test_pass_fail_skip(self):
        events = [{"Action": "pass", "Test": "TestA"}, {"Action": "fail", "Test": "TestB", "Package": "p"},
                  {"Action": "output", "Test": "TestC", "Output": "    c_test.go:3: no IPv6 here\n"},
                  {"Action": "skip", "Test": "TestC"}, {"Action": "pass", "Package": "p"}]
        counts = read(GoTest(), "\n".join(json.dumps(e) for e in events))
        self.assertEqual(str(counts), "1 passed, 1 failed, 1 skipped")
        self.assertEqual(counts.skipped, [("TestC", "c_test.go:3: no IPv6 here")])


class Table(unittest.TestCase):
    def test_cases_that_fall_short_are_named(self):
        counts = conformance(["a01\tGET /x\tstatus 500, want 200\t(why)", "82 passed, 1 failed"])
        self.assertEqual(str(counts), "82 passed, 1 failed, 0 skipped")
        self.assertEqual(counts.failures, ["conformance a01: status 500, want 200"])

    def test_a_run_that_broke_off_is_a_failure(self):
        self.assertEqual(conformance(["Traceback (most recent call last):"]).failed, 1)
        self.assertEqual(conformance([]).failed, 1)


class Sum(unittest.TestCase):
    def test_adding(self):
        total = Counts()
        total += Counts(1, 2, ["x", "y"], [("z", "why")])
        self.assertEqual(str(total), "1 passed, 2 failed, 1 skipped")
