package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/chatd-dev/chatd/"

// staircase says what each package may import of ours, besides packages beneath itself. The longest
// entry that fits counts; a package without an entry fails the test: give it its stair.
var staircase = []struct {
	pkg    string
	may    []string
	reason string
}{
	{"api", nil, "the contract is generated and stands alone, so that anybody may import it"},
	{"chat", []string{"api", "internal/mutant"}, "the domain speaks the contract and knows no SQL and no socket"},
	{"store", []string{"api", "chat", "internal/mutant"}, "a store implements chat's port and knows nobody above it"},
	{"rpcserver", []string{"api", "chat", "internal/mutant"}, "the transport calls the domain and never SQL"},
	{"sdk/go", []string{"api"}, "a client knows the contract only, not the server's insides"},
	{"cmd/chatd", []string{"api", "chat", "store", "rpcserver"}, "the server is wired here; it is no client of itself"},
	{"cmd/chatd/config", nil, "configuration knows names and bounds, not the floors that they go to"},
	{"cmd/chatctl", []string{"api", "sdk/go", "internal/termsafe"}, "the command line can do what the SDK can, and no more"},
	{"internal/termsafe", nil, "cleaning text for a terminal needs nothing of ours"},
	{"internal/rpcgen", nil, "the generator reads openrpc.json; it must build before what it generates"},
	{"internal/apilint", []string{"internal/rpcgen"}, "judges the document, not the server"},
	{"internal/fuzzing", nil, "runs any package's fuzz targets, so it may know none"},
	{"internal/archtest", nil, "looks at everything from outside"},
	{"internal/readmetest", nil, "runs what the README shows, from outside"},
	{"internal/mutant", nil, "a list of names"},
	{"internal/race", nil, "a constant for tests"},
	{"internal/disks", nil, "makes file systems, whatever is put on them"},
	{"internal/rig", []string{"api", "sdk/go", "internal/mutant"}, "runs the server's binary and is its client"},
	{"internal/contract", []string{"api"}, "holds frames against the document alone"},
	{"internal/oracle", []string{"api"}, "judges what clients saw by the contract alone"},
	{"internal/month", []string{"api"}, "knows what an export is, and nothing of the server"},
	{"internal/simulation", nil, "simulates the whole server, from outside"},
	{"torture", nil, "tortures the binaries, from outside"},
	{"testscript", nil, "runs the binaries, from outside"},
}

// outside says which modules of others may be imported where. The standard library may be imported
// everywhere; what is not listed nowhere. Tests are free in this: golangci-lint's depguard watches them.
var outside = []struct {
	pkg   string
	may   []string
	where string
}{
	{"api", nil, "whoever imports the contract gets nothing else with it"},
	{"chat", []string{"github.com/google/uuid", "golang.org/x/crypto", "golang.org/x/text", "golang.org/x/time"}, "no SQL, no socket, no configuration"},
	{"store", []string{"modernc.org/sqlite", "github.com/pressly/goose", "golang.org/x/sys", "github.com/google/uuid", "github.com/google/go-cmp", "pgregory.net/rapid"}, "SQL stops here; the suite is a test"},
	{"rpcserver", []string{"github.com/sourcegraph/jsonrpc2", "github.com/coder/websocket", "golang.org/x/time", "golang.org/x/sys"}, "JSON-RPC and sockets stop here"},
	{"sdk/go", []string{"github.com/sourcegraph/jsonrpc2", "github.com/coder/websocket"}, "what users of the SDK have to take along is kept small"},
	{"cmd/chatd", []string{"github.com/spf13", "github.com/prometheus/client_golang", "github.com/go-viper/mapstructure", "go.yaml.in/yaml", "golang.org/x/term", "golang.org/x/sys"}, "viper is known in cmd/ only"},
	{"cmd/chatctl", []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term", "golang.org/x/sys"}, "viper would be more than a client needs"},
	{"internal/termsafe", []string{"github.com/charmbracelet/x/ansi", "golang.org/x/text"}, ""},
	{"internal/rpcgen", nil, "go generate needs Go alone"},
	{"internal/apilint", []string{"github.com/santhosh-tekuri/jsonschema", "golang.org/x/text"}, ""},
	{"internal/contract", []string{"github.com/santhosh-tekuri/jsonschema"}, ""},
	{"internal/disks", []string{"golang.org/x/sys"}, ""},
}

type goPackage struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
	Standard     bool
}

// listPackages asks the go command for all packages of the module.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports,GoFiles,Standard", "./...")
	cmd.Dir = root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func within(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

func TestImportsGoDownTheStaircase(t *testing.T) {
	for _, p := range listPackages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		best := -1
		for i, s := range staircase {
			if within(pkg, s.pkg) && (best < 0 || len(s.pkg) > len(staircase[best].pkg)) {
				best = i
			}
		}
		if best < 0 {
			t.Errorf("%s has no stair: add it to the table with what it may import and why", pkg)
			continue
		}
		stair := staircase[best]
		for _, imported := range p.Imports {
			ours, isOurs := strings.CutPrefix(imported, module)
			if isOurs && !within(ours, stair.pkg) && !fits(ours, stair.may) {
				t.Errorf("%s imports %s: %s", pkg, ours, stair.reason)
			}
		}
	}
}

func TestModulesOfOthersStayWhereTheyBelong(t *testing.T) {
	for _, p := range listPackages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		for _, imported := range p.Imports {
			first, _, _ := strings.Cut(imported, "/")
			if !strings.Contains(first, ".") || strings.HasPrefix(imported, module) {
				continue
			}
			allowed, reason := false, "it is not listed"
			for _, o := range outside {
				if within(pkg, o.pkg) {
					allowed, reason = fits(imported, o.may), o.where
				}
			}
			if !allowed {
				t.Errorf("%s imports %s: %s", pkg, imported, reason)
			}
		}
	}
}

// fits tells whether pkg is one of dirs, beneath one of them, or another major version of one.
func fits(pkg string, dirs []string) bool {
	for _, dir := range dirs {
		if within(pkg, dir) {
			return true
		}
	}
	return false
}

// Tests of the floors below cmd/ may look up the staircase (a store's test drives chat), but viper stays in cmd/ even there.
func TestViperIsKnownInCmdOnly(t *testing.T) {
	for _, p := range listPackages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, module)
		for _, list := range [][]string{p.Imports, p.TestImports, p.XTestImports} {
			for _, imported := range list {
				if within(imported, "github.com/spf13/viper") && !within(pkg, "cmd/chatd/config") {
					t.Errorf("%s imports viper: configuration is read in cmd/chatd/config and handed on as Options", pkg)
				}
			}
		}
	}
}

// The staircase is worth nothing if a rule in it could not fail.
func TestRulesCanFail(t *testing.T) {
	if fits("chatx", []string{"chat"}) || !fits("chat/sub", []string{"chat"}) || fits("rpcserver", nil) {
		t.Error("fits takes what it must not, or refuses what it may not")
	}
}
