package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes is far more than all settings with comments need.
const maxFileBytes = 1 << 20

// layer is what one source says: values by key, and where each stands.
type layer struct {
	values map[string]any
	where  map[string]string
}

func newLayer() *layer { return &layer{values: map[string]any{}, where: map[string]string{}} }

// readFile reads and checks a configuration file.
func (s *schema) readFile(path string) (*layer, Problems) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Problems{{Message: "cannot read the configuration: " + err.Error()}}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, Problems{{Message: "cannot read the configuration: " + err.Error()}}
	}
	return s.parseFile(path, text)
}

// parseFile checks text strictly and returns its values. name is what faults are reported under.
func (s *schema) parseFile(name string, text []byte) (*layer, Problems) {
	if len(text) > maxFileBytes {
		return nil, Problems{{name, "larger than 1 MiB: that is no configuration of chatd"}}
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc, second yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return newLayer(), nil
	case err != nil:
		return nil, Problems{syntaxProblem(name, err)}
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		return nil, Problems{{at(name, second.Line), "a second document; want one"}}
	case !errors.Is(err, io.EOF):
		return nil, Problems{syntaxProblem(name, err)}
	}
	w := &walker{schema: s, file: name, layer: newLayer()}
	w.section("", doc.Content[0])
	return w.layer, w.problems
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

func syntaxProblem(name string, err error) Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		return Problem{name + ":" + m[1], "not YAML: " + strings.TrimPrefix(message, m[0])}
	}
	return Problem{name, "not YAML: " + message}
}

func at(name string, line int) string {
	if line == 0 {
		return name
	}
	return fmt.Sprintf("%s:%d", name, line)
}

// walker goes through a file's nodes.
type walker struct {
	schema   *schema
	file     string
	layer    *layer
	problems Problems
}

func (w *walker) fault(n *yaml.Node, format string, args ...any) {
	w.problems = append(w.problems, Problem{at(w.file, n.Line), fmt.Sprintf(format, args...)})
}

// section reads the mapping of the section key; "" is the whole file.
func (w *walker) section(key string, n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return // a section whose lines are all commented out
	}
	if n.Kind != yaml.MappingNode {
		if key == "" {
			w.fault(n, "want settings, one a line: key: value")
		} else {
			w.fault(n, "%s is a section: its settings stand below it, indented", key)
		}
		return
	}
	prefix := ""
	if key != "" {
		prefix = key + "."
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		full := prefix + name.Value
		if line, twice := seen[name.Value]; twice {
			w.fault(name, "%s is given twice; first in line %d", full, line)
			continue
		}
		seen[name.Value] = name.Line
		_, isSection := w.schema.sections[full]
		set := w.schema.byKey[full]
		switch {
		case name.Kind != yaml.ScalarNode || name.ShortTag() != "!!str" || strings.Contains(name.Value, "."):
			w.unknown(name, full)
		case isSection:
			w.section(full, value)
		case set != nil:
			w.value(set, value)
		default:
			w.unknown(name, full)
		}
	}
}

func (w *walker) unknown(name *yaml.Node, full string) {
	if hint := suggest(full, w.schema.names()); hint != "" {
		w.fault(name, "unknown key %s (did you mean %s?)", full, hint)
		return
	}
	w.fault(name, "unknown key %s", full)
}

// names lists all keys, sections too.
func (s *schema) names() []string {
	var names []string
	for key := range s.sections {
		names = append(names, key)
	}
	for key := range s.byKey {
		names = append(names, key)
	}
	sort.Strings(names)
	return names
}

func (w *walker) value(set *setting, n *yaml.Node) {
	v, err := set.fromYAML(n)
	if err == nil {
		err = set.check(v)
	}
	if err != nil {
		w.fault(n, "%s %s", set.key, err)
		return
	}
	w.layer.values[set.key], w.layer.where[set.key] = v, at(w.file, n.Line)
}

// fromYAML reads a value, allowing no type but the setting's own. Errors are to be read after the key.
func (s *setting) fromYAML(n *yaml.Node) (any, error) {
	if n.Kind == yaml.AliasNode {
		return nil, errors.New("is an alias; write the value out")
	}
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil, errors.New("has no value; leave the line out for the default")
	}
	if s.kind == kindList {
		return listFromYAML(n)
	}
	if n.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("is a list or a section; want %s", s.wants())
	}
	tag, ok := n.ShortTag(), false
	switch s.kind {
	case kindText:
		ok = tag == "!!str"
	case kindSwitch:
		ok = tag == "!!bool"
	case kindNumber:
		ok = tag == "!!int"
	case kindReal:
		ok = tag == "!!int" || tag == "!!float"
	case kindDuration:
		ok = tag == "!!str" || n.Value == "0"
	case kindSize:
		ok = tag == "!!str" || tag == "!!int"
	}
	if !ok && s.secret {
		return nil, fmt.Errorf("is no text; want %s", s.wants())
	}
	if !ok {
		return nil, fmt.Errorf("is %s; want %s", shown(n), s.wants())
	}
	v, err := s.kind.parse(n.Value)
	if err != nil {
		return nil, fmt.Errorf("is %s; want %s", shown(n), s.wants())
	}
	return v, nil
}

func shown(n *yaml.Node) string {
	if n.ShortTag() == "!!str" {
		return fmt.Sprintf("%q", n.Value)
	}
	return n.Value
}

// wants tells in words what the setting takes.
func (s *setting) wants() string {
	switch s.kind {
	case kindText:
		if s.enum != nil {
			return oneOf(s.enum)
		}
		return `text; put it in quotes: "…"`
	case kindSwitch:
		return "true or false"
	case kindNumber:
		return "a whole number"
	case kindReal:
		return "a number"
	case kindDuration:
		return "a duration such as 500ms, 30s, 10m, 12h or 90d"
	case kindSize:
		return "a size such as 65536, 64KiB or 1MiB"
	default:
		return "a list: [a, b]"
	}
}

func listFromYAML(n *yaml.Node) (any, error) {
	if n.Kind != yaml.SequenceNode {
		return nil, errors.New("want a list: [a, b]")
	}
	items := []string{}
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode || item.ShortTag() != "!!str" {
			return nil, fmt.Errorf("holds %s; want text in quotes", shown(item))
		}
		items = append(items, item.Value)
	}
	return items, nil
}
