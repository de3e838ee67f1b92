package commit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"runlog/index"
	"runlog/log"
	"runlog/value"
)

func insertRequest(s *index.Snapshot, id value.ID) *Request {
	return &Request{Snapshot: s.Timestamp(), Writes: []log.Write{{ID: id, After: document()}}}
}

// inTurn takes a turn that inserts a document.
func (db *database) inTurn(ctx context.Context, id value.ID) (*Commit, error) {
	return db.Turn(ctx, func(_ context.Context, head *index.Snapshot) (*Request, error) { return insertRequest(head, id), nil })
}

// While a turn is held nothing commits; what was queued goes on after it, and sees it.
func TestTurnExcludesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t, Options{})
		counter := named(db.addTable("t"), "c")
		db.insert(counter, document(intField("n", 0)))
		var wg sync.WaitGroup
		errs := make(chan error, 100)
		_, err := db.Turn(t.Context(), func(_ context.Context, head *index.Snapshot) (*Request, error) {
			for range 20 {
				wg.Go(func() {
					_, err := db.Submit(t.Context(), increment(t, head, counter))
					errs <- err
				})
			}
			for i := range 5 {
				wg.Go(func() {
					_, err := db.inTurn(t.Context(), named(counter.Table, fmt.Sprint(i)))
					errs <- err
				})
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if db.Applied() != head || len(errs) != 0 {
				t.Errorf("%d calls were answered during a turn", len(errs))
			}
			return increment(t, head, counter), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		close(errs)
		conflicts := 0
		for err := range errs {
			if errors.Is(err, ErrConflict) {
				conflicts++
			} else if err != nil {
				t.Error(err)
			}
		}
		if conflicts != 20 {
			t.Errorf("%d of 20 increments that had read before the turn lost to it", conflicts)
		}
		if n := db.Applied().Count(counter.Table); n != 6 {
			t.Errorf("%d documents, want 6", n)
		}
	})
}

func TestTurnThatDoesNotCommit(t *testing.T) {
	wrong := errors.New("wrong")
	for name, run := range map[string]func(*database, *index.Snapshot) (*Request, error){
		"nothing": func(*database, *index.Snapshot) (*Request, error) { return nil, nil },
		"error":   func(*database, *index.Snapshot) (*Request, error) { return nil, wrong },
		"panic":   func(*database, *index.Snapshot) (*Request, error) { panic(wrong) },
		"invalid write": func(_ *database, head *index.Snapshot) (*Request, error) {
			return insertRequest(head, named(77777, "x")), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := newDatabase(t, Options{})
			table := db.addTable("t")
			before := db.Applied()
			func() {
				defer func() {
					if p := recover(); (p != nil) != (name == "panic") {
						t.Errorf("panic %v", p)
					}
				}()
				commit, err := db.Turn(t.Context(), func(_ context.Context, head *index.Snapshot) (*Request, error) { return run(db, head) })
				if commit != nil || (err == nil) != (name == "nothing") {
					t.Errorf("%v %v", commit, err)
				}
			}()
			if db.Applied() != before {
				t.Error("something was committed")
			}
			if _, err := db.inTurn(t.Context(), named(table, "next")); err != nil {
				t.Errorf("the next turn: %v", err)
			}
			db.insert(named(table, "after"), document())
		})
	}
}

func TestTurnOnAnOldSnapshotIsRefused(t *testing.T) {
	db := newDatabase(t, Options{})
	table := db.addTable("t")
	old := db.Applied()
	db.insert(named(table, "a"), document())
	if _, err := db.Turn(t.Context(), func(context.Context, *index.Snapshot) (*Request, error) {
		return insertRequest(old, named(table, "b")), nil
	}); err == nil || errors.Is(err, ErrConflict) {
		t.Errorf("%v", err)
	}
}

