//go:build ignore

// This program writes config.example.yaml and docs/CONFIG.md from the settings of package config; go generate runs it.
package main

import (
	"fmt"
	"os"

	"github.com/chatd-dev/chatd/cmd/chatd/config"
)

// root is the repository as seen from this package.
const root = "../../../"

func main() {
	for name, text := range map[string][]byte{
		root + "config.example.yaml": config.Example(),
		root + "docs/CONFIG.md":      config.Reference(),
	} {
		if err := os.WriteFile(name, text, 0o644); err != nil { //nolint:gosec // documents that everybody may read
			fmt.Fprintln(os.Stderr, "generate:", err)
			os.Exit(1)
		}
	}
}
