package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"runlog/internal/deploy"
	"runlog/isolates"
)

// TestPushesDoNotWait: while a push evaluates modules that never end, others are made, and variables change.
func TestPushesDoNotWait(t *testing.T) {
	for _, process := range []bool{false, true} {
		t.Run(fmt.Sprintf("process=%t", process), func(t *testing.T) {
			e := openApp(t, Options{ProcessIsolates: process, PushTimeout: time.Hour}, counterApp)
			endless := buildApp(t, "-- evil.ts --\nimport { query } from \"./_generated/server\";\nfor (;;) {}\nexport const q = query(() => 1);\n")
			ctx, give := context.WithCancel(t.Context())
			var hanging sync.WaitGroup
			hanging.Go(func() {
				_, err := e.Deployer.Push(ctx, endless)
				if err == nil {
					t.Error("modules that never end were pushed")
				}
			})
			awaitInUse(t, e.Actions, 1)
			if _, err := e.Deployer.Push(t.Context(), buildApp(t, strings.ReplaceAll(counterApp, "increment", "grow"))); err != nil {
				t.Errorf("push beside one that hangs: %v", err)
			}
			text := "1"
			change := deploy.EnvironmentChange{RequestID: "00000000000000aa", Changes: []deploy.VariableChange{{Name: "A", Value: &text}}}
			if err := e.Deployer.ChangeEnvironment(t.Context(), change); err != nil {
				t.Errorf("set a variable beside a push that hangs: %v", err)
			}
			give()
			hanging.Wait()
		})
	}
}

// TestPushSeesVariables: a push whose modules were evaluated before a variable changed evaluates them again.
func TestPushSeesVariables(t *testing.T) {
	e := openApp(t, Options{}, counterApp)
	slow := "-- evil.ts --\nimport { query } from \"./_generated/server\";\nif (process.env.STOP === undefined) { const end = Array(2e6).fill(0).reduce((n) => n + 1, 0); }\nelse throw new Error(\"stopped by a variable\");\nexport const fine = query(() => 1);\n"
	b := buildApp(t, slow)
	var pushing sync.WaitGroup
	var err error
	pushing.Go(func() { _, err = e.Deployer.Push(t.Context(), b) })
	awaitInUse(t, e.Actions, 1)
	text := "1"
	change := deploy.EnvironmentChange{RequestID: "00000000000000ab", Changes: []deploy.VariableChange{{Name: "STOP", Value: &text}}}
	if err := e.Deployer.ChangeEnvironment(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	pushing.Wait()
	var refused *deploy.Error
	if !errors.As(err, &refused) || !strings.Contains(refused.Message, "stopped by a variable") {
		t.Errorf("the push gave %v, want what the changed variable leads to", err)
	}
}

// awaitInUse waits until so many runs are under way in a pool.
func awaitInUse(t *testing.T, pool interface{ Stats() isolates.Stats }, runs int) {
	t.Helper()
	for begin := time.Now(); pool.Stats().InUse < runs; {
		if time.Since(begin) > time.Minute {
			t.Fatalf("%+v", pool.Stats())
		}
		runtime.Gosched()
	}
}
