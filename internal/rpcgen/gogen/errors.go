package gogen

import (
	"strings"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

func (p *printer) errors(d *ir.Document) {
	p.f("// Code is the code of an error.\ntype Code int32\n")
	p.f("// The codes.\nconst (")
	for _, e := range d.Errors {
		p.f("// Code%s: %s", e.Name, e.Description)
		p.f("Code%s Code = %d", e.Name, e.Code)
	}
	p.f(")\n")
	p.f("// One error of each code, for errors.Is, which compares codes only.\nvar (")
	for _, e := range d.Errors {
		p.f("Err%s error = &Error{Code: Code%s, Message: %q, Data: ErrorData{Reason: %q, Retryable: %t}}", e.Name, e.Name, e.Message, e.Reason, e.Retryable)
	}
	p.f(")\n")
	p.f("// Reason is the code's symbolic name, such as not_found; \"\" if the code is not known.")
	p.f("func (c Code) Reason() string {\nswitch c {")
	for _, e := range d.Errors {
		p.f("case Code%s:\nreturn %q", e.Name, e.Reason)
	}
	p.f("}\nreturn \"\"\n}\n")
	p.f("// Message is the code's text for people; \"\" if the code is not known.")
	p.f("func (c Code) Message() string {\nswitch c {")
	for _, e := range d.Errors {
		p.f("case Code%s:\nreturn %q", e.Name, e.Message)
	}
	p.f("}\nreturn \"\"\n}\n")
	p.f("// Retryable tells whether the same request may succeed later.")
	var retryable []string
	for _, e := range d.Errors {
		if e.Retryable {
			retryable = append(retryable, "Code"+e.Name)
		}
	}
	p.f("func (c Code) Retryable() bool {")
	if len(retryable) > 0 {
		p.f("switch c {\ncase %s:\nreturn true\n}", strings.Join(retryable, ", "))
	}
	p.f("return false\n}\n")
	ready("errors.go.txt")(p, d)
	p.closeCodes(d)
}

func (p *printer) closeCodes(d *ir.Document) {
	p.f("// CloseCode is a WebSocket close code of the server's own.\ntype CloseCode int\n")
	p.f("// The close codes.\nconst (")
	for _, c := range d.CloseCodes {
		p.f("// CloseCode%s: %s", GoName(c.Name), c.Description)
		p.f("CloseCode%s CloseCode = %d", GoName(c.Name), c.Code)
	}
	p.f(")\n")
	p.f("// String is the code's name, or its digits if it has none.")
	p.f("func (c CloseCode) String() string {\nswitch c {")
	for _, c := range d.CloseCodes {
		p.f("case CloseCode%s:\nreturn %q", GoName(c.Name), c.Name)
	}
	p.f("}\nreturn strconv.Itoa(int(c))\n}\n")
	p.f("// Resume tells whether to come back with the same token and resume: all codes but 4500 to 4999.")
	p.f("func (c CloseCode) Resume() bool { return c < 4500 || c > 4999 }")
}

func (p *printer) document(d *ir.Document) {
	p.f("// APILevel grows by one with each addition to the contract.\nconst APILevel = %d\n", d.APILevel)
	p.f("//go:embed openrpc_gen.json\nvar documentJSON []byte\n")
	p.f("// DocumentJSON is openrpc.json, byte for byte. Not to be changed.")
	p.f("func DocumentJSON() []byte { return documentJSON }")
}
