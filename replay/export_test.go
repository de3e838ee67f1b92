package replay

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"runlog/log"
)

// TestExportedCalls runs the calls in testdata/calls: each is a folder that `replay export` wrote, of a bug that was or of a form
// of the export that must stay readable.
func TestExportedCalls(t *testing.T) {
	folders, err := filepath.Glob("../testdata/calls/*/" + callFile)
	if err != nil || len(folders) == 0 {
		t.Fatalf("there are no exported calls: %v", err)
	}
	for _, file := range folders {
		dir := filepath.Dir(file)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			if err := Check(context.Background(), Options{Dir: dir}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDamagedExport changes the files of an export: each change is found, and the error names the file.
func TestDamagedExport(t *testing.T) {
	const golden = "../testdata/calls/bank-transfer"
	for _, c := range []struct{ file, old, new, want string }{
		{callFile, `"seed": "`, `"seed": "zz`, callFile},
		{callFile, `"function"`, `"function":`, callFile},
		{callFile, `"balance": 140`, `"balance": 141`, "writes"},
		{documentsFile, `"balance":80`, `"balance":90`, "writes"},
		{documentsFile, `{"id"`, `{"id`, documentsFile},
		{"code/bank.js", "payee.balance + amount", "payee.balance - amount", "writes"},
		{callFile, `"format": 1`, `"format": 9`, "use a newer one"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(golden)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, c.file)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), c.old) {
			t.Fatalf("%s does not hold %s", c.file, c.old)
		}
		if err := os.WriteFile(path, []byte(strings.Replace(string(text), c.old, c.new, 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := Check(context.Background(), Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s: %v, want %s in the error", c.file, c.new, err, c.want)
		}
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(golden)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, documentsFile)); err != nil {
		t.Fatal(err)
	}
	var corrupt *log.CorruptionError
	if err := Check(context.Background(), Options{Dir: dir}); !errors.As(err, &corrupt) || !strings.Contains(err.Error(), documentsFile) {
		t.Errorf("without %s: %v, want an error that names it", documentsFile, err)
	}
}
