package bundle

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProbeEveryLine puts a probe on each line of real apps: there is a place for it, or the error says where there is one, and what
// comes out is code.
func TestProbeEveryLine(t *testing.T) {
	for _, dir := range []string{"../../examples/bank", "../../examples/chat", "../../examples/tasks"} {
		b, _, err := Build(context.Background(), Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		sources, err := filepath.Glob(filepath.Join(dir, "convex", "*.ts"))
		if err != nil || len(sources) == 0 {
			t.Fatalf("%s: no sources: %v", dir, err)
		}
		for _, source := range sources {
			text, err := os.ReadFile(source)
			if err != nil {
				t.Fatal(err)
			}
			probeLines(t, b, filepath.Base(source), strings.Count(string(text), "\n"))
		}
	}
}

func probeLines(t *testing.T, b *Bundle, file string, lines int) {
	t.Helper()
	placed := 0
	for line := 1; line <= lines; line++ {
		got, err := b.WithProbe(Probe{File: file, Line: line, Expression: "[this, 1]"})
		var misplaced *ProbeError
		switch {
		case errors.As(err, &misplaced):
		case err != nil:
			t.Errorf("%s:%d: %v", file, line, err)
		case got.Hash != b.Hash:
			t.Errorf("%s:%d: the bundle has another hash", file, line)
		default:
			placed++
		}
	}
	if placed == 0 {
		t.Errorf("%s: there is no place in %d lines", file, lines)
	}
}

// TestProbePlaces guards the places where only one statement may stand, and values of arrow functions.
func TestProbePlaces(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, map[string]string{"convex/f.ts": `export function f(list: number[], other = () => 1) {
  let sum = 0;
  for (const n of list)
    sum += n;
  if (sum > 3)
    sum--;
  else
    sum++;
  do
    sum++;
  while (sum < 0);
  switch (sum) {
    case 1:
      sum = 7;
  }
  const twice = list.map((n) =>
    ({ n: n * 2 }));
  const wait = async () => {
    await twice;
    await
      other();
  };
  class Box {
    value = sum;
    get() {
      return this.value;
    }
  }
  return [sum, twice, wait, new Box().get()];
}
`})
	b, _, err := Build(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	const mark = `require("runlog:probe")(`
	for line, want := range map[int]string{
		2: mark + "@; let sum", 4: "{ " + mark + "@; sum += n; }", 6: "{ " + mark + "@; sum--; }", 8: "{ " + mark + "@; sum++; }", 10: "{ " + mark + "@; sum++; }",
		14: mark + "@; sum = 7", 17: "(" + mark + "@, ({ n: n * 2 }))", 19: mark + "@; await twice", 25: "get() {" + mark + "@; ", 26: mark + "@; return this.value", 18: mark + "@; const wait",
	} {
		got, err := b.WithProbe(Probe{File: "f.ts", Line: line, Expression: "1"})
		if err != nil {
			t.Errorf("line %d: %v", line, err)
			continue
		}
		m, _ := got.Module("f.js")
		before, after, _ := strings.Cut(want, "@")
		i := strings.Index(m.Source, before)
		if i < 0 || !strings.Contains(m.Source[i:min(len(m.Source), i+150)], after) {
			t.Errorf("line %d: want %q in\n%s", line, want, m.Source)
		}
		if strings.Count(m.Source, mark) != 1 {
			t.Errorf("line %d: there are %d probes", line, strings.Count(m.Source, mark))
		}
	}
}
