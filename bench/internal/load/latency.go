package load

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Latency is percentiles in milliseconds.
type Latency struct {
	Samples int     `json:"samples"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
}

// summarize sorts samples, which are nanoseconds.
func summarize(samples []int64) Latency {
	slices.Sort(samples)
	return Latency{len(samples), milliseconds(percentile(samples, 50)), milliseconds(percentile(samples, 99)), milliseconds(percentile(samples, 100))}
}

// percentile is the smallest of the sorted values that p percent of them do not exceed: the nearest
// rank. 0 if there are none.
func percentile(sorted []int64, p int) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

func milliseconds(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }

// A text says when it was due: dueMark and 19 digits of the monotonic clock, first of all.
const (
	dueMark   = "due="
	dueDigits = 19
	textBytes = 100
)

// AppendText appends a text of textBytes that was due at due.
func AppendText(dst []byte, due int64) []byte {
	dst = fmt.Appendf(dst, dueMark+"%019d ", due)
	for range textBytes - len(dueMark) - dueDigits - 1 {
		dst = append(dst, 'x')
	}
	return dst
}

// stamp writes a due time into a text that has one.
func stamp(b []byte, due int64) {
	if i := bytes.Index(b, []byte(dueMark)); i >= 0 {
		copy(b[i+len(dueMark):], fmt.Appendf(nil, "%019d", due))
	}
}

// appendPost appends the request to post in a room, with a key as the SDK makes them: the time first.
func appendPost(dst []byte, id int64, room string, due int64) []byte {
	dst = fmt.Appendf(dst, `{"jsonrpc":"2.0","id":%d,"method":"message.post","params":{"room":%q,"text":"`, id, room)
	dst = AppendText(dst, due)
	return fmt.Appendf(dst, `","idempotency_key":"%011x.%08x"}}`, due, id)
}

// dueTimes calls f with the due time of each text in b.
func dueTimes(b []byte, f func(due int64)) {
	for {
		i := bytes.Index(b, []byte(dueMark))
		if i < 0 || len(b) < i+len(dueMark)+dueDigits {
			return
		}
		b = b[i+len(dueMark):]
		if due, err := strconv.ParseInt(string(b[:dueDigits]), 10, 64); err == nil {
			f(due)
		}
		b = b[dueDigits:]
	}
}

// responseID finds the id of a response; false if b is a notification.
func responseID(b []byte) (id int64, ok bool) {
	i := bytes.Index(b, []byte(`"id":`))
	if i < 0 {
		return 0, false
	}
	b = b[i+len(`"id":`):]
	end := bytes.IndexAny(b, ",}")
	if end < 0 {
		return 0, false
	}
	id, err := strconv.ParseInt(string(b[:end]), 10, 64)
	return id, err == nil
}

func isError(b []byte) bool { return !bytes.Contains(b, []byte(`"result":`)) }
