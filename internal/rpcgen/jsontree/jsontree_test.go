package jsontree

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	const text = `{"b":[1.50,-0,12345678901234567890,true,null,"a\u0000<\"é"],"a":{"":{}}}`
	n, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(n.AppendJSON(nil)); got != text {
		t.Errorf("got  %s\nwant %s", got, text)
	}
	var paths []string
	n.Walk(func(n *Node) { paths = append(paths, n.Where()+" "+n.Kind.String()) })
	want := "/ an object,/b an array,/b/0 a number,/b/1 a number,/b/2 a number,/b/3 a boolean,/b/4 null,/b/5 a string,/a an object,/a/ an object"
	if got := strings.Join(paths, ","); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if i, ok := n.At("b", "1").Int(); i != 0 || !ok {
		t.Errorf("got %d, %v", i, ok)
	}
	if _, ok := n.At("b", "0").Int(); ok {
		t.Error("1.50 is no integer")
	}
	if !n.At("b", "3").True() || n.At("b", "5").Str() != "a\x00<\"é" {
		t.Error("wrong values")
	}
	for _, steps := range [][]string{{"c"}, {"b", "9"}, {"b", "x"}, {"b", "0", "c"}, {"c", "d"}} {
		if n.At(steps...) != nil {
			t.Errorf("%v is there", steps)
		}
	}
	var none *Node
	if _, ok := none.Int(); ok || none.Str() != "" || none.True() || none.Get("a") != nil {
		t.Error("nothing has values")
	}
	none.Walk(func(*Node) { t.Error("nothing has nodes") })
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{``, `{`, `[1`, `{"a"`, `{"a":1,"a":1}`, `[] []`, `{"a":[{"b":tru}]}`, `{"a":}`} {
		if n, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: got %s", text, n.AppendJSON(nil))
		}
	}
}
