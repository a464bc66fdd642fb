package chat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/chatd-dev/chatd/api"
)

var updateAuthz = flag.Bool("update", false, "write down what each caller may do now in testdata/authz.txt")

const authzFile = "testdata/authz.txt"

const authzHead = `# Who may do what: every method of openrpc.json, on each kind of target, by each kind of caller. TestAuthorization tries each
# cell, on each kind of store; go test ./chat -run TestAuthorization -update writes them down anew, and whoever does that reads the
# difference. A cell is ok, nothing (it is answered, and nothing was there) or the error's reason. What a caller may not see answers
# like what is not there.

`

// Who may do what is decided in testdata/authz.txt, cell by cell: a method that has no rows there does not pass.
func TestAuthorization(t *testing.T) {
	for _, store := range authzStores(t) {
		want, rows := readAuthz(t), make([][][]string, len(api.Methods))
		t.Run(store.name, func(t *testing.T) {
			for i, m := range api.Methods {
				decided := want[m.Name]
				t.Run(m.Name, func(t *testing.T) {
					t.Parallel()
					rows[i] = authzRows(t, store, m)
					if diff := gocmp.Diff(decided, rows[i]); diff != "" && !*updateAuthz {
						t.Errorf("not as decided (-%s +now):\n%s", authzFile, diff)
					}
				})
			}
		})
		if *updateAuthz {
			for i, m := range api.Methods {
				if rows[i] == nil { // left out by -run
					rows[i] = want[m.Name]
				}
			}
			writeAuthz(t, rows) // as it is with the last store: without -update they have to agree
			continue
		}
		for name := range want {
			if name != authzColumns[0] && api.Lookup(name) == nil {
				t.Errorf("%s decides on %s, which is not there", authzFile, name)
			}
		}
	}
}

var authzColumns = slices.Concat([]string{"method", "target"}, authzCallers)

var authzGap = regexp.MustCompile(`  +`)

// readAuthz gives the rows of the file by method.
func readAuthz(t *testing.T) map[string][][]string {
	t.Helper()
	text, err := os.ReadFile(authzFile)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][][]string{}
	for _, line := range strings.Split(string(text), "\n") {
		if line != "" && line[0] != '#' {
			row := authzGap.Split(line, -1)
			rows[row[0]] = append(rows[row[0]], row)
		}
	}
	return rows
}

