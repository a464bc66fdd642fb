package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// setting is one leaf of Config.
type setting struct {
	key    string // limits.max_batch
	env    string // CHATD_LIMITS_MAX_BATCH
	doc    string
	kind   kind
	enum   []string
	secret bool
	reload bool

	min, max float64 // of numbers, durations (ns) and sizes; both included
	low, top string  // the same as written; "" means no bound
	off      string  // what 0 means although it is out of bounds; "" means that it is no exception

	index []int // the field, for reflect
}

// section is a struct inside Config.
type section struct {
	key, doc string
}

// schema lists the settings in the order of Config. Entries of sections stand before their settings.
type schema struct {
	settings []*setting
	sections map[string]section
	byKey    map[string]*setting
	byEnv    map[string]*setting
}

func newSchema() *schema {
	s := &schema{sections: map[string]section{}, byKey: map[string]*setting{}, byEnv: map[string]*setting{}}
	s.add(reflect.TypeFor[Config](), "", nil)
	return s
}

func (s *schema) add(t reflect.Type, prefix string, index []int) {
	for i := range t.NumField() {
		f := t.Field(i)
		key, at := prefix+f.Tag.Get("mapstructure"), append(index[:len(index):len(index)], i)
		if f.Type.Kind() == reflect.Struct {
			s.sections[key] = section{key: key, doc: f.Tag.Get("doc")}
			s.add(f.Type, key+".", at)
			continue
		}
		set := &setting{
			key: key, doc: f.Tag.Get("doc"), kind: kindOf(f.Type), index: at,
			env:    "CHATD_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_")),
			secret: f.Tag.Get("secret") != "", reload: f.Tag.Get("reload") != "",
			low: f.Tag.Get("min"), top: f.Tag.Get("max"), off: f.Tag.Get("off"),
		}
		if enum := f.Tag.Get("enum"); enum != "" {
			set.enum = strings.Split(enum, ",")
		}
		set.min, set.max = set.kind.bound(set.low), set.kind.bound(set.top)
		s.settings = append(s.settings, set)
		s.byKey[set.key], s.byEnv[set.env] = set, set
	}
}

// bound reads a min or max tag. A fault in it is a fault of this package.
func (k kind) bound(text string) float64 {
	if text == "" {
		return 0
	}
	v, err := k.parse(text)
	if err != nil {
		panic("config: bound " + text + ": " + err.Error())
	}
	return magnitude(v)
}

// magnitude makes values comparable with bounds.
func magnitude(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case time.Duration:
		return float64(v)
	case Bytes:
		return float64(v)
	}
	return 0
}

// check judges a value as parse returns it, by itself.
func (s *setting) check(v any) error {
	switch s.kind {
	case kindText:
		if s.enum != nil && !slices.Contains(s.enum, v.(string)) {
			return fmt.Errorf("is %q; want %s", v, oneOf(s.enum))
		}
		return checkText(v.(string))
	case kindList:
		for _, item := range v.([]string) {
			if err := checkText(item); err != nil {
				return err
			}
		}
		return nil
	case kindSwitch:
		return nil
	}
	n := magnitude(v)
	if n == 0 && s.off != "" || n >= s.min && (s.top == "" || n <= s.max) {
		return nil
	}
	return fmt.Errorf("is %s; want %s", s.kind.format(reflect.ValueOf(v)), s.bounds())
}

// checkText refuses what neither a file's name nor YAML can hold.
func checkText(text string) error {
	switch {
	case strings.ContainsRune(text, 0):
		return errors.New("holds a zero byte")
	case !utf8.ValidString(text):
		return errors.New("is not UTF-8")
	}
	return nil
}

// bounds tells in words what a number may be: 1 to 100000, or 0 (no limit).
func (s *setting) bounds() string {
	low := s.low
	if low == "" {
		low = "0"
	}
	if s.off != "" && s.low == "" {
		low = "1"
		if s.kind == kindDuration {
			low = "1ms"
		}
	}
	text := low + " or more"
	if s.top != "" {
		text = low + " to " + s.top
	}
	if s.off != "" {
		text += ", or 0 (" + s.off + ")"
	}
	return text
}

// value is the setting's field in cfg.
func (s *setting) value(cfg *Config) reflect.Value {
	return reflect.ValueOf(cfg).Elem().FieldByIndex(s.index)
}

// format writes the value that the setting has in cfg.
func (s *setting) format(cfg *Config) string { return s.kind.format(s.value(cfg)) }

func oneOf(words []string) string {
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
