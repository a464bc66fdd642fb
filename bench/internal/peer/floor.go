package peer

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/chatd-dev/chatd/bench/internal/proc"
	"golang.org/x/sys/unix"
)

// Burst is what the floor is told to write.
type Burst struct {
	Start    int64  // on the monotonic clock, in nanoseconds
	Interval int64  // between posts
	Posts    int    // each goes to all sockets of one room, the rooms in turn
	Frame    []byte // what is written for each
	Due      int    // where in Frame the 19 digits of the due time go; < 0: nowhere
}

// Written is what it answers.
type Written struct {
	Late   int64 // by how much the last post was begun late at most, in nanoseconds
	Stalls int64 // how often a socket was full
}

// ControlRoom is the room of the connection that gives orders, one JSON object a line.
const ControlRoom = 0xffffffff

// Floor serves until its control connection is closed. Each connection begins with four bytes, the
// number of its room.
func Floor() error {
	runtime.LockOSThread()
	debug.SetGCPercent(-1) // it makes no garbage; a collector that wakes would be counted
	listener, err := listenRaw()
	if err != nil {
		return err
	}
	f := &floor{}
	control, err := f.accept(listener)
	if err != nil {
		return err
	}
	orders := bufio.NewScanner(control)
	orders.Buffer(nil, 1<<20)
	for orders.Scan() {
		var b Burst
		if err := json.Unmarshal(orders.Bytes(), &b); err != nil {
			return err
		}
		w, err := f.write(&b)
		if err != nil {
			return err
		}
		answer, err := json.Marshal(w)
		if err != nil {
			return err
		}
		if _, err := control.Write(append(answer, '\n')); err != nil {
			return err
		}
	}
	return orders.Err()
}

type floor struct {
	rooms [][]int // descriptors
}

func listenRaw() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, err
	}
	if err := unix.Listen(fd, unix.SOMAXCONN); err != nil {
		return 0, err
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	in4, ok := addr.(*unix.SockaddrInet4)
	if !ok {
		return 0, errors.New("floor: the socket is not of IPv4")
	}
	fmt.Fprintf(os.Stderr, "floor listening on 127.0.0.1:%d\n", in4.Port)
	return fd, nil
}

// accept takes connections until the one that gives orders, which has to be the last.
func (f *floor) accept(listener int) (control *os.File, err error) {
	for {
		fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var b [4]byte
		if n, err := unix.Read(fd, b[:]); n != 4 {
			return nil, fmt.Errorf("floor: a connection began with %d bytes: %w", n, err)
		}
		room := binary.BigEndian.Uint32(b[:])
		if room == ControlRoom {
			return os.NewFile(uintptr(fd), "control"), nil
		}
		if err := tune(fd); err != nil {
			return nil, err
		}
		for int(room) >= len(f.rooms) {
			f.rooms = append(f.rooms, nil)
		}
		f.rooms[room] = append(f.rooms[room], fd)
	}
}

// tune makes the socket what servers in Go make it: it does not block, and sends at once.
func tune(fd int) error {
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

func (f *floor) write(b *Burst) (w Written, err error) {
	for i := range b.Posts {
		due := b.Start + int64(i)*b.Interval
		proc.SleepUntil(due)
		w.Late = max(w.Late, proc.Monotonic()-due)
		if b.Due >= 0 {
			copy(b.Frame[b.Due:], fmt.Appendf(nil, "%019d", due))
		}
		for _, fd := range f.rooms[i%len(f.rooms)] {
			if err := writeAll(fd, b.Frame, &w); err != nil {
				return w, err
			}
		}
	}
	return w, nil
}

func writeAll(fd int, b []byte, w *Written) error {
	for {
		n, err := unix.Write(fd, b)
		switch {
		case n == len(b):
			return nil
		case n > 0:
			b = b[n:]
		case errors.Is(err, unix.EAGAIN):
			w.Stalls++
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1); err != nil && !errors.Is(err, unix.EINTR) {
				return err
			}
		case !errors.Is(err, unix.EINTR):
			return fmt.Errorf("floor: write: %w", err)
		}
	}
}
