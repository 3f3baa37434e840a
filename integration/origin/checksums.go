// The checksum database: a transparency log of every version, signed with a key of its own.

package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// fillers stand behind the real records, so that these are in full tiles and the tree's edge in partial ones.
const fillers = 900

// checksums is the log behind sumdb.Server.
type checksums struct {
	name     string
	verifier string // what a client's GOSUMDB must hold
	signer   note.Signer

	mu      sync.RWMutex
	records [][]byte
	hashes  []tlog.Hash
	ids     map[module.Version]int64
	signed  []byte // the signed head of the tree as it is now; nil after a new record
}

var _ sumdb.ServerOps = (*checksums)(nil)

// newChecksums makes an empty log. The key depends on the name only: it is no secret, and tests can name it.
func newChecksums(name string) (*checksums, error) {
	seed := sha256.Sum256([]byte("goproxy-wasm test origin: " + name))
	private := ed25519.NewKeyFromSeed(seed[:])
	if name == "" || strings.ContainsAny(name, "+ \t\n") {
		return nil, fmt.Errorf("-sumdb: expected a name such as sum.origin.example, got %q", name)
	}
	verifier, err := note.NewEd25519VerifierKey(name, private.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	// A verifier is "name+hash+key", its signer "PRIVATE+KEY+name+hash+key", each key after its algorithm's byte.
	fields := strings.SplitN(verifier, "+", 3)
	const ed25519Algorithm = 1
	secret := base64.StdEncoding.EncodeToString(append([]byte{ed25519Algorithm}, seed[:]...))
	signer, err := note.NewSigner("PRIVATE+KEY+" + name + "+" + fields[1] + "+" + secret)
	if err != nil {
		return nil, err
	}
	return &checksums{name: name, verifier: verifier, signer: signer, ids: map[module.Version]int64{}}, nil
}

// add appends a version's two go.sum lines to the log.
func (s *checksums) add(m module.Version, archive, mod string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record := fmt.Sprintf("%s %s %s\n%s %s/go.mod %s\n", m.Path, m.Version, archive, m.Path, m.Version, mod)
	id := int64(len(s.records))
	hashes, err := tlog.StoredHashesForRecordHash(id, tlog.RecordHash([]byte(record)), hashReader(s.hashes))
	if err != nil {
		panic(err) // the log reads only what it wrote
	}
	s.records = append(s.records, []byte(record))
	s.hashes = append(s.hashes, hashes...)
	s.ids[m] = id
	s.signed = nil
}

// grow adds n records of modules that the origin does not serve.
func (s *checksums) grow(n int) {
	for range n {
		number := s.size()
		m := module.Version{Path: fmt.Sprintf("filler.example/n%d", number), Version: "v1.0.0"}
		s.add(m, h1(m.Path), h1(m.Path+"/go.mod"))
	}
}

func (s *checksums) size() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.records)
}

// Signed returns the signed head of the tree.
func (s *checksums) Signed(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signed != nil {
		return s.signed, nil
	}
	size := int64(len(s.records))
	head, err := tlog.TreeHash(size, hashReader(s.hashes))
	if err != nil {
		return nil, err
	}
	text := string(tlog.FormatTree(tlog.Tree{N: size, Hash: head}))
	s.signed, err = note.Sign(&note.Note{Text: text}, s.signer)
	return s.signed, err
}

// ReadRecords returns n records from id on.
func (s *checksums) ReadRecords(_ context.Context, id, n int64) ([][]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if id < 0 || n < 0 || id+n > int64(len(s.records)) {
		return nil, fs.ErrNotExist
	}
	return s.records[id : id+n], nil
}

// Lookup returns the record of m.
func (s *checksums) Lookup(_ context.Context, m module.Version) (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if id, ok := s.ids[m]; ok {
		return id, nil
	}
	// sumdb.Server asks os.IsNotExist, which sees through a PathError and not through %w.
	return 0, &fs.PathError{Op: "lookup", Path: m.String(), Err: fs.ErrNotExist}
}

// ReadTileData returns a tile of hashes.
func (s *checksums) ReadTileData(_ context.Context, t tlog.Tile) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return tlog.ReadTileData(t, hashReader(s.hashes))
}

// A hashReader reads stored hashes; what the tree does not have yet does not exist.
type hashReader []tlog.Hash

// ReadHashes is tlog.HashReader.
func (h hashReader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, 0, len(indexes))
	for _, index := range indexes {
		if index < 0 || index >= int64(len(h)) {
			return nil, fs.ErrNotExist
		}
		list = append(list, h[index])
	}
	return list, nil
}

// record is the text of m's record, "" if there is none.
func (s *checksums) record(m module.Version) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if id, ok := s.ids[m]; ok {
		return string(s.records[id])
	}
	return ""
}
