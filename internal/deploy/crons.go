package deploy

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"runlog/exec"
	"runlog/index"
	"runlog/schema"
)

// readCrons checks what crons.js exports.
func (p *push) readCrons() error {
	specs, err := schema.ParseCrons(p.deployment.Crons)
	if err != nil {
		return &Error{Code: "InvalidCron", Message: err.Error(), Cause: err}
	}
	for i := range specs {
		f, ok := p.deployment.Function(specs[i].Function)
		switch {
		case !ok:
			return invalidCron(&specs[i], "there is no such function")
		case f.Kind != schema.Mutation && f.Kind != schema.Action:
			return invalidCron(&specs[i], "only mutations and actions can be run by a cron")
		}
	}
	p.crons = specs
	return nil
}

func invalidCron(spec *schema.CronSpec, why string) error {
	return &Error{Code: "InvalidCron", Message: fmt.Sprintf("The cron job %q runs %s: %s.", spec.Name, spec.Function.Display(), why)}
}

// planCrons compares the crons with those that are deployed. One that is the same keeps its next run; one that changed is
// planned anew, and if an action of its is running, that goes on.
func (p *push) planCrons(t *exec.SystemTransaction, now time.Time) ([]schema.SystemWrite, error) {
	old, err := deployedCrons(t.Snapshot())
	if err != nil {
		return nil, err
	}
	var writes []schema.SystemWrite
	source := t.Source()
	for i := range p.crons {
		spec := &p.crons[i]
		cron := old[spec.Name]
		delete(old, spec.Name)
		switch {
		case cron == nil:
			p.report.CronsAdded = append(p.report.CronsAdded, spec.Name)
			cron = &schema.Cron{ID: source.NewID(schema.CronsTable), Created: source.CreationTime()}
		case cron.Same(spec):
			continue
		default:
			p.report.CronsChanged = append(p.report.CronsChanged, spec.Name)
		}
		cron.CronSpec, cron.Next = *spec, float64(spec.Schedule.First(now).UnixMilli())
		writes = append(writes, cron.Write())
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		p.report.CronsRemoved = append(p.report.CronsRemoved, name)
		writes = append(writes, schema.SystemWrite{ID: old[name].ID})
	}
	return writes, nil
}

// deployedCrons are the crons by name.
func deployedCrons(snapshot *index.Snapshot) (map[string]*schema.Cron, error) {
	crons := map[string]*schema.Cron{}
	it := snapshot.Scan(schema.CronsTable, schema.ByID, index.All(), false)
	for it.Next() {
		doc, err := it.Doc()
		if err != nil {
			return nil, err
		}
		cron, err := schema.ReadCron(doc.ID, doc.Body)
		if err != nil {
			return nil, err
		}
		crons[cron.Name] = cron
	}
	return crons, it.Err()
}
