package server

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"runlog/value"
)

// FuzzDecode compares the scanner with encoding/json: what one takes for an envelope the other does, and both read
// the same path. The scanner is the stricter one about names that occur twice and about text that is not UTF-8.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"path":"m:f","args":{}}`, `{"path":"\u00e9","args":[{"a":"\"]}"}],"format":null}`, `{`, `{}`, `[]`, `null`,
		`{"path":"a","args":1,"x":[1,2,{"y":"\\"}]} `, `{"path":"a","args":"\\\"","x":01}`, `{"args":{,"path":""}`,
		`{"path":"\ud83d\ude00","args":[[[[]]]]}`, "{\"path\":\"a\x01\",\"args\":0}", `{"path":"a","args":-}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var q callRequest
		err := q.decode(body, true)
		if err == nil {
			_, err = value.ParseJSON(q.args)
		}
		var want struct {
			Path *string          `json:"path"`
			Args *json.RawMessage `json:"args"`
		}
		wantErr := json.Unmarshal(body, &want)
		if err == nil && (wantErr != nil || *want.Path != q.path) {
			t.Fatalf("accepted %q as path %q; encoding/json says %v", body, q.path, wantErr)
		}
		if err != nil && wantErr == nil && plainEnvelope(body) {
			t.Fatalf("refused %q: %v", body, err)
		}
	})
}

// plainEnvelope reports whether body has nothing on which the two differ by design.
func plainEnvelope(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || len(fields) != 2 {
		return false
	}
	canonical, err := json.Marshal(fields)
	if err != nil || string(canonical) != string(body) { // duplicates, escapes, other spelling
		return false
	}
	var path string
	if json.Unmarshal(fields["path"], &path) != nil || fields["args"] == nil || string(fields["path"]) == "null" {
		return false
	}
	_, err = value.ParseJSON(fields["args"])
	return err == nil
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", "a", "\"\\\n\x00", "é\u2028\U0001f600", "\xff", "\xed\xa0\x80", "a\ufffdb"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := appendString(nil, s)
		var back string
		if err := json.Unmarshal(out, &back); err != nil {
			t.Fatalf("%q became %s: %v", s, out, err)
		}
		if want := toValid(s); back != want || !utf8.Valid(out) {
			t.Fatalf("%q became %s, which reads %q and not %q", s, out, back, want)
		}
	})
}

// toValid replaces each byte that is no UTF-8, which is what encoding/json does.
func toValid(s string) string {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		out = append(out, r)
	}
	return string(out)
}
