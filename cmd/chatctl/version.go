package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/chatd-dev/chatd/api"
)

func newVersion(c *cli) *cobra.Command {
	var clientOnly bool
	cmd := &cobra.Command{
		Use:     "version",
		GroupID: groupServer,
		Short:   "Versions of chatctl and of the server.",
		Long: `Versions of chatctl and of the server. A server that cannot be reached is no error here:
its part is left out.`,
		Args: wants(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Chatctl: clientVersion{Version: buildVersion(), APILevel: clientAPILevel(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}}
			var err error
			if !clientOnly {
				var info *api.ServerInfoResult
				if info, err = c.serverInfo(cmd.Context()); err == nil {
					v.Server = &serverVersion{URL: c.server, Name: info.Name, Version: info.Version, APILevel: info.APILevel}
				}
			}
			if c.json {
				doc, err := json.Marshal(v)
				if err != nil {
					return err
				}
				c.out.document(doc)
				return nil
			}
			c.out.printf("chatctl %s (API level %d, %s, %s/%s)\n", v.Chatctl.Version, v.Chatctl.APILevel, v.Chatctl.Go, v.Chatctl.OS, v.Chatctl.Arch)
			switch {
			case v.Server != nil:
				c.out.printf("%s %s (API level %d) at %s\n", v.Server.Name, v.Server.Version, v.Server.APILevel, v.Server.URL)
				if v.Server.APILevel < v.Chatctl.APILevel {
					c.note("the server is older than chatctl: some commands may not work there")
				}
			case err != nil:
				c.note("server: %s", wrong(err))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&clientOnly, "client", false, "do not ask the server")
	return cmd
}

type versions struct {
	Chatctl clientVersion  `json:"chatctl"`
	Server  *serverVersion `json:"server"` // null: not reached, or not asked
}

type clientVersion struct {
	Version  string `json:"version"`
	APILevel int64  `json:"api_level"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

type serverVersion struct {
	URL      string `json:"url"`
	Name     string `json:"name"`
	Version  string `json:"version"`
	APILevel int64  `json:"api_level"`
}

// buildVersion is the module version that the go command recorded, such as v1.2.3 or (devel).
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}

// clientAPILevel is the API level of the contract that chatctl was built with.
func clientAPILevel() int64 {
	var doc struct {
		Info struct {
			APILevel int64 `json:"x-api-level"`
		} `json:"info"`
	}
	if err := json.Unmarshal(api.DocumentJSON(), &doc); err != nil {
		return 0 // the document is embedded and tested; there is nothing to say to a user
	}
	return doc.Info.APILevel
}
