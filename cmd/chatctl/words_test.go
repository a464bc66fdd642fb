package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestInWords(t *testing.T) {
	for message, want := range map[string]string{
		"name: must match ^[a-z0-9][a-z0-9._-]{0,63}$":              "name: must be 1 to 64 of a-z, 0-9, dot, hyphen and underscore, and begin with a letter or digit",
		"idempotency_key: must match ^[!-~]{1,128}$":                "idempotency_key: must be 1 to 128 letters, digits and signs of ASCII, no space",
		"job: must match ^job_[0-7][0-9a-hjkmnp-tv-z]{25}$":         "job: must be an id, job_ and 26 letters and digits",
		"data: must be an object, not an array":                     "data: must be an object, not an array",
		"\"must match ^[!-~]{1,64}$\" is what somebody has as text": "\"must be 1 to 64 letters, digits and signs of ASCII, no space\" is what somebody has as text",
	} {
		if got := inWords(message); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Every pattern of the contract that a person may fail has words.
func TestPatternsHaveWords(t *testing.T) {
	raw, err := os.ReadFile("../../openrpc.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Components struct {
			Schemas map[string]struct{ Pattern string }
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	found := 0
	for name, schema := range doc.Components.Schemas {
		if schema.Pattern == "" || strings.HasPrefix(schema.Pattern, "^[0-9a-f]") { // a checksum, which no person types
			continue
		}
		found++
		if message := "must match " + schema.Pattern; inWords(message) == message {
			t.Errorf("%s: %s has no words", name, schema.Pattern)
		}
	}
	if found < 5 {
		t.Errorf("%d patterns in the contract", found)
	}
}