func writeAuthz(t *testing.T, rows [][][]string) {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(authzHead)
	out := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range slices.Concat(append([][][]string{{authzColumns}}, rows...)...) {
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	if err := errors.Join(out.Flush(), os.WriteFile(authzFile, b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// authzRows tries a method.
func authzRows(t *testing.T, store *authzStore, m *api.Method) (rows [][]string) {
	t.Helper()
	a := &authz{t: t, from: store}
	defer a.close()
	targets := authzTargets(m)
	refusals := map[[2]string]string{} // by target and caller
	for i := range targets {
		target := &targets[i]
		row := []string{m.Name, target.name}
		for _, caller := range authzCallers {
			cell, refusal := a.try(m, target, caller)
			row = append(row, cell)
			refusals[[2]string{target.name, caller}] = refusal
			checkAuthz(t, m, target, caller, cell)
		}
		rows = append(rows, row)
	}
	for _, target := range targets {
		missing := slices.IndexFunc(targets, func(other authzTarget) bool { return other.like == target.like && other.room == authzMissing })
		for _, caller := range authzCallers {
			if missing < 0 || !isHidden(target.room, caller) || m.Name == api.MethodExportRead && slices.Contains(authzAdmins, caller) {
				continue // an administrator may export every room that has an owner
			}
			there, not := refusals[[2]string{target.name, caller}], refusals[[2]string{targets[missing].name, caller}]
			if there != not {
				t.Errorf("%s, to %s, is not as %s:\n%s\n%s", target.name, caller, targets[missing].name, there, not)
			}
		}
	}
	return rows
}

// checkAuthz holds a cell against the document's x-authz, whatever the file says.
func checkAuthz(t *testing.T, m *api.Method, target *authzTarget, caller, cell string) {
	t.Helper()
	wrong := m.Authz != api.AuthzAnyone && caller == "anonymous" && cell != "unauthenticated"
	switch m.Authz {
	case api.AuthzAnyone, api.AuthzUser:
	case api.AuthzMember:
		wrong = wrong || !isIn(target.room, caller) && cell == "ok"
	case api.AuthzAdmin:
		wrong = wrong || !slices.Contains(authzAdmins, caller) && cell == "ok"
	default:
		t.Errorf("nobody knows what x-authz %v means", m.Authz)
	}
	if wrong {
		t.Errorf("%s: %s by %s", target.name, cell, caller)
	}
}

// readingOn are the methods after which everything is as before, for the connection too: nothing is built anew for them.
var readingOn = slices.DeleteFunc(slices.Clone(unchanging), func(name string) bool {
	return slices.Contains([]string{api.MethodAuthResume, api.MethodTypingSet, api.MethodSyncOpen, api.MethodSyncUpdate, api.MethodSyncClose}, name)
})

// nothingThere are results that say that there was nothing.
var nothingThere = []string{`{"sessions":[]}`, `{"revoked":false}`, `{"presences":[]}`}

// try calls m and gives ok, nothing or the error's reason, and the whole of the error.
func (a *authz) try(m *api.Method, target *authzTarget, caller string) (cell, refusal string) {
	a.t.Helper()
	if a.authzHouse == nil {
		a.build()
	}
	c := a.clients[caller]
	params := a.params(m, *target, caller)
	explained := a.explain(m, target, c, params)
	result, err := m.Dispatch(a.t.Context(), c, params, nil)
	c.Replied()
	if explained != nil {
		a.compare(m, target, caller, explained, err)
	}
	var e *api.Error
	switch {
	case err == nil:
		if !slices.Contains(readingOn, m.Name) {
			a.close()
		}
		if slices.Contains(nothingThere, string(result)) {
			return "nothing", ""
		}
		return "ok", ""
	case !errors.As(err, &e):
		a.t.Errorf("%s, by %s: %v", target.name, caller, err)
		return "internal", ""
	}
	if e.Code == api.CodeInvalidParams && !target.malformed {
		a.t.Errorf("%s, by %s: %s: %v", target.name, caller, params, err) // the test's own mistake
	}
	refusal = string(e.AppendJSON(nil))
	if target.room != "" {
		refusal = strings.ReplaceAll(refusal, a.ref(target.room), "ROOM")
	}
	return e.Code.Reason(), refusal
}

// explain asks permission.explain about the very call; nil: there is nobody to ask.
func (a *authz) explain(m *api.Method, target *authzTarget, c *client, params json.RawMessage) *api.PermissionExplainResult {
	a.t.Helper()
	if !c.SignedIn() || m.Authz == api.AuthzAnyone || slices.Contains(m.Params, "rooms") || m.Name == api.MethodPermissionExplain || target.malformed {
		return nil
	}
	res, err := c.PermissionExplain(a.t.Context(), &api.PermissionExplainParams{Method: m.Name, Params: params})
	if err != nil {
		a.t.Errorf("to explain %s: %v", params, err)
	}
	return res
}

// onlyEntered are methods for members that nothing else decides on but who is in the room, and what there is.
var onlyEntered = []string{
	api.MethodMemberList, api.MethodMessageList, api.MethodMessageGet, api.MethodRoomHistory, api.MethodThreadGet, api.MethodPinList,
}

// compare holds the explanation against what happened: what is refused is so for that reason, and what is allowed to members is
// done, unless there is none. A method for members that is not explained to its end belongs into chat's tryable.
func (a *authz) compare(m *api.Method, target *authzTarget, caller string, explained *api.PermissionExplainResult, err error) {
	a.t.Helper()
	var e *api.Error
	refused := errors.As(err, &e)
	if refused && !explained.Allowed && (target.user == "nobody" || target.user == "No User!") {
		return // there are two reasons, and either will do
	}
	switch inRoom := m.Authz == api.AuthzMember && !slices.Contains(onlyEntered, m.Name) || m.Name == api.MethodRoomJoin && target.room != "" || m.Name == api.MethodRoomLeave; {
	case !explained.Allowed && (!refused || e.Message != explained.Message), inRoom && explained.Allowed && refused:
		a.t.Errorf("%s, by %s: explained as %+v, and it is %v", target.name, caller, explained, err)
	}
}
