package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"runlog/log"
)

// A cursor is our note of how far we have come with a topic. It is a hint: where to go on, the topic says. It only serves to tell a
// topic that lost what it held from a new one.
type cursor struct {
	Seq log.Offset `json:"seq"`
	// Sum is the checksum of that commit, Offset where its last record is in the topic.
	Sum    string `json:"sum"`
	Offset int64  `json:"offset"`
}

// cursors are the notes about all topics, by cluster and topic.
type cursors map[string]cursor

func cursorKey(cluster, topic string) string { return cluster + "/" + topic }

func readCursors(path string) (cursors, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cursors{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was published: %w", err)
	}
	c := cursors{}
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("read what was published: %s: %w", path, err)
	}
	return c, nil
}

// write replaces the file as a whole. It is not synced: after a power loss an older note does.
func (c cursors) write(path string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, text, 0o600); err != nil {
		return fmt.Errorf("note what was published: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("note what was published: %w", err)
	}
	return nil
}

// Forget removes every note about a topic, on whatever cluster, so that it counts as new. It reports whether there was one.
func Forget(path, topic string) (bool, error) {
	c, err := readCursors(path)
	if err != nil {
		return false, err
	}
	found := false
	for key := range c {
		if strings.HasSuffix(key, cursorKey("", topic)) {
			delete(c, key)
			found = true
		}
	}
	if !found {
		return false, nil
	}
	return true, c.write(path)
}

// furthest is the highest commit noted for a topic, on whatever cluster.
func (c cursors) furthest(topic string) (off log.Offset) {
	for key, at := range c {
		if strings.HasSuffix(key, cursorKey("", topic)) {
			off = max(off, at.Seq)
		}
	}
	return off
}