// A holder that does not come back loses its turn, and what it brings later is refused.
func TestTurnIsTakenBack(t *testing.T) {
	for _, by := range []string{"context", "TurnMax", "Close"} {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				revoked := make(chan TurnInfo, 10)
				db := newDatabase(t, Options{TurnMax: 30 * time.Second, EventListener: EventListener{Turn: func(i TurnInfo) {
					if i.Revoked {
						revoked <- i
					}
				}}})
				table := db.addTable("t")
				ctx := t.Context()
				if by == "context" {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, 10*time.Second)
					defer cancel()
				}
				begun := time.Now()
				_, err := db.Turn(ctx, func(ctx context.Context, head *index.Snapshot) (*Request, error) {
					if by == "Close" {
						go db.Committer.Close()
					} else {
						<-ctx.Done()
					}
					synctest.Wait()
					return insertRequest(head, named(table, "late")), nil
				})
				if !errors.Is(err, ErrTurnOver) {
					t.Errorf("%v, want %v", err, ErrTurnOver)
				}
				if waited := time.Since(begun); by == "context" && waited != 10*time.Second || by == "TurnMax" && waited != 30*time.Second {
					t.Errorf("taken back after %s", waited)
				}
				synctest.Wait()
				if _, found, _ := db.Applied().Get(named(table, "late")); found {
					t.Error("committed after its turn")
				}
				if len(revoked) != 1 {
					t.Errorf("%d turns revoked, by the events", len(revoked))
				}
			})
		})
	}
}

// Giving up while waiting for a turn does not hold up who comes next.
func TestWaitingForATurnIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t, Options{})
		table := db.addTable("t")
		var wg sync.WaitGroup
		if _, err := db.Turn(t.Context(), func(_ context.Context, head *index.Snapshot) (*Request, error) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			wg.Go(func() {
				if _, err := db.inTurn(t.Context(), named(table, "patient")); err != nil {
					t.Error(err)
				}
			})
			if _, err := db.inTurn(ctx, named(table, "hurried")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOutcomeUnknown) {
				t.Errorf("%v", err)
			}
			if _, err := db.Submit(ctx, insertRequest(head, named(table, "hurried"))); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOutcomeUnknown) {
				t.Errorf("%v", err)
			}
			return nil, nil
		}); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if n := db.Applied().Count(table); n != 1 {
			t.Errorf("%d documents, want the patient one's", n)
		}
	})
}

func TestSubmittingInsideATurn(t *testing.T) {
	db, other := newDatabase(t, Options{}), newDatabase(t, Options{})
	table, elsewhere := db.addTable("t"), other.addTable("t")
	_, err := db.Turn(t.Context(), func(ctx context.Context, head *index.Snapshot) (*Request, error) {
		if _, err := db.Submit(ctx, insertRequest(head, named(table, "a"))); !errors.Is(err, ErrInTurn) {
			t.Errorf("submit: %v", err)
		}
		if _, err := db.inTurn(ctx, named(table, "a")); !errors.Is(err, ErrInTurn) {
			t.Errorf("turn: %v", err)
		}
		_, err := other.inTurn(ctx, named(elsewhere, "a"))
		return nil, err
	})
	if err != nil {
		t.Error(err)
	}
}

// Turns come in the order they were asked for, between groups of ordinary submissions.
func TestTurnsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t, Options{})
		table := db.addTable("t")
		var order []int
		var wg sync.WaitGroup
		if _, err := db.Turn(t.Context(), func(context.Context, *index.Snapshot) (*Request, error) {
			for i := range 10 {
				wg.Go(func() {
					if _, err := db.Turn(t.Context(), func(_ context.Context, head *index.Snapshot) (*Request, error) {
						order = append(order, i)
						return insertRequest(head, named(table, fmt.Sprint(i))), nil
					}); err != nil {
						t.Error(err)
					}
				})
				synctest.Wait()
			}
			return nil, nil
		}); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if fmt.Sprint(order) != "[0 1 2 3 4 5 6 7 8 9]" {
			t.Errorf("turns came in the order %v", order)
		}
	})
}
