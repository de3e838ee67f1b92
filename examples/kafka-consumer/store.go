package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	_ "modernc.org/sqlite" // the driver

	"runlog/feed"
)

// A store is the SQLite database: one row for each document, and how far it has come.
type store struct {
	db *sql.DB
	at place
}

// A place is where to go on.
type place struct {
	// Offset is the next record to read.
	Offset   int64         `json:"offset"`
	Position feed.Position `json:"position"`
}

const tables = `
CREATE TABLE IF NOT EXISTS documents ("table" TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY ("table", id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (only INTEGER PRIMARY KEY CHECK (only = 1), text TEXT NOT NULL);`

func openStore(path string) (*store, error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return nil, err
	}
	s := &store{db: db}
	if _, err := db.Exec(tables); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
	}
	var text string
	err = db.QueryRow(`SELECT text FROM place`).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &s.at)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the place in %s: %w", path, err), db.Close())
	}
	return s, nil
}

func (s *store) close() { s.db.Close() }

// apply does all that a transaction says, and notes the place, or nothing.
func (s *store) apply(t *feed.Transaction, at place) (err error) {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	if err := write(tx, t); err != nil {
		return err
	}
	text, err := json.Marshal(at)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT OR REPLACE INTO place VALUES (1, ?)`, string(text)); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.at = at
	return nil
}

func write(tx *sql.Tx, t *feed.Transaction) error {
	if t.Type == feed.TypeSnapshot && t.Chunk == 1 {
		if _, err := tx.Exec(`DELETE FROM documents`); err != nil {
			return err
		}
	}
	for _, e := range t.Events {
		if e.Type == "truncate" {
			if _, err := tx.Exec(`DELETE FROM documents WHERE "table" = ?`, e.Table); err != nil {
				return err
			}
		}
	}
	for _, w := range t.Writes {
		var err error
		if w.Op == feed.OpDelete {
			_, err = tx.Exec(`DELETE FROM documents WHERE "table" = ? AND id = ?`, w.Table, w.ID)
		} else {
			_, err = tx.Exec(`INSERT OR REPLACE INTO documents VALUES (?, ?, ?)`, w.Table, w.ID, string(w.After))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
