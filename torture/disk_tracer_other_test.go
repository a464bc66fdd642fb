//go:build linux && !amd64

package torture

import "testing"

const diskTracing = false

func TestInject(t *testing.T) { t.Skip("no tracer for this processor") }
