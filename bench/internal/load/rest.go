package load

import "errors"

type Lane struct{}

var errTodo = errors.New("todo")

func (r *runner) lane(*Lane) (any, error) { return nil, errTodo }
