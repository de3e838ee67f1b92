package server

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"runlog/internal/auth"
	"runlog/internal/export"
	"runlog/log"
	"runlog/value"
)

// An Exporter reads the database page by page; *export.Exporter is one. Errors of the caller's are *export.Error.
type Exporter interface {
	Snapshot(export.SnapshotRequest) (*export.SnapshotPage, error)
	Deltas(export.DeltaRequest) (*export.DeltaPage, error)
	Schemas(export.SchemasRequest) (map[string]export.JSONSchema, error)
}

// An exportRequest is what the routes of streaming export take, in the query string or as a JSON body.
type exportRequest struct {
	Snapshot  exportNumber `json:"snapshot"`
	Cursor    exportCursor `json:"cursor"`
	TableName string       `json:"tableName"`
	Component *string      `json:"component"`
	Format    string       `json:"format"`
	Selection any          `json:"selection"`

	DeltaSchema bool `json:"deltaSchema"`
}

// exportNumber is a timestamp; nil stands for none.
type exportNumber *uint64

// exportCursor is a cursor: text for a snapshot, a number for deltas.
type exportCursor string

// UnmarshalJSON takes both forms.
func (c *exportCursor) UnmarshalJSON(text []byte) error {
	switch {
	case string(text) == "null":
		return nil
	case len(text) > 0 && text[0] == '"':
		return json.Unmarshal(text, (*string)(c))
	}
	*c = exportCursor(text)
	return nil
}

// exportCall reads the request and says who may ask.
func (x *exchange) exportCall() (q exportRequest, format value.Format, err error) {
	if err := x.open(); err != nil {
		return q, 0, err
	}
	if err := x.require(auth.ViewData); err != nil {
		return q, 0, err
	}
	if x.backend.Exporter == nil {
		return q, 0, errNoRoute(x.r.URL.Path)
	}
	if x.r.Method == http.MethodPost {
		if err := x.readJSON(x.s.options.BodyLimit); err != nil {
			return q, 0, err
		}
		if err := json.Unmarshal(x.body, &q); err != nil {
			return q, 0, errShape("%v", err)
		}
	} else if err := q.fromQuery(x.r); err != nil {
		return q, 0, err
	}
	if q.Selection != nil {
		return q, 0, badRequest("SelectionNotSupported", "A selection of columns is not supported: leave it out, and all are sent.")
	}
	format = value.FormatClean
	if q.Format != "" {
		if format, err = value.ParseFormat(q.Format); err != nil {
			return q, 0, errFormat(q.Format)
		}
	}
	return q, format, nil
}

func (q *exportRequest) fromQuery(r *http.Request) error {
	values := r.URL.Query()
	if text := values.Get("snapshot"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return errQueryArgs("snapshot: %q is no timestamp", text)
		}
		q.Snapshot = &n
	}
	q.Cursor, q.TableName, q.Format = exportCursor(values.Get("cursor")), values.Get("tableName"), values.Get("format")
	if values.Has("component") {
		component := values.Get("component")
		q.Component = &component
	}
	if values.Has("selection") {
		q.Selection = values.Get("selection")
	}
	q.DeltaSchema = values.Get("deltaSchema") == "true"
	return nil
}

// elsewhere reports whether a component other than the root is asked for: there is none.
func (q *exportRequest) elsewhere() bool { return q.Component != nil && *q.Component != "" }

// listSnapshot answers a page of the documents of one moment.
func listSnapshot(x *exchange) error {
	q, format, err := x.exportCall()
	if err != nil {
		return err
	}
	request := export.SnapshotRequest{Cursor: string(q.Cursor), Table: q.TableName}
	if q.Snapshot != nil {
		request.Snapshot = log.Timestamp(*q.Snapshot)
	}
	page, err := x.backend.Exporter.Snapshot(request)
	if err != nil {
		return exportError(err)
	}
	if q.elsewhere() {
		page.Rows, page.Cursor = nil, ""
	}
	out := appendRows(x.out[:0], page.Rows, format, false)
	out = append(out, `,"snapshot":`...)
	out = strconv.AppendUint(out, uint64(page.Snapshot), 10)
	out = append(out, `,"cursor":`...)
	if page.Cursor == "" {
		out = append(out, `null,"hasMore":false}`...)
	} else {
		out = appendString(out, page.Cursor)
		out = append(out, `,"hasMore":true}`...)
	}
	x.out = out
	x.send(http.StatusOK, contentJSON, out)
	return nil
}

// documentDeltas answers what the commits behind a timestamp wrote.
func documentDeltas(x *exchange) error {
	q, format, err := x.exportCall()
	if err != nil {
		return err
	}
	if q.Cursor == "" {
		return badRequest("DocumentDeltasCursorRequired", "document_deltas needs a cursor: the snapshot of list_snapshot, or the cursor of the page before.")
	}
	cursor, err := strconv.ParseUint(string(q.Cursor), 10, 64)
	if err != nil {
		return badRequest("InvalidDocumentDeltasCursor", "%q is no cursor of document_deltas.", string(q.Cursor))
	}
	page, err := x.backend.Exporter.Deltas(export.DeltaRequest{Cursor: log.Timestamp(cursor), Table: q.TableName})
	if err != nil {
		return exportError(err)
	}
	if q.elsewhere() {
		page.Rows = nil
	}
	out := appendRows(x.out[:0], page.Rows, format, true)
	out = append(out, `,"cursor":`...)
	out = strconv.AppendUint(out, uint64(page.Cursor), 10)
	out = append(out, `,"hasMore":`...)
	out = strconv.AppendBool(out, page.More)
	x.out = append(out, '}')
	x.send(http.StatusOK, contentJSON, x.out)
	return nil
}

// appendRows begins the answer: each row is the document with what it is of in front.
func appendRows(out []byte, rows []export.Row, f value.Format, deltas bool) []byte {
	out = append(out, `{"values":[`...)
	for i := range rows {
		r := &rows[i]
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"_component":"","_table":`...)
		out = appendString(out, r.Table)
		out = append(out, `,"_ts":`...)
		out = strconv.AppendUint(out, uint64(r.Timestamp), 10)
		if deltas {
			out = append(out, `,"_deleted":`...)
			out = strconv.AppendBool(out, r.Body == nil)
		}
		if r.Body == nil {
			out = append(out, `,"_id":"`...)
			out = r.ID.AppendText(out)
			out = append(out, `"}`...)
			continue
		}
		out = append(out, ',')
		at := len(out)
		out = value.AppendJSONEncoded(out, r.Body, f)
		copy(out[at:], out[at+1:]) // without its brace; a document is never empty
		out = out[:len(out)-1]
	}
	return append(out, ']')
}

// jsonSchemas answers the JSON Schema of each table.
func jsonSchemas(x *exchange) error {
	q, format, err := x.exportCall()
	if err != nil {
		return err
	}
	schemas, err := x.backend.Exporter.Schemas(export.SchemasRequest{Format: format, Deltas: q.DeltaSchema})
	if err != nil {
		return exportError(err)
	}
	if x.r.URL.Query().Get("byComponent") == "true" {
		return x.sendJSON(http.StatusOK, map[string]any{"": schemas})
	}
	return x.sendJSON(http.StatusOK, schemas)
}

// testExport answers null to whoever may export.
func testExport(x *exchange) error {
	if _, _, err := x.exportCall(); err != nil {
		return err
	}
	x.send(http.StatusOK, contentJSON, []byte("null"))
	return nil
}

func exportError(err error) error {
	var refused *export.Error
	if errors.As(err, &refused) {
		return badRequest(refused.Code, "%s", refused.Message)
	}
	return err
}
