package chat

import (
	"bytes"
	"sort"
	"testing"
	"time"

	"github.com/google/uuid"
)

func TestNewID(t *testing.T) {
	now := time.UnixMilli(1_795_000_000_123)
	seen := map[string]bool{}
	var ids []string
	for i := range 1000 {
		id := NewID(prefixUser, now.Add(time.Duration(i)*time.Millisecond), nil)
		if !idForm.MatchString(id) || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
		ids = append(ids, id)
	}
	if !sort.StringsAreSorted(ids) {
		t.Error("ids made later do not sort later")
	}
	// The 26 characters are the 128 bits of a UUID of version 7 made at that time.
	id := NewID("", now, bytes.NewReader(bytes.Repeat([]byte{0xff}, 10)))
	var u uuid.UUID
	for _, c := range []byte(id) {
		v := bytes.IndexByte([]byte(crockford), c)
		carry := byte(v)
		for i := 15; i >= 0; i-- { // u = u<<5 | v
			next := u[i] >> 3
			u[i] = u[i]<<5 | carry
			carry = next
		}
	}
	sec, nsec := u.Time().UnixTime()
	if u.Version() != 7 || u.Variant() != uuid.RFC4122 || !time.Unix(sec, nsec).Equal(now) {
		t.Errorf("%s is %s, version %d, of %s", id, u, u.Version(), time.Unix(sec, nsec))
	}
}

func TestIsRoomID(t *testing.T) {
	id := NewID(prefixRoom, time.Now(), nil)
	for ref, want := range map[string]bool{
		id: true, id + "0": false, id[:30]: false, "room_": false, "lobby": false, NewID(prefixUser, time.Now(), nil): false,
		"room_81kb1z3c8efyvs6tjv5vz0q7xn": false, "room_01kb1z3c8efyvs6tjv5vz0q7xi": false,
	} {
		if isRoomID(ref) != want {
			t.Errorf("isRoomID(%q) = %v", ref, !want)
		}
	}
}

func TestPasswords(t *testing.T) {
	h := newHasher(1, 64, nil)
	a, err := h.hash(t.Context(), "secret secret")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := h.hash(t.Context(), "secret secret")
	if a == b {
		t.Error("no salt")
	}
	for _, c := range []struct {
		password, phc string
		want          bool
	}{{"secret secret", a, true}, {"secret secret", b, true}, {"Secret secret", a, false}, {"secret secret", "", false}, {"", "", false}} {
		if ok, err := h.verify(t.Context(), c.password, c.phc); err != nil || ok != c.want {
			t.Errorf("verify(%q, %q) = %v, %v", c.password, c.phc, ok, err)
		}
	}
	for _, phc := range []string{"plain", "$argon2id$v=1$m=64,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=x$AAAA$AAAA", "$argon2id$v=19$m=64,t=1,p=1$AAAA$"} {
		if ok, err := h.verify(t.Context(), "secret secret", phc); ok || err == nil {
			t.Errorf("verify against %q = %v, %v", phc, ok, err)
		}
	}
}
