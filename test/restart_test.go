package test

import "testing"

// TestRestart lets the official client live through the end of its server.
func TestRestart(t *testing.T) {
	installNode(t)
	app := copyApp(t, "kitchen")
	runNodeWith(t, &devServer{}, []string{"RUNLOG_TEST_BINARY=" + binary, "RUNLOG_TEST_APP=" + app}, "restart.test.mjs")
}
