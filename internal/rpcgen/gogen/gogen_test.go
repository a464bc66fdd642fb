package gogen

import (
	"regexp"
	"strings"
	"testing"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

func TestGoName(t *testing.T) {
	for name, want := range map[string]string{
		"message.post": "MessagePost", "retry_after_ms": "RetryAfterMS", "expires_in_s": "ExpiresInS", "rpc.discover": "RPCDiscover", "id": "ID",
		"room_id": "RoomID", "api_level": "APILevel", "slow_consumer": "SlowConsumer", "UserID": "UserID", "not-found": "NotFound",
	} {
		if got := GoName(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct{ pattern, want string }{ // want: part of the error; "" if it can be printed
		{`^user_[0-7][0-9a-hjkmnp-tv-z]{25}$`, ""},
		{`^[a-z0-9][a-z0-9._-]{0,31}$`, ""},
		{`^[!-~]{1,128}$`, ""},
		{`^a+$`, ""},
		{`^a[b-c]?$`, ""},
		{`^\(x[0-9]*$`, ""},
		{`a+$`, "anchored"},
		{`^a+`, "anchored"},
		{`^a+b$`, "only its last part"},
		{`^(a|bc)$`, "cannot match"},
		{`^(ab)+$`, "cannot repeat"},
		{`^(?i)ab$`, "ignores case"},
		{`^[^a]$`, "more than ASCII"},
		{`^.$`, "cannot match"},
		{`^[$`, "missing"},
	} {
		_, err := pieces(c.pattern)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.pattern, err, c.want)
		}
	}
}

// A pattern taken apart means the same as the whole.
func TestPiecesMatch(t *testing.T) {
	for _, pattern := range []string{`^ab[0-7][0-9a-hj]{2}$`, `^[a-z0-9][a-z0-9._-]{0,3}$`, `^[!-~]{1,4}$`, `^x\([a-c]*$`} {
		parts, err := pieces(pattern)
		if err != nil {
			t.Fatal(err)
		}
		re := regexp.MustCompile(pattern)
		for _, s := range []string{"", "a", "ab00", "ab0hj", "ab8hj", "ab0hi", "ab0hjj", "-", "a-", "a.__", "a.___", "a b", "~!", "!!!!!", "x(", "x(abc", "x(abd", "x", "é"} {
			if got := match(parts, s); got != re.MatchString(s) {
				t.Errorf("%s on %q: %v", pattern, s, got)
			}
		}
	}
}

// match does what the printed functions do.
func match(parts []piece, s string) bool {
	at := 0
	for _, part := range parts {
		n := 0
		for ; at < len(s) && (part.max < 0 || n < part.max) && in(rune(s[at]), part.ranges); n++ {
			at++
		}
		if n < part.min {
			return false
		}
	}
	return at == len(s)
}

func in(c rune, ranges []rune) bool {
	for i := 0; i < len(ranges); i += 2 {
		if c >= ranges[i] && c <= ranges[i+1] {
			return true
		}
	}
	return false
}

func TestPatternThatCannotBePrinted(t *testing.T) {
	bad := &ir.Type{Kind: ir.String, Name: "Odd", Pattern: "^(a|bc)$"}
	d := &ir.Document{Types: []*ir.Type{bad}, Methods: []*ir.Method{{
		Name: "odd.one", Authz: "anyone", Idempotency: "natural", Result: &ir.Type{Kind: ir.Object, Name: "R"},
		Params: []*ir.Field{{Name: "x", Type: bad}},
	}}}
	if _, err := API(d); err == nil || !strings.Contains(err.Error(), "Odd: pattern ^(a|bc)$") {
		t.Errorf("got %v", err)
	}
}
