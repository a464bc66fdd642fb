package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// tally is what has become of the lines so far.
type tally struct {
	posted     int
	duplicates int
	first      api.Seq
	last       api.Seq
}

// sendLines posts line after line, many under way at a time, and accounts for each.
func (s *send) sendLines(ctx context.Context, client *chatclient.Client, lines *lineReader) error {
	began := time.Now()
	room := s.name
	poster := client.NewPoster(s.params.Room, 0)
	defer hangUp(poster)
	var (
		sum     tally
		pending []*chatclient.Post // queued and not yet accounted for, oldest first; as many as the Poster's window
		show    = s.newProgress()
		failed  error
	)
	defer show.clear()
	posted := func() string { return count(sum.posted, "line", "lines") + " to " + room }
	for failed == nil {
		var line []byte
		if line, failed = lines.next(); failed != nil {
			break
		}
		p := s.params
		p.Text = string(line)
		if p.IdempotencyKey != "" {
			p.IdempotencyKey = fmt.Sprintf("%s-%d", s.params.IdempotencyKey, lines.number)
		}
		var post *chatclient.Post
		if post, failed = s.queue(ctx, poster, &p); failed != nil {
			break
		}
		pending = append(pending, post)
		for len(pending) > 0 && isDone(pending[0]) && failed == nil {
			failed = s.account(ctx, pending[0], &sum)
			pending = pending[1:]
		}
		show.at(posted)
	}
	// Whatever ended the text, what was queued before it has its place and is waited for.
	var refused error
	for _, post := range pending {
		if refused = s.account(ctx, post, &sum); refused != nil {
			break
		}
		show.at(posted)
	}
	show.clear()
	switch {
	case refused != nil:
		return &partialError{sum.posted, aboutRoom(room, refused)}
	case !errors.Is(failed, io.EOF):
		return &partialError{sum.posted, aboutInput(room, failed)}
	}
	s.summary(&sum, time.Since(began))
	return nil
}

// aboutInput adds the room to what the server said, and nothing to what is wrong with the text.
func aboutInput(room string, err error) error {
	var bad *badInput
	if errors.As(err, &bad) {
		return err
	}
	return aboutRoom(room, err)
}

// queue hands a message to the poster; --timeout bounds the wait for room in its window, during
// which nothing at all is answered.
func (s *send) queue(ctx context.Context, poster *chatclient.Poster, p *api.MessagePostParams) (*chatclient.Post, error) {
	ctx, cancel := s.within(ctx)
	defer cancel()
	return poster.PostMessage(ctx, p)
}

func isDone(p *chatclient.Post) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

// account waits for the answer to one post and adds it to sum.
func (s *send) account(ctx context.Context, post *chatclient.Post, sum *tally) error {
	ctx, cancel := s.within(ctx)
	defer cancel()
	res, err := post.Wait(ctx)
	if err != nil {
		return err
	}
	if sum.posted == 0 {
		sum.first = res.Seq
	}
	sum.posted++
	sum.last = res.Seq
	if res.Duplicate {
		sum.duplicates++
	}
	if s.json {
		s.out.record(res.AppendJSON(nil))
	}
	return nil
}

func (s *send) summary(sum *tally, took time.Duration) {
	if sum.posted == 0 {
		s.note("no lines")
		return
	}
	before := ""
	if sum.duplicates > 0 {
		before = fmt.Sprintf(", %s of them before", thousands(sum.duplicates))
	}
	s.note("posted %s to %s%s, numbers %d to %d, in %s", count(sum.posted, "line", "lines"), s.name, before, sum.first, sum.last, ago(took))
}
