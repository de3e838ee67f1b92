package test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// An exportPage is what list_snapshot and document_deltas answer.
type exportPage struct {
	Values   []json.RawMessage `json:"values"`
	Snapshot uint64            `json:"snapshot"`
	Cursor   json.RawMessage   `json:"cursor"`
	HasMore  bool              `json:"hasMore"`
}

// exportRow is what comes with each document.
type exportRow struct {
	ID      string `json:"_id"`
	Table   string `json:"_table"`
	TS      uint64 `json:"_ts"`
	Deleted bool   `json:"_deleted"`
}

func exportGet(t *testing.T, base, key, path string, query url.Values) (page exportPage) {
	t.Helper()
	status, body := get(t, base+path+"?"+query.Encode(), "Authorization", "Convex "+key)
	if status != 200 {
		t.Fatalf("%s?%s answered %d: %s", path, query.Encode(), status, body)
	}
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatal(err)
	}
	return page
}

// serverRows reads the documents as of a commit timestamp, 0 for now, by table/id, losslessly.
func serverRows(t *testing.T, base, key string, ts uint64) (map[string]string, uint64) {
	t.Helper()
	return serverRowsAs(t, base, key, ts, "convex_encoded_json")
}

func serverRowsAs(t *testing.T, base, key string, ts uint64, format string) (map[string]string, uint64) {
	t.Helper()
	rows := map[string]string{}
	query := url.Values{"format": {format}}
	if ts != 0 {
		query.Set("snapshot", strconv.FormatUint(ts, 10))
	}
	for {
		page := exportGet(t, base, key, "/api/list_snapshot", query)
		for _, v := range page.Values {
			addRow(t, rows, v)
		}
		if !page.HasMore {
			return rows, page.Snapshot
		}
		var cursor string
		if err := json.Unmarshal(page.Cursor, &cursor); err != nil {
			t.Fatal(err)
		}
		query.Set("cursor", cursor)
		query.Set("snapshot", strconv.FormatUint(page.Snapshot, 10))
	}
}

// addRow notes a row without what is not the document's.
func addRow(t *testing.T, rows map[string]string, raw json.RawMessage) {
	t.Helper()
	var row exportRow
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(raw, &row); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	key := row.Table + "/" + row.ID
	delete(rows, key)
	if row.Deleted {
		return
	}
	for _, name := range []string{"_table", "_ts", "_component", "_deleted"} {
		delete(doc, name)
	}
	text, err := json.Marshal(doc) // with its keys in order
	if err != nil {
		t.Fatal(err)
	}
	rows[key] = string(text)
}

func hashOf(rows map[string]string) string {
	h := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		fmt.Fprintf(h, "%s %s\n", key, rows[key])
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

// A snapshot and the deltas behind it make the documents of now; the rows are as the schemas say, and only for admins.
func TestStreamingExport(t *testing.T) {
	d := startDev(t, copyApp(t, "kitchen"))
	for i := range 30 {
		mustAsk(t, d.url, "mutation", "messages:send", fmt.Sprintf(`{"channel":"c%d","body":"hi %d"}`, i%3, i))
	}
	rows, ts := serverRows(t, d.url, d.key, 0)
	if len(rows) != 30 {
		t.Fatalf("%d rows", len(rows))
	}
	for i := range 200 {
		mustAsk(t, d.url, "mutation", "messages:send", fmt.Sprintf(`{"channel":"c%d","body":"more %d"}`, i%3, i))
	}
	cursor, pages := ts, 0
	for more := true; more; pages++ {
		page := exportGet(t, d.url, d.key, "/api/document_deltas", url.Values{"cursor": {strconv.FormatUint(cursor, 10)}, "format": {"convex_encoded_json"}})
		for _, v := range page.Values {
			addRow(t, rows, v)
		}
		more = page.HasMore
		if err := json.Unmarshal(page.Cursor, &cursor); err != nil {
			t.Fatal(err)
		}
	}
	now, _ := serverRows(t, d.url, d.key, 0)
	if hashOf(rows) != hashOf(now) || len(now) != 230 || pages < 2 {
		t.Errorf("snapshot and %d pages of deltas make %d documents, now there are %d", pages, len(rows), len(now))
	}
	checkRowsAgainstSchemas(t, d)

	if status, body := get(t, d.url+"/api/list_snapshot"); status != 403 || !strings.Contains(body, "BadDeployKey") {
		t.Errorf("without a key: %d %s", status, body)
	}
	for path, code := range map[string]string{
		"/api/document_deltas":                            "DocumentDeltasCursorRequired",
		"/api/document_deltas?cursor=x":                   "InvalidDocumentDeltasCursor",
		"/api/list_snapshot?cursor=x&snapshot=1":          "InvalidListSnapshotCursor",
		"/api/list_snapshot?format=xml":                   "BadFormat",
		"/api/list_snapshot?selection=%7B%7D":             "SelectionNotSupported",
		"/api/list_snapshot?snapshot=9999999999999999999": "InvalidListSnapshotTs",
	} {
		if status, body := get(t, d.url+path, "Authorization", "Convex "+d.key); status != 400 || !strings.Contains(body, code) {
			t.Errorf("%s: %d %s, want %s", path, status, body, code)
		}
	}
	if status, body := get(t, d.url+"/api/test_streaming_export_connection", "Authorization", "Convex "+d.key); status != 200 || body != "null" {
		t.Errorf("test of the connection: %d %s", status, body)
	}
}

func checkRowsAgainstSchemas(t *testing.T, d *devServer) {
	t.Helper()
	for _, format := range []string{"json", "convex_encoded_json", "export_json"} {
		_, body := get(t, d.url+"/api/json_schemas?deltaSchema=true&format="+format, "Authorization", "Convex "+d.key)
		var schemas map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &schemas); err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		c := jsonschema.NewCompiler()
		page := exportGet(t, d.url, d.key, "/api/document_deltas", url.Values{"cursor": {"0"}, "format": {format}})
		for name, text := range schemas {
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.AddResource("/"+name, doc); err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range page.Values {
			var row exportRow
			if err := json.Unmarshal(v, &row); err != nil {
				t.Fatal(err)
			}
			s, err := c.Compile("/" + row.Table)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(v))
			if err == nil {
				err = s.Validate(doc)
			}
			if err != nil {
				t.Errorf("%s: %v\n%s\n%s", format, err, v, schemas[row.Table])
			}
		}
		// Tables have a schema whether they have documents or not.
		for _, table := range []string{"counters", "messages"} {
			if schemas[table] == nil {
				t.Errorf("%s: table %s has no schema", format, table)
			}
		}
		if len(page.Values) < 100 {
			t.Errorf("%s: %d rows", format, len(page.Values))
		}
	}
}
