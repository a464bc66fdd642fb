package chatclient

import (
	"context"

	"github.com/chatd-dev/chatd/api"
)

// Poster posts to a room in order (skeleton).
type Poster struct{}

// Post is one message of a Poster.
type Post struct{}

// NewPoster returns a Poster for room (id or name) with up to window posts unanswered; 0 means 256.
func (c *Client) NewPoster(room string, window int) *Poster { return nil }

// Post queues a text. It blocks while window posts are unanswered, and returns the error that stopped the Poster.
func (p *Poster) Post(ctx context.Context, text string) (*Post, error) { return nil, ErrClosed }

// PostMessage is Post with all parameters; Room may be empty, a key is made when absent.
func (p *Poster) PostMessage(ctx context.Context, m *api.MessagePostParams) (*Post, error) {
	return nil, ErrClosed
}

// Flush waits until all that was queued is answered; it returns the error that stopped the Poster.
func (p *Poster) Flush(ctx context.Context) error { return nil }

// Close stops the Poster; what is unanswered fails. Flush first.
func (p *Poster) Close() error { return nil }

// Done is closed when the post is answered.
func (p *Post) Done() <-chan struct{} { return nil }

// Wait returns the result.
func (p *Post) Wait(ctx context.Context) (*api.MessagePostResult, error) { return nil, ErrClosed }
