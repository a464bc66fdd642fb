// Package torture holds the proofs of docs/PROMISES.md that need the real binary, killed, starved
// and lied to. Each has a short form, which go test runs, and a long one, behind -long, which
// ci/torture.sh runs with its seeds and its progress. Proofs that measure time or memory run alone; the
// others are parallel tests, which come after them, in the long form one more at a time than there are processors: they wait for disks a lot.
//
// What root is needed for is skipped elsewhere, and says so.
package torture
