package bundle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// The stored form of a bundle:
//
//	"runlog bundle " version LF      version is a decimal number
//	hash [32]
//	count                            uvarint, number of modules, which follow sorted by path
//	  path source sourceMap package  each: uvarint length, bytes
//	  deps                           uvarint count, then that many (specifier, path) sorted by specifier
//
// Nothing may follow. The hashes of the modules are not stored, since Decode computes them to check the whole.

const (
	encodingMagic   = "runlog bundle "
	encodingVersion = 1
)

// ErrNewerFormat is wrapped by Decode's error if the bytes were written by a newer version.
var ErrNewerFormat = errors.New("bundle: written in a newer format")

// Encode returns the stored form of b. Equal bundles have equal encodings.
func (b *Bundle) Encode() []byte {
	size := 64
	for i := range b.Modules {
		size += len(b.Modules[i].Source) + len(b.Modules[i].SourceMap) + 128
	}
	dst := make([]byte, 0, size)
	dst = fmt.Appendf(dst, "%s%d\n", encodingMagic, encodingVersion)
	dst = append(dst, b.Hash[:]...)
	dst = binary.AppendUvarint(dst, uint64(len(b.Modules)))
	for i := range b.Modules {
		dst = appendBlock(dst, b.Modules[i].Path)
		dst = appendModuleBody(dst, &b.Modules[i])
	}
	return dst
}

// Decode reads what Encode wrote, checks it against its hash, and proves the modules' statelessness anew.
func Decode(data []byte) (*Bundle, error) {
	body, err := checkHeader(data)
	if err != nil {
		return nil, err
	}
	d := decoder{rest: body}
	want := d.bytes(len(Hash{}))
	modules := d.modules()
	if d.err == nil && len(d.rest) > 0 {
		d.fail("bytes follow the last module")
	}
	if d.err != nil {
		return nil, fmt.Errorf("decode bundle: %w", d.err)
	}
	b := newBundle(modules)
	if !bytes.Equal(b.Hash[:], want) {
		return nil, fmt.Errorf("decode bundle: the content's hash is %s, but it is named %x", b.Hash, want)
	}
	prove(b)
	return b, nil
}

func checkHeader(data []byte) (body []byte, err error) {
	line, _, ok := bytes.Cut(data[:min(len(data), 64)], []byte("\n"))
	version, isBundle := bytes.CutPrefix(line, []byte(encodingMagic))
	if !ok || !isBundle {
		return nil, errors.New("decode bundle: not a bundle")
	}
	if string(version) != fmt.Sprint(encodingVersion) {
		return nil, fmt.Errorf("decode bundle of format %q, this program knows format %d: %w", version, encodingVersion, ErrNewerFormat)
	}
	return data[len(line)+1:], nil
}

// decoder reads the pieces of a bundle; after the first failure it returns zero values.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(text string) {
	if d.err == nil {
		d.err = errors.New(text)
	}
	d.rest = nil
}

func (d *decoder) bytes(n int) []byte {
	if n > len(d.rest) {
		d.fail("the bytes end early")
		return nil
	}
	out := d.rest[:n]
	d.rest = d.rest[n:]
	return out
}

// count reads a number of things of which each takes at least one byte of what is left.
func (d *decoder) count() int {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > uint64(len(d.rest)-size) {
		d.fail("a length is out of range")
		return 0
	}
	d.rest = d.rest[size:]
	return int(n)
}

func (d *decoder) block() []byte { return d.bytes(d.count()) }

func (d *decoder) modules() []Module {
	n := d.count()
	modules := make([]Module, 0, min(n, 1<<12))
	for ; n > 0 && d.err == nil; n-- {
		modules = append(modules, d.module())
	}
	return modules
}

func (d *decoder) module() Module {
	m := Module{Path: string(d.block()), Source: string(d.block())}
	if sourceMap := d.block(); len(sourceMap) > 0 {
		m.SourceMap = slices.Clone(sourceMap)
	}
	m.Package = string(d.block())
	n := d.count()
	if n > 0 {
		m.Deps = make(map[string]string, min(n, 1<<10))
	}
	for ; n > 0 && d.err == nil; n-- {
		specifier := string(d.block())
		m.Deps[specifier] = string(d.block())
	}
	return m
}
