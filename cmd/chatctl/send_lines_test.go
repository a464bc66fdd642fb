package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/chatd-dev/chatd/api"
)

func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := paceOf(&api.Limits{RequestsPerSecond: 100, RequestBurst: 1000})
		began := time.Now()
		for range 800 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the burst took %v", took)
		}
		for range 950 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took < 9990*time.Millisecond || took > 10100*time.Millisecond {
			t.Errorf("950 more took %v, want 10 s", took)
		}
		p = paceOf(&api.Limits{})
		began = time.Now()
		for range 100_000 {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("without a limit: %v", took)
		}
	})
}
