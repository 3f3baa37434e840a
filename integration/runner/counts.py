"""Reads how many tests passed, failed and were skipped from what test programs print."""
import json
import re
from dataclasses import dataclass, field

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Counts:
    """What one suite came to. A skipped test has a name and a reason; a failed one a name."""

    passed: int = 0
    failed: int = 0
    failures: list = field(default_factory=list)
    skipped: list = field(default_factory=list)

    def fail(self, name):
        self.failed += 1
        self.failures.append(name)

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.failures += other.failures
        self.skipped += other.skipped
        return self

    @property
    def ran(self):
        return self.passed + self.failed + len(self.skipped)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {len(self.skipped)} skipped"


class Cargo:
    """`cargo test` and `wasm-bindgen-test-runner`: one `test result:` line for each test program."""

    RESULT = re.compile(r"^test result: \S+ (\d+) passed; (\d+) failed; (\d+) ignored")
    IGNORED = re.compile(r"^test (.+?) \.\.\. ignored(?:, (.*))?$")
    FAILED = re.compile(r"^test (.+?) \.\.\. FAILED$|^(?:\s*)FAIL:? (.+)$")

    def __init__(self):
        self.counts = Counts()
        self.ignored_of_program = []

    def line(self, text):
        text = COLOUR.sub("", text).strip()
        if found := self.IGNORED.match(text):
            self.ignored_of_program.append((found[1], found[2] or "ignored, and its source gives no reason"))
        elif (found := self.FAILED.match(text)) and found[1]:
            self.counts.failures.append(found[1])
        elif found := self.RESULT.match(text):
            self.counts.passed += int(found[1])
            self.counts.failed += int(found[2])
            # The number is what counts; the lines, where they came, have the names and reasons.
            named = self.ignored_of_program[:int(found[3])]
            unnamed = [("a test", "ignored")] * (int(found[3]) - len(named))
            self.counts.skipped += named + unnamed
            self.ignored_of_program = []


class GoTest:
    """`go test -json`: an event on each line."""

    def __init__(self):
        self.counts = Counts()
        self.last_output = {}

    def line(self, text):
        """Takes an event; answers what a person should see of it, or None."""
        try:
            event = json.loads(text)
        except ValueError:
            return text
        if not isinstance(event, dict):
            return text
        name, action = event.get("Test"), event.get("Action")
        output = event.get("Output", "").rstrip("\n")
        if action in ("output", "build-output"):
            if output.strip() and not output.lstrip().startswith(("===", "---")):
                self.last_output[name] = output.strip()
            return output or None
        if name and action == "pass":
            self.counts.passed += 1
        elif name and action == "fail":
            self.counts.fail(f"{event.get('Package', '')} {name}")
        elif name and action == "skip":
            self.counts.skipped.append((name, self.last_output.get(name, "skipped, and its source gives no reason")))
        return None


def conformance(lines, suite="conformance"):
    """The table's own runner: one line for each case that falls short, and `N passed, N failed` at the end."""
    counts, last = Counts(), ""
    for text in lines:
        fields = text.split("\t")
        if len(fields) >= 3:
            counts.failures.append(f"{suite} {fields[0]}: {fields[2]}")
        last = text.strip() or last
    found = re.fullmatch(r"(\d+) passed, (\d+) failed", last)
    if not found:
        counts.failures.clear()
        counts.fail(f"{suite}: expected a last line `N passed, N failed`, got {last[:120]!r}")
        return counts
    counts.passed, counts.failed = int(found[1]), int(found[2])
    return counts
