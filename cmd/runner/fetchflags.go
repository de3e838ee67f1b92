package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"runlog/internal/fetch"
)

// fetchFlags say what actions may reach with fetch().
type fetchFlags struct {
	allow       []string
	responseMax int
}

func (f *fetchFlags) register(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.allow, "fetch-allow", nil, "what fetch() in actions may reach besides public addresses: `LIST` of addresses, networks, host names, "+
		"\"loopback\" (dev has it), \"private\" or \"all\"")
	flags.IntVar(&f.responseMax, "fetch-response-max", 256, "how large the body of a response to fetch() may be, in `MB`")
}

// resolve is the options of a client. Under dev, functions may reach the developer's own machine.
func (f *fetchFlags) resolve(dev bool) (fetch.Options, error) {
	allow := f.allow
	if dev {
		allow = append([]string{"loopback"}, allow...)
	}
	if f.responseMax <= 0 {
		return fetch.Options{}, fmt.Errorf("--fetch-response-max is %d, want a positive number of megabytes", f.responseMax)
	}
	policy, err := fetch.ParsePolicy(allow)
	if err != nil {
		return fetch.Options{}, fmt.Errorf("--fetch-allow: %w", err)
	}
	return fetch.Options{Policy: policy, ResponseMax: int64(f.responseMax) << 20}, nil
}
