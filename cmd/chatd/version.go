package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
)

// version is that of the release being worked on; a release sets it with -ldflags "-X main.version=…".
var version = "0.1.0-dev"

// versionInfo is what chatd version --json prints.
type versionInfo struct {
	Version  string `json:"version"`
	APILevel int    `json:"api_level"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from files that are not committed
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readVersion() versionInfo {
	v := versionInfo{Version: version, APILevel: api.APILevel, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func (p *process) versionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := readVersion()
			if asJSON {
				return wrapRun(json.NewEncoder(p.stdout).Encode(v))
			}
			commit := ""
			if v.Commit != "" {
				commit = ", commit " + v.Commit[:min(12, len(v.Commit))]
			}
			_, err := fmt.Fprintf(p.stdout, "chatd %s (API level %d%s, %s, %s)\n", v.Version, v.APILevel, commit, v.Go, v.Platform)
			return wrapRun(err)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as one JSON document")
	return cmd
}
