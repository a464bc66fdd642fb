package rig

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
)

// Metric reads a number from /metrics, 0 if there is none of that name: go_goroutines.
func (s *Server) Metric(name string) float64 {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL()+"/metrics", http.NoBody)
	if err != nil {
		return 0
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(rest, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}

// Goroutines is how many the server has.
func (s *Server) Goroutines() int { return int(s.Metric("go_goroutines")) }
