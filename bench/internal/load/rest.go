package load

import "errors"

type (
	Idle    struct{}
	Connect struct{}
	Replay  struct{}
	Lane    struct{}
)

var errTodo = errors.New("todo")

func (r *runner) idle(*Idle) (any, error)       { return nil, errTodo }
func (r *runner) connect(*Connect) (any, error) { return nil, errTodo }
func (r *runner) replay(*Replay) (any, error)   { return nil, errTodo }
func (r *runner) lane(*Lane) (any, error)       { return nil, errTodo }
