package main

import (
	"context"
	"fmt"

	"github.com/chatd-dev/chatd/api"
	"github.com/chatd-dev/chatd/sdk/go/chatclient"
)

// acted is what became of an act on a message.
type acted struct {
	result       interface{ AppendJSON([]byte) []byte }
	seq          *api.Seq // of the event; nil: nothing was to do
	did, already string   // what to say in either case
}

// report prints what became of an act, unless it failed.
func (c *cli) report(a acted, err error) error {
	if err != nil {
		return err
	}
	c.done(a.result, a.seq != nil, a.did, a.already)
	return nil
}

func editMessage(ctx context.Context, client *chatclient.Client, p *api.MessageEditParams) (acted, error) {
	res, err := client.MessageEdit(ctx, p)
	if err != nil {
		return acted{}, err
	}
	return acted{res, res.Seq, fmt.Sprintf("changed #%d", p.Seq), fmt.Sprintf("#%d says that already", p.Seq)}, nil
}

func deleteMessage(ctx context.Context, client *chatclient.Client, p *api.MessageDeleteParams) (acted, error) {
	res, err := client.MessageDelete(ctx, p)
	if err != nil {
		return acted{}, err
	}
	return acted{res, res.Seq, fmt.Sprintf("deleted #%d", p.Seq), fmt.Sprintf("#%d was deleted already", p.Seq)}, nil
}

func react(ctx context.Context, client *chatclient.Client, p *api.ReactionAddParams) (acted, error) {
	res, err := client.ReactionAdd(ctx, p)
	if err != nil {
		return acted{}, err
	}
	return acted{res, res.Seq, fmt.Sprintf("reacted to #%d", p.Seq), fmt.Sprintf("#%d has that reaction of yours already", p.Seq)}, nil
}

func unreact(ctx context.Context, client *chatclient.Client, p *api.ReactionRemoveParams) (acted, error) {
	res, err := client.ReactionRemove(ctx, p)
	if err != nil {
		return acted{}, err
	}
	return acted{res, res.Seq, fmt.Sprintf("took it back from #%d", p.Seq), fmt.Sprintf("#%d has no such reaction of yours", p.Seq)}, nil
}

func pin(ctx context.Context, client *chatclient.Client, p *api.PinAddParams) (acted, error) {
	res, err := client.PinAdd(ctx, p)
	if err != nil {
		return acted{}, err
	}
	return acted{res, res.Seq, fmt.Sprintf("pinned #%d", p.Seq), fmt.Sprintf("#%d is pinned already", p.Seq)}, nil
}

func unpin(ctx context.Context, client *chatclient.Client, p *api.PinRemoveParams) (acted, error) {
	res, err := client.PinRemove(ctx, p)
	if err != nil {
		return acted{}, err
	}
	return acted{res, res.Seq, fmt.Sprintf("unpinned #%d", p.Seq), fmt.Sprintf("#%d is not pinned", p.Seq)}, nil
}
