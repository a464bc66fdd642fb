package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// parseLength reads a duration that may be in days: 90d, 12h, 1d12h.
func parseLength(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	rest, sum := text, time.Duration(0)
	if head, tail, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(head, 10, 16)
		if err != nil {
			return 0, errLength
		}
		if sum = time.Duration(n) * day; tail == "" {
			return sum, nil
		}
		rest = tail
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return 0, errLength
	}
	return sum + d, nil
}

var errLength = errors.New("want a duration such as 90d, 12h or 30s")

// parseAge is parseLength for a flag.
func parseAge(flag, text string) (time.Duration, error) {
	d, err := parseLength(text)
	if err != nil {
		return 0, usagef("--"+flag+" 90d", "--%s %q: %v", flag, text, err)
	}
	return d, nil
}

// lengthFlag is a flag for how long something lasts.
type lengthFlag struct {
	d    *time.Duration
	some bool // nothing at all is refused
}

// String is what help shows as the default; none for nothing.
func (f lengthFlag) String() string {
	const day = 24 * time.Hour
	switch {
	case f.d == nil || *f.d == 0: // pflag asks the zero value too
		return ""
	case *f.d%day == 0:
		return fmt.Sprintf("%dd", *f.d/day)
	}
	return f.d.String()
}

func (f lengthFlag) Set(text string) error {
	d, err := parseLength(text)
	if err == nil && d == 0 && f.some {
		err = errors.New("must be more than nothing")
	}
	if err == nil {
		*f.d = d
	}
	return err
}

func (lengthFlag) Type() string { return "duration" }

// moment reads a day, a time, or how long ago by the server's clock.
func (c *cli) moment(ctx context.Context, client *chatclient.Client, flag, text string) (*api.Timestamp, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, c.zone()); err == nil {
			at := api.TimestampOf(t)
			return &at, nil
		}
	}
	d, err := parseAge(flag, text)
	if err != nil {
		return nil, usagef("--"+flag+" 90d", "--%s %q: want a day such as 2026-01-31, a time, or how long ago, such as 90d", flag, text)
	}
	ctx, cancel := c.within(ctx)
	defer cancel()
	pong, err := client.ServerPing(ctx, &api.ServerPingParams{})
	if err != nil {
		return nil, err
	}
	at := pong.At - api.Timestamp(d.Milliseconds())
	return &at, nil
}

// lasts is a duration in words: 90 days, 36h0m0s.
func lasts(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= day && d%day == 0 {
		return count(int(d/day), "day", "days")
	}
	return d.String()
}

// keeps is a rule in words.
func keeps(r *api.RetentionRule) string {
	var all []string
	if r.MaxAgeS != nil {
		all = append(all, lasts(time.Duration(*r.MaxAgeS)*time.Second))
	}
	if r.MaxMessages != nil {
		all = append(all, fmt.Sprintf("the last %s", count(int(*r.MaxMessages), "message", "messages")))
	}
	if all == nil {
		return "for ever"
	}
	return strings.Join(all, ", ")
}
