"""Reads the stream of go test -json: shows what failed and what was skipped, and counts.

The last line is "N passed, N failed". A package that does not build or ends badly without a failed
test, or does not end, counts as one failure. Exit status 1 if anything failed or nothing ran.
"""

import collections
import json
import sys


class Report:
    def __init__(self) -> None:
        self.passed = self.failed = self.skipped = 0
        self.output = collections.defaultdict(list)  # lines by (package, test) until its result is known
        self.build = []  # what the compiler said
        self.broken = set()  # packages with a failed test
        self.running = set()  # packages without an end

    def take(self, event: dict) -> None:
        action, package, test = event["Action"], event.get("Package", ""), event.get("Test", "")
        if not test and action in ("start", "pass", "fail", "skip"):
            (self.running.add if action == "start" else self.running.discard)(package)
        if action == "build-output":
            self.build.append(event["Output"])
        elif action == "output":
            self.output[package, test].append(event["Output"])
        elif action in ("pass", "fail", "skip"):
            lines = self.output.pop((package, test), [])
            if test:
                self.test(action, f"{package} {test}", lines)
                if action == "fail":
                    self.broken.add(package)
            else:
                self.package(action, package, lines)

    def test(self, action: str, name: str, lines: list) -> None:
        if action == "pass":
            self.passed += 1
        elif action == "skip":
            self.skipped += 1
            reason = "".join(line for line in lines if not line.startswith(("=== ", "--- ")))
            show([f"SKIPPED {name}: {' '.join(reason.split())}\n"])
        else:
            self.failed += 1
            show([f"FAILED {name}\n", *lines])

    def package(self, action: str, package: str, lines: list) -> None:
        if action == "fail":
            if package not in self.broken:
                self.failed += 1
            show(self.build)
            self.build.clear()
            # A panic or a time-out leaves tests without a result; what they said is the only trace.
            for key in [key for key in self.output if key[0] == package]:
                show(self.output.pop(key))
        if action != "skip":  # a package without tests
            show(lines)


def show(lines: list) -> None:
    print("".join(line for line in lines if line != "PASS\n" and not line.startswith("=== ")), end="", flush=True)


def main() -> int:
    report = Report()
    for line in sys.stdin:
        try:
            event = json.loads(line)
        except ValueError:
            print(line, end="")  # from the go command itself
            continue
        report.take(event)
    for package in sorted(report.running):
        report.failed += 1
        print(f"FAILED {package}: it has not ended: somebody has ended go test")
    print(f"{report.skipped} skipped")
    print(f"{report.passed} passed, {report.failed} failed", flush=True)
    return 1 if report.failed or not report.passed else 0


if __name__ == "__main__":
    sys.exit(main())
