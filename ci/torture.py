"""Reads the stream of go test -json: shows what the tests say as they say it, and sums up.

The last lines are the figures of each proof (what a test logs after PROOF), what was skipped, what failed, and
"N proofs: N tests passed, N skipped, N failed". Exit status 1 if anything failed or nothing ran.
"""

import json
import re
import sys
import time


class Summary:
    def __init__(self) -> None:
        self.start = time.monotonic()
        self.proofs, self.skipped, self.failed = [], [], []
        self.passed = 0
        self.said = {}  # what a test said last, for why it was skipped
        self.broken = set()  # packages with a failed test
        self.running = set()  # packages without an end

    def take(self, event: dict) -> None:
        action, package, test = event["Action"], event.get("Package", ""), event.get("Test", "")
        if not test and action in ("start", "pass", "fail", "skip"):
            (self.running.add if action == "start" else self.running.discard)(package)
        if action == "build-output":
            print(event["Output"], end="", flush=True)
        elif action == "output":
            self.output(package, test, event["Output"])
        elif action in ("pass", "fail", "skip"):
            self.result(action, package, test, event.get("Elapsed", 0))

    def output(self, package: str, test: str, line: str) -> None:
        text = line.rstrip("\n")
        if not text.strip() or text == "testing: warning: no tests to run" or text.lstrip().startswith(("=== ", "--- ")) or text in ("PASS", "FAIL") or not test and text.endswith("to run]"):
            return
        if proof := re.match(r"\s*\S+\.go:\d+: PROOF (.*)", text):
            self.proofs.append(proof[1])
        elif said := re.match(r"\s*\S+\.go:\d+: (.*)", text):
            self.said[package, test] = said[1]
        self.show(f"{test or package}: {text.strip()}")

    def result(self, action: str, package: str, test: str, elapsed: float) -> None:
        if not test:
            if action == "fail" and package not in self.broken:
                self.failed.append(f"{package} (no test of it: it does not build, or ended badly)")
            return
        if action == "pass":
            self.passed += 1
        elif action == "skip":
            self.skipped.append(f"{test}: {self.said.get((package, test), '')}")
        else:
            self.broken.add(package)
            self.failed.append(test)
        if "/" not in test or action != "pass":
            self.show(f"{test}: {action.upper()} after {elapsed:.0f} s")

    def show(self, text: str) -> None:
        passed = int(time.monotonic() - self.start)
        print(f"{passed // 3600}:{passed // 60 % 60:02}:{passed % 60:02} {text}", flush=True)

    def end(self) -> int:
        self.failed += [f"{package} (it has not ended: somebody has ended go test)" for package in sorted(self.running)]
        print(f"\n== after {(time.monotonic() - self.start) / 60:.0f} minutes")
        for title, lines in (("PROOF", self.proofs), ("SKIPPED", self.skipped), ("FAILED", self.failed)):
            for line in lines:
                print(f"{title} {line}")
        print(f"{len(self.proofs)} proofs: {self.passed} tests passed, {len(self.skipped)} skipped, {len(self.failed)} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def main() -> int:
    summary = Summary()
    for line in sys.stdin:
        try:
            event = json.loads(line)
        except ValueError:
            print(line, end="", flush=True)  # from the go command itself
            continue
        summary.take(event)
    return summary.end()


if __name__ == "__main__":
    sys.exit(main())
