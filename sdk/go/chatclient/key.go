package chatclient

import (
	"crypto/rand"
	"encoding/base32"
	"strconv"
	"strings"
	"sync/atomic"
)

// keys makes idempotency keys: 80 random bits for the process's client and a count.
type keys struct {
	prefix string
	count  atomic.Int64
}

func newKeys() *keys {
	var b [10]byte
	rand.Read(b[:]) // never fails, by its documentation
	return &keys{prefix: strings.ToLower(base32.StdEncoding.EncodeToString(b[:])) + "-"}
}

// NewKey returns an idempotency key that was never used before.
func (c *Client) NewKey() string {
	return c.keys.prefix + strconv.FormatInt(c.keys.count.Add(1), 10)
}
