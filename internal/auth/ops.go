package auth

import (
	"fmt"
	"strings"
)

// An Op is one thing an admin key may allow.
type Op uint8

// The operations, in the order they are listed to clients.
const (
	Deploy Op = iota
	ViewEnvironmentVariables
	WriteEnvironmentVariables
	PauseDeployment
	UnpauseDeployment
	ViewLogs
	ViewMetrics
	ViewIntegrations
	WriteIntegrations
	ViewData
	WriteData
	ViewBackups
	CreateBackups
	DownloadBackups
	DeleteBackups
	ImportBackups
	ActAsUser
	RunInternalQueries
	RunInternalMutations
	RunInternalActions
	RunTestQuery
	ViewAuditLog
	ViewUsageLimits
	WriteUsageLimits
	ViewUsage
	opCount
)

// String returns the operation's name on the wire.
func (o Op) String() string {
	names := opNames()
	if int(o) < len(names) {
		return names[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

func opNames() []string {
	return []string{
		"Deploy", "ViewEnvironmentVariables", "WriteEnvironmentVariables", "PauseDeployment", "UnpauseDeployment",
		"ViewLogs", "ViewMetrics", "ViewIntegrations", "WriteIntegrations", "ViewData", "WriteData", "ViewBackups",
		"CreateBackups", "DownloadBackups", "DeleteBackups", "ImportBackups", "ActAsUser", "RunInternalQueries",
		"RunInternalMutations", "RunInternalActions", "RunTestQuery", "ViewAuditLog", "ViewUsageLimits",
		"WriteUsageLimits", "ViewUsage",
	}
}

// Ops is a set of operations; the zero value allows nothing.
type Ops uint32

// AllOps allows everything.
func AllOps() Ops { return 1<<opCount - 1 }

// ReadOnlyOps allows what changes neither data nor deployment.
func ReadOnlyOps() Ops {
	return OpsOf(ViewEnvironmentVariables, ViewLogs, ViewMetrics, ViewIntegrations, ViewData, ViewBackups,
		DownloadBackups, RunInternalQueries, RunTestQuery, ViewAuditLog, ViewUsageLimits, ViewUsage)
}

// OpsOf returns the set of the given operations.
func OpsOf(ops ...Op) Ops {
	var s Ops
	for _, o := range ops {
		s |= 1 << o
	}
	return s
}

// Has reports whether the set allows o.
func (s Ops) Has(o Op) bool { return s&(1<<o) != 0 }

// Names lists the set in the order of the constants.
func (s Ops) Names() []string {
	names := []string{}
	for i, n := range opNames() {
		if s.Has(Op(i)) {
			names = append(names, n)
		}
	}
	return names
}

// ParseOps reads names as Names writes them.
func ParseOps(names []string) (Ops, error) {
	var s Ops
	for _, n := range names {
		o, ok := parseOp(n)
		if !ok {
			return 0, fmt.Errorf("unknown operation %q; known are %s", n, strings.Join(opNames(), ", "))
		}
		s |= 1 << o
	}
	return s, nil
}

func parseOp(name string) (Op, bool) {
	for i, n := range opNames() {
		if n == name {
			return Op(i), true
		}
	}
	return 0, false
}
