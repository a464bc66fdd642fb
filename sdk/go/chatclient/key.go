package chatclient

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"sync/atomic"
	"time"
)

// keys makes idempotency keys: the time, 50 random bits for the client, and a count. With the time
// first, keys made later sort later, and the server's index of them grows at its end.
type keys struct {
	client string
	count  atomic.Int64
}

// sortable is base 32 in ASCII order.
var sortable = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func newKeys() *keys {
	var b [8]byte
	rand.Read(b[:]) // never fails, by its documentation
	return &keys{client: sortable.EncodeToString(b[:])[:10]}
}

// NewKey returns an idempotency key that was never used before.
func (c *Client) NewKey() string {
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().UnixMilli())<<16) // 48 bits hold 8,000 years
	key := make([]byte, 0, 32)
	key = append(sortable.AppendEncode(key, ms[:6]), c.keys.client...)
	return string(strconv.AppendInt(append(key, '-'), c.keys.count.Add(1), 10))
}
