package gogen

import (
	"strings"

	"github.com/chatd-dev/chatd/internal/rpcgen/ir"
)

var idempotencies = map[string]string{"natural": "IdempotencyNatural", "key": "IdempotencyKeyed", "none": "IdempotencyNone"}

func (p *printer) methods(d *ir.Document) {
	p.f("%s", methodTypes)
	p.f("// Names of the methods that clients call.\nconst (")
	for _, m := range requests(d) {
		p.f("%s = %q", constName(m), m.Name)
	}
	p.f(")\n")
	p.f("// Names of the notifications that the server sends.\nconst (")
	for _, m := range notifications(d) {
		p.f("%s = %q", constName(m), m.Name)
	}
	p.f(")\n")
	p.server(d)
	p.table(d)
}

func (p *printer) server(d *ir.Document) {
	p.f("// Server is what answers the methods of the contract, one caller's view of it.")
	p.f("type Server interface {")
	p.f("// Authorize says whether the caller may call m at all; it is asked before the parameters are read.")
	p.f("Authorize(ctx context.Context, m *Method) error")
	p.f("// Refused is told why m was not done: by Authorize, for its parameters, or by its own method.")
	p.f("Refused(ctx context.Context, m *Method, err error)\n")
	for _, m := range requests(d) {
		p.f("// %s answers %s: %s", GoName(m.Name), m.Name, m.Summary)
		p.f("%s(ctx context.Context, p *%s) (%s, error)", GoName(m.Name), paramsType(m), resultType(m))
	}
	p.f("}\n")
}

func (p *printer) table(d *ir.Document) {
	p.f("// Methods are the methods that clients call, in the document's order. Not to be changed.")
	p.f("var Methods = []*Method{")
	for _, m := range requests(d) {
		p.f("%s,", variableOf("method", m.Name))
	}
	p.f("}\n")
	p.f("var (")
	for _, m := range requests(d) {
		p.f("%s = &Method{", variableOf("method", m.Name))
		p.f("Name: %s, Summary: %q,", constName(m), m.Summary)
		p.f("Authz: Authz%s, Idempotency: %s,", GoName(m.Authz), idempotencies[m.Idempotency])
		if m.Slow {
			p.f("Slow: true,")
		}
		if m.Audit {
			p.f("Audit: true,")
		}
		if len(m.Params) > 0 {
			p.f("Params: %s.names,", variableOf("shape", m.Name))
		}
		if len(m.Errors) > 0 {
			var codes []string
			for _, e := range m.Errors {
				codes = append(codes, "Code"+e.Name)
			}
			p.f("Errors: []Code{%s},", strings.Join(codes, ", "))
		}
		p.f("dispatch: %s,\n}", variableOf("dispatch", m.Name))
	}
	p.f(")\n")
	p.f("// Lookup finds a method by its name, nil if there is none.")
	p.f("func Lookup(name string) *Method {\nswitch name {")
	for _, m := range requests(d) {
		p.f("case %s:\nreturn %s", constName(m), variableOf("method", m.Name))
	}
	p.f("}\nreturn nil\n}\n")
}

const methodTypes = `
// Authz says who may call a method.
type Authz string

// The values of Authz.
const (
	AuthzAnyone Authz = "anyone" // also before signing in
	AuthzUser   Authz = "user"   // who is signed in
	AuthzMember Authz = "member" // a member of the room that the method is about
	AuthzAdmin  Authz = "admin"  // an administrator of the server
)

// Idempotency says what calling a method twice does, and so whether a client may try again.
type Idempotency string

// The values of Idempotency.
const (
	IdempotencyNatural Idempotency = "natural" // the same as calling it once
	IdempotencyKeyed   Idempotency = "key"     // one effect for each idempotency_key
	IdempotencyNone    Idempotency = "none"    // two effects, or an error the second time
)

// Method is what the contract says of a method.
type Method struct {
	Name        string
	Summary     string
	Authz       Authz
	Idempotency Idempotency
	Slow        bool     // waits for the disk or computes long
	Audit       bool     // the audit log tells of it, done or refused
	Params      []string // names, in the order of their positions
	Errors      []Code   // besides those that any method may answer

	dispatch func(ctx context.Context, srv Server, params json.RawMessage, dst []byte) ([]byte, error)
}
`
