// Modules without end: bench.example/n0, n1, n2, ... are made when they are asked for, so that a benchmark
// can fill a cache of any size with distinct keys. The checksum database does not know them.

package main

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/module"
)

const (
	endlessHost    = "bench.example"
	endlessVersion = "v1.0.0"
	endlessMod     = 2048 // bytes of a .mod
	endlessData    = 7712 // bytes of noise that make an archive 10 KiB
)

// endless answers a path about an endless module; nil when it is about another.
func endless(path string) *answer {
	rest, ok := strings.CutPrefix(path, "/"+endlessHost+"/n")
	if !ok {
		return nil
	}
	digits, verb, ok := strings.Cut(rest, "/")
	if n, err := strconv.ParseUint(digits, 10, 32); err != nil || !ok || strconv.FormatUint(n, 10) != digits {
		return nil
	}
	m := module.Version{Path: endlessHost + "/n" + digits, Version: endlessVersion}
	switch verb {
	case "@v/list":
		return mutable("text/plain; charset=utf-8", []byte(m.Version+"\n"))
	case "@latest":
		return mutable("application/json", info(m.Path, release{version: m.Version, time: epoch}))
	case "@v/" + endlessVersion + ".info":
		return immutable("application/json", info(m.Path, release{version: m.Version, time: epoch}))
	case "@v/" + endlessVersion + ".mod":
		return immutable("text/plain; charset=utf-8", endlessGoMod(m.Path))
	case "@v/" + endlessVersion + ".zip":
		return endlessArchive(m)
	}
	return nil
}

func endlessGoMod(path string) []byte {
	text := fmt.Sprintf("module %s\n\ngo 1.21\n", path)
	return []byte(text + "\n//" + strings.Repeat("-", endlessMod-len(text)-len("\n//\n")) + "\n")
}

func endlessArchive(m module.Version) *answer {
	archive, err := stored(m, []file{
		{"go.mod", endlessGoMod(m.Path)},
		{"n.go", []byte("// Package n is there to be downloaded.\npackage n\n")},
		{"data.bin", noise()[:endlessData]},
	})
	if err != nil {
		return nil
	}
	return &answer{
		contentType:  "application/zip",
		cacheControl: immutableFor,
		etag:         etagOf([]byte(m.String())),
		body:         archive,
	}
}
