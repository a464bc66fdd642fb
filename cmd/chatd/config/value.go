package config

import (
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Bytes is a size. It is written as a plain number or with KiB, MiB or GiB.
type Bytes int64

var byteUnits = []struct {
	name string
	size Bytes
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes the size with the largest unit that leaves a whole number.
func (b Bytes) String() string {
	for _, u := range byteUnits[:3] {
		if b != 0 && b%u.size == 0 {
			return strconv.FormatInt(int64(b/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

func parseBytes(text string) (Bytes, error) {
	number, unit := text, Bytes(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, errors.New("want a size such as 65536, 64KiB or 1MiB")
	}
	if n > math.MaxInt64/int64(unit) || n < math.MinInt64/int64(unit) {
		return 0, errors.New("size too large")
	}
	return Bytes(n) * unit, nil
}

const day = 24 * time.Hour

// parseDuration is time.ParseDuration with days in front: 90d, 1d12h. A bare 0 needs no unit, other numbers do.
func parseDuration(text string) (time.Duration, error) {
	fault := errors.New("want a duration such as 500ms, 30s, 10m, 12h or 90d")
	rest, sum := text, time.Duration(0)
	if head, tail, ok := strings.Cut(text, "d"); ok {
		days, err := strconv.ParseInt(head, 10, 64)
		if err != nil || days < 0 || days > int64(math.MaxInt64/day) {
			return 0, fault
		}
		if sum = time.Duration(days) * day; tail == "" {
			return sum, nil
		}
		rest = tail
	}
	d, err := time.ParseDuration(rest)
	if err != nil || (sum > 0 && (d < 0 || d >= math.MaxInt64-sum)) {
		return 0, fault
	}
	return sum + d, nil
}

func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	if d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	text := d.String() // 1h30m0s, 10m0s
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// kind is what sort of value a setting has.
type kind string

const (
	kindText     kind = "text"
	kindSwitch   kind = "true or false"
	kindNumber   kind = "number"
	kindReal     kind = "decimal number"
	kindDuration kind = "duration"
	kindSize     kind = "size"
	kindList     kind = "list"
)

func kindOf(t reflect.Type) kind {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return kindDuration
	case t == reflect.TypeFor[Bytes]():
		return kindSize
	}
	switch t.Kind() {
	case reflect.String:
		return kindText
	case reflect.Bool:
		return kindSwitch
	case reflect.Int, reflect.Int64:
		return kindNumber
	case reflect.Float64:
		return kindReal
	case reflect.Slice:
		return kindList
	default:
		panic("config: a setting of type " + t.String())
	}
}

// parse reads a value from text, as the environment and flags give it. The result has the type that
// the field has, or its underlying one.
func (k kind) parse(text string) (any, error) {
	switch k {
	case kindText:
		return text, nil
	case kindSwitch:
		switch text {
		case "true", "1":
			return true, nil
		case "false", "0":
			return false, nil
		}
		return nil, errors.New("want true or false")
	case kindNumber:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, errors.New("want a whole number")
		}
		return n, nil
	case kindReal:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return nil, errors.New("want a number")
		}
		return n, nil
	case kindDuration:
		return parseDuration(text)
	case kindSize:
		return parseBytes(text)
	case kindList:
		r := csv.NewReader(strings.NewReader(text))
		r.TrimLeadingSpace = true
		items, err := r.Read()
		if err != nil || strings.Contains(text, "\n") {
			return nil, errors.New("want a list with commas: a, b")
		}
		return items, nil
	}
	panic("config: kind " + string(k))
}

// format writes a value as config.example.yaml has it.
func (k kind) format(v reflect.Value) string {
	switch k {
	case kindDuration:
		return formatDuration(time.Duration(v.Int()))
	case kindSize:
		return Bytes(v.Int()).String()
	case kindText:
		return quote(v.String())
	case kindList:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = quote(v.Index(i).String())
		}
		return "[" + strings.Join(items, ", ") + "]"
	case kindReal:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64)
	default:
		return fmt.Sprint(v.Interface())
	}
}

// quote writes text so that YAML reads it as text: bare where that is safe beyond doubt, else in JSON's quotes.
func quote(text string) string {
	bare := text != "" && text[0] >= 'a' && text[0] <= 'z' || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "/") ||
		text != "" && text[0] >= '0' && text[0] <= '9' && strings.Count(text, ".") == 3
	for _, r := range text {
		bare = bare && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("./-_:", r))
	}
	switch text {
	case "true", "false", "null", "yes", "no", "on", "y", "n":
		bare = false
	}
	if bare && !strings.HasSuffix(text, ":") {
		return text
	}
	return strconv.Quote(text)
}
