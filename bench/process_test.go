package main

import (
	"os"
	"syscall"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	const line = "417 (a (b) c) S 1 400 400 0 -1 4194560 1 2 3 4 150 50 7 3 20 0 1 0 999 123456 10 18446744073709551615 1 1"
	group, parent, u, err := parseStat(line)
	if err != nil {
		t.Fatal(err)
	}
	if want := (usage{cpu: 2100 * time.Millisecond, rss: 10 * int64(os.Getpagesize())}); group != 400 || parent != 1 || u != want {
		t.Errorf("group %d, parent %d, %+v, want 400, 1, %+v", group, parent, u, want)
	}
	for _, bad := range []string{"", "1 (x) S 1", "1 (x) S 1 g 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 9 9 9 9"} {
		if _, _, _, err := parseStat(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	p := &process{group: syscall.Getpgrp()}
	u, err := p.usage()
	if err != nil {
		t.Fatal(err)
	}
	if u.rss == 0 {
		t.Errorf("no memory in use: %+v", u)
	}
}
