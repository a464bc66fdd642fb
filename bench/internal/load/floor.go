package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/chatd-dev/chatd/bench/internal/peer"
	"github.com/chatd-dev/chatd/bench/internal/proc"
	"github.com/chatd-dev/chatd/bench/internal/wire"
)

// floorRun has the floor write what chatd would have to.
type floorRun struct {
	*fanoutRun
	control net.Conn
	answers *bufio.Reader
	frame   []byte
	due     int
}

func (fr *floorRun) close() {
	if fr.control != nil {
		fr.control.Close()
	}
}

func (fr *floorRun) setup() error {
	fr.frame = wire.AppendServerText(nil, fr.Event)
	fr.due = bytes.Index(fr.frame, []byte(dueMark)) + len(dueMark)
	var room [4]byte
	for i := range fr.Rooms * fr.Followers {
		c, err := fr.loop.Dial(fr.Addr)
		if err != nil {
			return err
		}
		binary.BigEndian.PutUint32(room[:], uint32(i/fr.Followers))
		if err := c.Send(room[:]); err != nil {
			return err
		}
		fr.conns = append(fr.conns, c)
	}
	dialer := net.Dialer{Timeout: fr.Patience}
	control, err := dialer.DialContext(context.Background(), "tcp", fr.Addr.String())
	if err != nil {
		return err
	}
	fr.control, fr.answers = control, bufio.NewReader(control)
	binary.BigEndian.PutUint32(room[:], peer.ControlRoom)
	if _, err = control.Write(room[:]); err != nil {
		return err
	}
	_, err = fr.order(0) // answered when all connections are taken
	return err
}

// order has n posts written and waits until they are.
func (fr *floorRun) order(n int) (late int64, err error) {
	var w peer.Written
	b := peer.Burst{Start: proc.Monotonic() + int64(5*time.Millisecond), Interval: int64(float64(time.Second) / fr.Rate), Posts: n, Frame: fr.frame, Due: fr.due}
	line, err := json.Marshal(b)
	if err != nil {
		return 0, err
	}
	if err := fr.control.SetDeadline(time.Now().Add(fr.Patience)); err != nil {
		return 0, err
	}
	if _, err := fr.control.Write(append(line, '\n')); err != nil {
		return 0, err
	}
	answer, err := fr.answers.ReadBytes('\n')
	if err != nil {
		if os.IsTimeout(err) {
			return 0, fmt.Errorf("the floor has not written %d posts within %v", n, fr.Patience)
		}
		return 0, fmt.Errorf("the floor: %w", err)
	}
	err = json.Unmarshal(answer, &w)
	return w.Late, err
}
