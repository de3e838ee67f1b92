package bundle

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The functions and the cases of the conformance suite fit together. The suite itself needs a server.
func TestConformanceCases(t *testing.T) {
	dir := filepath.Join("..", "..", "test", "conformance")
	b, warnings, err := Build(context.Background(), Options{Dir: dir})
	if err != nil || len(warnings) > 0 {
		t.Fatal(warnings, err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sections []struct {
		Section string
		Cases   []struct {
			Kind, Path string
			Error      *string
			Logs       []string
		}
	}
	if err := json.Unmarshal(data, &sections); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, s := range sections {
		for _, c := range s.Cases {
			used[c.Path] = true
			if !slices.Contains([]string{"query", "mutation", "action"}, c.Kind) {
				t.Errorf("%s: %s: unknown kind %q", s.Section, c.Path, c.Kind)
			}
			expressions := c.Logs
			if c.Error != nil {
				expressions = append(expressions, *c.Error)
			}
			for _, e := range expressions {
				if _, err := regexp.Compile(e); err != nil {
					t.Errorf("%s: %s: %v", s.Section, c.Path, err)
				}
			}
		}
	}
	for i := range b.Modules {
		for _, f := range registeredFunctions(b, b.Modules[i].Path) {
			name := strings.TrimSuffix(b.Modules[i].Path, ".js") + ":" + f.export
			internal := slices.Contains([]string{"nested", "scheduling"}, strings.TrimSuffix(b.Modules[i].Path, ".js"))
			if !used[name] && !internal {
				t.Errorf("no case calls %s", name)
			}
		}
	}
}
