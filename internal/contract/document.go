package contract

import (
	"encoding/json"
	"sync"

	"github.com/chatd-dev/chatd/api"
)

// Document is the parts of openrpc.json that tests need.
type Document struct {
	Methods []struct {
		Name      string    `json:"name"`
		Direction string    `json:"x-direction"`
		Authz     string    `json:"x-authz"`
		Params    []Param   `json:"params"`
		Result    *Param    `json:"result"`
		Examples  []Example `json:"examples"`
	} `json:"methods"`
	Components struct {
		Schemas map[string]map[string]any `json:"schemas"`
	} `json:"components"`
	EventTypes map[string]map[string]any `json:"x-event-types"`
}

// Param is a parameter or a result.
type Param struct {
	Name     string         `json:"name"`
	Required bool           `json:"required"`
	Schema   map[string]any `json:"schema"`
}

// Example is one of a method.
type Example struct {
	Name   string `json:"name"`
	Params []struct {
		Name  string
		Value json.RawMessage
	} `json:"params"`
	Result *struct{ Value json.RawMessage } `json:"result"`
}

// Read gives the document, which nobody changes.
var Read = sync.OnceValue(func() *Document {
	var d Document
	if err := json.Unmarshal(api.DocumentJSON(), &d); err != nil {
		panic(err)
	}
	return &d
})
