package bundle

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// smallBundle does not depend on esbuild, so that only a change of the format changes its encoding.
func smallBundle() *Bundle {
	b := newBundle([]Module{
		{Path: "lib/b.js", Source: "exports.b = 1;\n", SourceMap: []byte(`{"version":3}`)},
		{Path: "a.js", Source: "var b = require(\"./lib/b.js\");\n", Deps: map[string]string{"./lib/b.js": "lib/b.js", "convex/values": "convex/values"}, Package: "convex@1.48.0"},
	})
	prove(b)
	return b
}

// TestEncoding guards the stored form. Bundles are kept for as long as the log, so what an older version wrote must be
// read forever: a new format gets a file of its own here, and the old ones stay.
//
//	encode     the stored form of a small bundle
//	decode     a stored form in hex: what it holds, and that it is encoded to the same bytes
func TestEncoding(t *testing.T) {
	datadriven.Walk(t, filepath.Join("testdata", "encoding"), func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "encode":
				return hexLines(smallBundle().Encode())
			case "decode":
				data, err := hex.DecodeString(strings.Join(strings.Fields(d.Input), ""))
				if err != nil {
					d.Fatalf(t, "%v", err)
				}
				b, err := Decode(data)
				if err != nil {
					return err.Error()
				}
				if !bytes.Equal(b.Encode(), data) {
					t.Errorf("%s: encoded to other bytes", d.Pos)
				}
				return describe(b)
			}
			t.Fatalf("unknown command %s", d.Cmd)
			return ""
		})
	})
}

func hexLines(data []byte) string {
	var out strings.Builder
	for len(data) > 0 {
		n := min(len(data), 40)
		fmt.Fprintf(&out, "%x\n", data[:n])
		data = data[n:]
	}
	return out.String()
}

func describe(b *Bundle) string {
	var out strings.Builder
	fmt.Fprintf(&out, "bundle %s\n", b.Hash)
	for i := range b.Modules {
		m := &b.Modules[i]
		fmt.Fprintf(&out, "%s %s stateless=%t %s\n  %q\n  %s\n", m.Path, m.Hash, m.Stateless, m.Package, m.Source, m.SourceMap)
		for _, specifier := range sortedKeys(m.Deps) {
			fmt.Fprintf(&out, "  %s -> %s\n", specifier, m.Deps[specifier])
		}
	}
	return out.String()
}

func TestDecodeDamaged(t *testing.T) {
	good := smallBundle().Encode()
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x20
		if _, err := Decode(bad); err == nil {
			t.Errorf("byte %d flipped: no error", i)
		}
		if _, err := Decode(good[:i]); err == nil {
			t.Errorf("cut after %d bytes: no error", i)
		}
	}
	if _, err := Decode(append(bytes.Clone(good), 0)); err == nil {
		t.Error("a byte too many: no error")
	}
}

func TestDecodeNewerFormat(t *testing.T) {
	newer := bytes.Replace(smallBundle().Encode(), []byte("bundle 1\n"), []byte("bundle 2\n"), 1)
	if _, err := Decode(newer); !errors.Is(err, ErrNewerFormat) {
		t.Errorf("got %v", err)
	}
}

// FuzzDecode: hostile bytes give an error or a bundle that is encoded to the same bytes.
func FuzzDecode(f *testing.F) {
	f.Add(smallBundle().Encode())
	f.Add([]byte("runlog bundle 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Decode(data)
		if err == nil && !bytes.Equal(b.Encode(), data) {
			t.Error("encoded to other bytes")
		}
	})
}
