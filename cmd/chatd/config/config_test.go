package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// load reads a file of the given text (none if "-"), an environment and flags.
func load(t testing.TB, text string, environ []string, args ...string) (*Config, Origins, error) {
	t.Helper()
	src := &Source{Environ: environ, Flags: pflag.NewFlagSet("chatd", pflag.ContinueOnError)}
	if text != "-" {
		t.Chdir(t.TempDir())
		src.File = "chatd.yaml"
		if err := os.WriteFile(src.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	AddFlags(src.Flags)
	if err := src.Flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return Load(src)
}

func TestNothingGivenIsTheDefault(t *testing.T) {
	cfg, origins, err := load(t, "-", nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Default(), cfg); d != "" {
		t.Error(d)
	}
	for key, where := range origins {
		if where != "default" {
			t.Errorf("%s comes from %s", key, where)
		}
	}
}

func TestExampleIsTheDefault(t *testing.T) {
	cfg, origins, err := load(t, string(Example()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Default(), cfg, cmp.Transformer("empty", func(s []string) string { return strings.Join(s, ",") })); d != "" {
		t.Error(d)
	}
	for _, set := range newSchema().settings {
		if !strings.HasPrefix(origins[set.key], "chatd.yaml:") {
			t.Errorf("config.example.yaml lacks %s", set.key)
		}
	}
}

func TestGeneratedFilesAreCurrent(t *testing.T) {
	for name, want := range map[string][]byte{"config.example.yaml": Example(), "docs/CONFIG.md": Reference()} {
		got, err := os.ReadFile(filepath.Join("../../..", name))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s differs from the settings; run go generate ./cmd/chatd/config\n%s", name, d)
		}
	}
}

func TestShownIsReadBack(t *testing.T) {
	cfg, _, err := load(t, "-", []string{"CHATD_ALLOWED_ORIGINS=https://a.example, https://*.b.example:8443", "CHATD_SESSION_TTL=1d12h", "CHATD_METRICS=off"}, "--data", "a b: c#'\"")
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := load(t, string(Show(cfg, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(cfg, again, cmp.Transformer("empty", func(s []string) string { return strings.Join(s, ",") })); d != "" {
		t.Error(d)
	}
	if cfg.SessionTTL != 36*time.Hour || len(cfg.AllowedOrigins) != 2 || cfg.Metrics != MetricsOff {
		t.Errorf("got %+v", cfg)
	}
}

func TestUpperLayerWins(t *testing.T) {
	file := "listen: 127.0.0.1:1001\ndata_dir: file\nlog:\n  level: error\nlimits:\n  max_batch: 7\n  max_in_flight: 8\n"
	environ := []string{"CHATD_LISTEN=127.0.0.1:1002", "CHATD_DATA_DIR=env", "CHATD_LIMITS_MAX_BATCH=9", "CHATD_LOG_FORMAT=", "HOME=/x"}
	cfg, origins, err := load(t, file, environ, "--listen", "127.0.0.1:1003")
	if err != nil {
		t.Fatal(err)
	}
	type row struct{ Value, Origin any }
	got := map[string]row{
		"listen":               {cfg.Listen, origins["listen"]},
		"data_dir":             {cfg.DataDir, origins["data_dir"]},
		"log.level":            {cfg.Log.Level, origins["log.level"]},
		"log.format":           {cfg.Log.Format, origins["log.format"]},
		"limits.max_batch":     {cfg.Limits.MaxBatch, origins["limits.max_batch"]},
		"limits.max_in_flight": {cfg.Limits.MaxInFlight, origins["limits.max_in_flight"]},
		"limits.history_limit": {cfg.Limits.HistoryLimit, origins["limits.history_limit"]},
	}
	want := map[string]row{
		"listen":               {"127.0.0.1:1003", "--listen"},
		"data_dir":             {"env", "CHATD_DATA_DIR"},
		"log.level":            {LogLevel("error"), "chatd.yaml:4"},
		"log.format":           {LogText, "default"},
		"limits.max_batch":     {int64(9), "CHATD_LIMITS_MAX_BATCH"},
		"limits.max_in_flight": {int64(8), "chatd.yaml:7"},
		"limits.history_limit": {int64(200), "default"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestFileFromTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, []byte("log:\n  level: warn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := load(t, "-", []string{"CHATD_CONFIG=" + path})
	if err != nil || cfg.Log.Level != "warn" {
		t.Errorf("got %v, %v", cfg, err)
	}
}

func TestEmptySectionsAndFiles(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "tls:\n", "limits: # all default\nlog:\n  level: info\n", "\ufefflisten: 127.0.0.1:8080\n"} {
		cfg, _, err := load(t, text, []string{"CHATD_TLS_CERT_FILE=c", "CHATD_TLS_KEY_FILE=k"})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if cfg.TLS.CertFile != "c" || cfg.Limits.MaxBatch != 50 {
			t.Errorf("%q: got %+v", text, cfg)
		}
	}
}

func TestBadInput(t *testing.T) {
	tests := []struct {
		name string
		text string
		env  []string
		args []string
		want string
	}{
		{"unknown key", "limits:\n  burts: 5\n", nil, nil, "chatd.yaml:2: unknown key limits.burts (did you mean limits.request_burst?)"},
		{"slip of the pen", "registraton: open\n", nil, nil, "chatd.yaml:1: unknown key registraton (did you mean registration?)"},
		{"wrong section", "max_batch: 3\n", nil, nil, "chatd.yaml:1: unknown key max_batch (did you mean limits.max_batch?)"},
		{"nothing like it", "colour: blue\n", nil, nil, "chatd.yaml:1: unknown key colour"},
		{"other case", "Listen: 127.0.0.1:1\n", nil, nil, "chatd.yaml:1: unknown key Listen (did you mean listen?)"},
		{"dotted key", "limits.max_batch: 3\n", nil, nil, "chatd.yaml:1: unknown key limits.max_batch (did you mean limits.max_batch?)"},
		{"twice", "listen: 127.0.0.1:1\n\nlisten: 127.0.0.1:2\n", nil, nil, "chatd.yaml:3: listen is given twice; first in line 1"},
		{"section twice", "log:\n  level: info\nlog:\n  format: json\n", nil, nil, "chatd.yaml:3: log is given twice; first in line 1"},
		{"number for text", "listen: 8080\n", nil, nil, `chatd.yaml:1: listen is 8080; want text; put it in quotes: "…"`},
		{"text for number", "limits:\n  max_batch: many\n", nil, nil, `chatd.yaml:2: limits.max_batch is "many"; want a whole number`},
		{"fraction for number", "limits:\n  max_batch: 1.5\n", nil, nil, "chatd.yaml:2: limits.max_batch is 1.5; want a whole number"},
		{"true for number", "limits:\n  max_batch: true\n", nil, nil, "chatd.yaml:2: limits.max_batch is true; want a whole number"},
		{"text for switch", "allow_plaintext: \"true\"\n", nil, nil, `chatd.yaml:1: allow_plaintext is "true"; want true or false`},
		{"duration without unit", "drain_timeout: 30\n", nil, nil, "chatd.yaml:1: drain_timeout is 30; want a duration such as 500ms, 30s, 10m, 12h or 90d"},
		{"size with a wrong unit", "limits:\n  backlog_bytes: 1MB\n", nil, nil, `chatd.yaml:2: limits.backlog_bytes is "1MB"; want a size such as 65536, 64KiB or 1MiB`},
		{"text for list", "allowed_origins: https://a.example\n", nil, nil, "chatd.yaml:1: allowed_origins want a list: [a, b]"},
		{"number in list", "allowed_hosts: [1]\n", nil, nil, "chatd.yaml:1: allowed_hosts holds 1; want text in quotes"},
		{"no value", "listen:\n", nil, nil, "chatd.yaml:1: listen has no value; leave the line out for the default"},
		{"value for section", "log: debug\n", nil, nil, "chatd.yaml:1: log is a section: its settings stand below it, indented"},
		{"section for value", "listen:\n  host: x\n", nil, nil, `chatd.yaml:2: listen is a list or a section; want text; put it in quotes: "…"`},
		{"no mapping", "- a\n", nil, nil, "chatd.yaml:1: want settings, one a line: key: value"},
		{"alias", "listen: &a 127.0.0.1:1\ndata_dir: *a\n", nil, nil, "chatd.yaml:2: data_dir is an alias; write the value out"},
		{"no YAML", "listen: [\n", nil, nil, "chatd.yaml:1: not YAML: did not find expected node content"},
		{"two documents", "listen: 127.0.0.1:1\n---\nlog:\n", nil, nil, "chatd.yaml:2: a second document; want one"},
		{"a broken second document", "listen: 127.0.0.1:1\n---\na: [\n", nil, nil, "chatd.yaml:3: not YAML: did not find expected node content"},
		{"unknown word", "log:\n  level: loud\n", nil, nil, `chatd.yaml:2: log.level is "loud"; want debug, info, warn or error`},
		{"too small", "limits:\n  max_message_bytes: 1KiB\n  max_message_bytes_anonymous: 1KiB\n  max_text_bytes: 1KiB\n  max_data_bytes: 1KiB\n", nil, nil, "chatd.yaml:2: limits.max_message_bytes is 1KiB; want 4KiB to 64MiB, or 0 (no limit)"},
		{"negative", "limits:\n  requests_per_second: -1\n", nil, nil, "chatd.yaml:2: limits.requests_per_second is -1; want 1 to 1000000, or 0 (no limit)"},
		{"too large", "session_ttl: 4000d\n", nil, nil, "chatd.yaml:1: session_ttl is 4000d; want 5m to 3650d"},
		{"shorter than can be renewed", "session_ttl: 4m\n", nil, nil, "chatd.yaml:1: session_ttl is 4m; want 5m to 3650d"},
		{"pages longer than the API's", "limits:\n  history_limit: 201\n", nil, nil, "chatd.yaml:2: limits.history_limit is 201; want 1 to 200, or 0 (no limit but the 200 of the interface)"},
		{"out of int64", "limits:\n  max_batch: 99999999999999999999\n", nil, nil, "chatd.yaml:2: limits.max_batch is 99999999999999999999; want a whole number"},
		{"not a number", "fanout:\n  busy_rate: .nan\n", nil, nil, "chatd.yaml:2: fanout.busy_rate is .nan; want a number"},
		{"many at once", "listn: x\nlog:\n  level: 3\n", []string{"CHATD_LIMITS_MAX_BATCH=x"}, []string{"--log-format", "xml"}, "chatd.yaml:1: unknown key listn (did you mean listen?)\n" +
			"chatd.yaml:3: log.level is 3; want debug, info, warn or error\nCHATD_LIMITS_MAX_BATCH: limits.max_batch is \"x\": want a whole number\n--log-format: log.format is \"xml\"; want text or json"},

		{"unknown variable", "-", []string{"CHATD_LIMITS_BURTS=5"}, nil, "CHATD_LIMITS_BURTS: unknown environment variable (did you mean CHATD_LIMITS_REQUEST_BURST?)"},
		{"unknown variable, no section", "-", []string{"CHATD_DATADIR=x"}, nil, "CHATD_DATADIR: unknown environment variable (did you mean CHATD_DATA_DIR?)"},
		{"unknown variable, nothing like it", "-", []string{"CHATD_COLOUR=blue"}, nil, "CHATD_COLOUR: unknown environment variable; chatd config show --origin lists the settings"},
		{"lower-case variable", "-", []string{"CHATD_listen=127.0.0.1:1"}, nil, "CHATD_listen: unknown environment variable (did you mean CHATD_LISTEN?)"},
		{"variable out of bounds", "-", []string{"CHATD_DRAIN_TIMEOUT=1h"}, nil, "CHATD_DRAIN_TIMEOUT: drain_timeout is 1h; want 0 to 10m"},
		{"variable of a wrong type", "-", []string{"CHATD_ALLOW_PLAINTEXT=yes"}, nil, `CHATD_ALLOW_PLAINTEXT: allow_plaintext is "yes": want true or false`},

		{"listen without port", "listen: localhost\n", nil, nil, `chatd.yaml:1: listen is "localhost"; want host:port, such as 127.0.0.1:8080, or :8080 for all addresses`},
		{"port out of range", "-", nil, []string{"--listen", "127.0.0.1:70000"}, `--listen: listen is "127.0.0.1:70000"; want a host and a port from 0 to 65535`},
		{"empty data directory", "data_dir: \"\"\n", nil, nil, "chatd.yaml:1: data_dir is empty; want a directory"},
		{"certificate without key", "tls:\n  cert_file: c.pem\n", nil, nil, "chatd.yaml:2: tls.cert_file is given without tls.key_file"},
		{"key without certificate", "tls:\n  key_file: k.pem\n", nil, nil, "chatd.yaml:2: tls.key_file is given without tls.cert_file"},
		{"plaintext for all", "-", nil, []string{"--listen", "0.0.0.0:8080"}, "--listen: listen is 0.0.0.0:8080, which others can reach, and there is no TLS: passwords would cross the network in the clear.\n" +
			"  Give tls.cert_file and tls.key_file (--tls-cert, --tls-key), or, behind a proxy that ends TLS, --allow-plaintext."},
		{"origin with a path", "allowed_origins: [\"https://a.example/chat\"]\n", nil, nil, `chatd.yaml:1: allowed_origins holds "https://a.example/chat"; want a web page's origin such as https://chat.example.org`},
		{"host with a scheme", "allowed_hosts: [\"https://a.example\"]\n", nil, nil, `chatd.yaml:1: allowed_hosts holds "https://a.example"; want a host name such as chat.example.org`},
		{"host with a port", "allowed_hosts: [\"chat.example.org:8443\"]\n", nil, nil, `chatd.yaml:1: allowed_hosts holds "chat.example.org:8443"; want chat.example.org: ports and brackets are not compared`},
		{"host in brackets", "allowed_hosts: [\"[::1]\"]\n", nil, nil, `chatd.yaml:1: allowed_hosts holds "[::1]"; want ::1: ports and brackets are not compared`},
		{"host in brackets with a port", "allowed_hosts: [\"[::1]:8443\"]\n", nil, nil, `chatd.yaml:1: allowed_hosts holds "[::1]:8443"; want ::1: ports and brackets are not compared`},
		{"only a port", "allowed_hosts: [\":8443\"]\n", nil, nil, `chatd.yaml:1: allowed_hosts holds ":8443"; want a host name such as chat.example.org`},
		{"proxy by name", "trusted_proxies: [proxy]\n", nil, nil, `chatd.yaml:1: trusted_proxies holds "proxy"; want an address or a network such as 10.0.0.0/8`},
		{"text over message", "limits:\n  max_text_bytes: 128KiB\n", nil, nil, "chatd.yaml:2: limits.max_text_bytes is 128KiB, more than limits.max_message_bytes, 64KiB"},
		{"burst under rate", "limits:\n  request_burst: 1000\n", nil, nil, "chatd.yaml:2: limits.request_burst is 1000, less than limits.requests_per_second, 2000"},
		{"burst under batch", "limits:\n  requests_per_second: 10\n  request_burst: 49\n", nil, nil, "chatd.yaml:3: limits.request_burst is 49, less than limits.max_batch, 50"},
		{"long setup token", "setup_token: " + strings.Repeat("x", 257) + "\n", nil, nil, "chatd.yaml:1: setup_token is longer than 256 characters"},
		{"a number for a secret", "setup_token: 1234567890123456789012345\n", nil, nil, `chatd.yaml:1: setup_token is no text; want text; put it in quotes: "…"`},
		{"bytes that are no text", "-", []string{"CHATD_DATA_DIR=a\xff"}, nil, "CHATD_DATA_DIR: data_dir is not UTF-8"},
		{"a list of such", "-", []string{"CHATD_ALLOWED_ORIGINS=https://a,https://b\xff"}, nil, "CHATD_ALLOWED_ORIGINS: allowed_origins is not UTF-8"},
		{"short setup token", "setup_token: hunter2\n", nil, nil, "chatd.yaml:1: setup_token is shorter than 20 characters"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg, _, err := load(t, tt.text, tt.env, tt.args...)
			if err == nil {
				t.Fatalf("accepted: %+v", cfg)
			}
			if d := cmp.Diff(tt.want, err.Error()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBoundsAreIncluded(t *testing.T) {
	for _, text := range []string{
		"session_ttl: 5m\n", "limits:\n  history_limit: 200\n", "setup_token: " + strings.Repeat("x", 256) + "\n",
		"allowed_hosts: [\"::1\", 192.0.2.1, chat.example.org, localhost]\n",
		"limits:\n  requests_per_second: 10\n  request_burst: 50\n",
		"limits:\n  requests_per_second: 10\n  request_burst: 10\n  max_batch: 0\n",
		"limits:\n  requests_per_second: 0\n  request_burst: 10\n",
	} {
		if _, _, err := load(t, text, nil); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestMissingFile(t *testing.T) {
	_, _, err := Load(&Source{File: "no-such-file.yaml"})
	if err == nil || !strings.HasPrefix(err.Error(), "cannot read the configuration: open no-such-file.yaml: ") {
		t.Errorf("got %v", err)
	}
}

// A service called chatd in Kubernetes puts these into every pod beside it.
func TestKubernetesLinksAreNoSettings(t *testing.T) {
	_, _, err := load(t, "-", []string{
		"CHATD_SERVICE_HOST=10.0.0.1", "CHATD_SERVICE_PORT=8080", "CHATD_SERVICE_PORT_HTTP=8080", "CHATD_PORT=tcp://10.0.0.1:8080",
		"CHATD_PORT_8080_TCP=tcp://10.0.0.1:8080", "CHATD_PORT_8080_TCP_PROTO=tcp", "CHATD_PORT_8080_TCP_PORT=8080", "CHATD_PORT_8080_TCP_ADDR=10.0.0.1",
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLimitsCanBeSwitchedOff(t *testing.T) {
	text := `limits:
  max_connections: 0
  max_anonymous_per_address: 0
  max_text_bytes: 0
  max_data_bytes: 0
  max_batch: 0
  requests_per_second: 0
  logins_per_minute: 0
  auth_timeout: 0
  request_timeout: 0
  ping_interval: 0
fanout:
  window: 0
  large_window: 0
`
	cfg, _, err := load(t, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Limits.MaxConnections != 0 || cfg.Limits.AuthTimeout != 0 || cfg.Fanout.Window != 0 {
		t.Errorf("got %+v", cfg.Limits)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	const secret = "setup_0123456789abcdefgh"
	cfg, origins, err := load(t, "-", []string{"CHATD_SETUP_TOKEN=" + secret})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{string(Show(cfg, nil)), string(Show(cfg, origins))} {
		if strings.Contains(shown, secret) || !strings.Contains(shown, `setup_token: "(hidden)"`) {
			t.Errorf("got\n%s", shown)
		}
	}
	if !strings.Contains(string(Show(cfg, origins)), "# CHATD_SETUP_TOKEN\n") {
		t.Error("the origin is missing")
	}
	for _, env := range []string{"CHATD_SETUP_TOKEN=shortsecret", "CHATD_SETUP_TOKEN=nul\x00secret"} {
		if _, _, err := load(t, "-", []string{env}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
	}
}

func TestRegistrationInEffect(t *testing.T) {
	tests := []struct {
		listen string
		given  Registration
		want   Registration
	}{
		{"127.0.0.1:8080", RegistrationAuto, RegistrationOpen},
		{"127.9.9.9:0", RegistrationAuto, RegistrationOpen},
		{"[::1]:8080", RegistrationAuto, RegistrationOpen},
		{"[::ffff:127.0.0.1]:8080", RegistrationAuto, RegistrationOpen},
		{"LocalHost:8080", RegistrationAuto, RegistrationOpen},
		{"0.0.0.0:8080", RegistrationAuto, RegistrationInvite},
		{":8080", RegistrationAuto, RegistrationInvite},
		{"[::]:8080", RegistrationAuto, RegistrationInvite},
		{"localhost.example.org:8080", RegistrationAuto, RegistrationInvite},
		{"192.168.1.2:8080", RegistrationOpen, RegistrationOpen},
		{"127.0.0.1:8080", RegistrationClosed, RegistrationClosed},
	}
	for _, tt := range tests {
		cfg, _, err := load(t, "-", nil, "--listen", tt.listen, "--registration", string(tt.given), "--allow-plaintext")
		if err != nil {
			t.Errorf("%s: %v", tt.listen, err)
			continue
		}
		if got := cfg.RegistrationInEffect(); got != tt.want {
			t.Errorf("%s %s: got %s, want %s", tt.listen, tt.given, got, tt.want)
		}
	}
}

func TestSetupTokenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte("setup_0123456789abcdefgh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, origins, err := load(t, "-", []string{"CHATD_SETUP_TOKEN_FILE=" + path})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := cfg.ReadSetupToken(); err != nil || got != "setup_0123456789abcdefgh" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := os.WriteFile(path, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = cfg.CheckFiles(origins)
	if err == nil || !strings.HasPrefix(err.Error(), "CHATD_SETUP_TOKEN_FILE: setup_token_file: ") || strings.Contains(err.Error(), "short\n") {
		t.Errorf("got %v", err)
	}
}
