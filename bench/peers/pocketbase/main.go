// Command pocketbase is PocketBase with its JavaScript hooks, as its own documentation builds it: the pure-Go SQLite
// driver, WAL, synchronous NORMAL. The benchmark's handlers are in hooks/bench.pb.js.
package main

import (
	"fmt"
	"os"

	"github.com/pocketbase/pocketbase"
	"github.com/pocketbase/pocketbase/plugins/jsvm"
)

func main() {
	app := pocketbase.New()
	var hooksDir string
	var hooksPool int
	app.RootCmd.PersistentFlags().StringVar(&hooksDir, "hooksDir", "hooks", "folder of the JavaScript handlers")
	app.RootCmd.PersistentFlags().IntVar(&hooksPool, "hooksPool", 70, "JavaScript runtimes kept ready")
	if err := app.RootCmd.ParseFlags(os.Args[1:]); err != nil {
		exit(err)
	}
	jsvm.MustRegister(app, jsvm.Config{HooksDir: hooksDir, HooksPoolSize: hooksPool})
	if err := app.Start(); err != nil {
		exit(err)
	}
}

func exit(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
