package chat

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"regexp"
	"time"

	"github.com/chatd-dev/chatd/api"
)

const (
	prefixUser    = "user_"
	prefixRoom    = "room_"
	prefixSession = "session_"
	prefixMade    = "token_"
	prefixJob     = "job_"
	prefixToken   = "chd_"
	prefixInvite  = "inv_"
	prefixInvited = "invite_" // its id; the other begins its secret
	prefixExport  = "export_"
	prefixImport  = "import_"

	// PrefixSetup begins the setup token.
	PrefixSetup = "setup_"
	// PrefixEpoch begins the identity of a store's logs.
	PrefixEpoch = "epoch_"
)

// crockford is the alphabet of ids: base 32 without i, l, o and u, in ASCII order so that ids made
// later sort later.
const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// NewID makes prefix followed by the 26 base-32 characters of a UUIDv7 (RFC 9562 §5.7) of now.
// A nil random means crypto/rand.
func NewID(prefix string, now time.Time, random io.Reader) string {
	var b [16]byte
	readRandom(random, b[6:])
	ms := uint64(now.UnixMilli())
	binary.BigEndian.PutUint16(b[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(b[2:], uint32(ms))
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80

	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	out := make([]byte, len(prefix)+26)
	copy(out, prefix)
	for i := len(out) - 1; i >= len(prefix); i-- {
		out[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out)
}

// NewSecret makes prefix followed by 256 random bits in URL-safe base 64. A nil random means crypto/rand.
func NewSecret(prefix string, random io.Reader) string {
	var b [32]byte
	readRandom(random, b[:])
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// readRandom fills b; crypto/rand never fails, and a seeded source that does is a broken test.
func readRandom(random io.Reader, b []byte) {
	if random == nil {
		random = rand.Reader
	}
	if _, err := io.ReadFull(random, b); err != nil {
		panic("chat: random source: " + err.Error())
	}
}

func hashSecret(secret string) [32]byte { return sha256.Sum256([]byte(secret)) }

var idForm = regexp.MustCompile(`^(user|room|session|token|invite|job)_[0-7][0-9a-hjkmnp-tv-z]{25}$`)

// isRoomID tells ids from names. A name cannot look like an id: register and room.create refuse it.
func isRoomID(ref string) bool {
	return len(ref) == len(prefixRoom)+26 && ref[:len(prefixRoom)] == prefixRoom && idForm.MatchString(ref)
}

func isUserID(ref string) bool {
	return len(ref) == len(prefixUser)+26 && ref[:len(prefixUser)] == prefixUser && idForm.MatchString(ref)
}

// refuseIDForm keeps names from being taken for ids.
func refuseIDForm(field, name string) error {
	if idForm.MatchString(name) {
		return api.Errorf(api.CodeInvalidParams, "%s: must not look like an id", field).WithField(field)
	}
	return nil
}
