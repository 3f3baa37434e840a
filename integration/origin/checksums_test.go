package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb"
)

// A remote is what sumdb.Client needs of its surroundings: the origin, and a cache that forgets.
type remote struct {
	t    *testing.T
	base string
	key  string

	mu     sync.Mutex
	latest []byte
	paths  []string
}

func (r *remote) ReadRemote(path string) ([]byte, error) {
	r.mu.Lock()
	r.paths = append(r.paths, path)
	r.mu.Unlock()
	got := get(r.t, r.base+path)
	if got.err == nil && got.status != http.StatusOK {
		return nil, fmt.Errorf("%s: %d", path, got.status)
	}
	return []byte(got.body), got.err
}

func (r *remote) ReadConfig(file string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if file == "key" {
		return []byte(r.key), nil
	}
	return r.latest, nil
}

func (r *remote) WriteConfig(_ string, _, latest []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latest = latest
	return nil
}

func (r *remote) ReadCache(string) ([]byte, error) { return nil, fmt.Errorf("not cached") }
func (r *remote) WriteCache(string, []byte)        {}
func (r *remote) Log(string)                       {}
func (r *remote) SecurityError(text string)        { r.t.Error(text) }

func TestTheDatabaseVerifies(t *testing.T) {
	s, origin := serveTest(t, nil)
	far := &remote{t: t, base: origin.URL + "/sumdb/" + s.sums.name, key: s.sums.verifier}
	client := sumdb.NewClient(far)
	for _, m := range []module.Version{
		{Path: "example.com/a", Version: "v1.0.0"},
		{Path: "example.com/Upper/Case", Version: "v1.0.0-RC1"},
		{Path: "github.com/Example/Legacy", Version: "v3.1.0+incompatible"},
		{Path: "m63.example/lib63", Version: "v1.2.0"},
		{Path: "golang.org/toolchain", Version: "v0.0.1-go1.99.1.linux-amd64"},
	} {
		lines, err := client.Lookup(m.Path, m.Version)
		if err != nil {
			t.Errorf("%s: %v", m, err)
		} else if !strings.Contains(s.sums.record(m), lines[0]+"\n") {
			t.Errorf("%s: expected a line of the record, got %q", m, lines)
		}
	}
	all := strings.Join(far.paths, "\n")
	if !strings.Contains(all, "/tile/8/0/000\n") || !strings.Contains(all, ".p/") {
		t.Errorf("expected full tiles and partial ones among what was asked, got\n%s", all)
	}
	if _, err := client.Lookup("private.example/secret", "v1.0.0"); err == nil {
		t.Error("the database knows a private module")
	}
}

func TestAnotherKeyIsRefused(t *testing.T) {
	s, origin := serveTest(t, nil)
	other, err := newChecksums("another.example")
	if err != nil {
		t.Fatal(err)
	}
	far := &remote{t: t, base: origin.URL + "/sumdb/" + s.sums.name, key: other.verifier}
	if _, err := sumdb.NewClient(far).Lookup("example.com/a", "v1.0.0"); err == nil {
		t.Error("a record was accepted that another key had signed")
	}
}

func TestDatabasePaths(t *testing.T) {
	own, err := makeCatalog(testSizes)
	if err != nil {
		t.Fatal(err)
	}
	s, origin := serveTest(t, own)
	base := origin.URL + "/sumdb/" + s.sums.name
	edge := fmt.Sprintf("/tile/8/0/%03d.p/%d", s.sums.size()/256, s.sums.size()%256)
	for path, want := range map[string]int{
		"/supported": 200, "/latest": 200, "/tile/8/0/000": 200, "/tile/8/data/000": 200, "/tile/8/1/000.p/2": 200,
		edge: 200, "/lookup/github.com/!example/!legacy@v1.0.0": 200,
		"/tile/8/0/999": 404, "/tile/8/0/0": 404, "/lookup/example.com/a@v9.0.0": 404, "/lookup/example.com/a": 404,
	} {
		if got := get(t, base+path); got.status != want {
			t.Errorf("%s: expected %d, got %d %v", path, want, got.status, got.err)
		}
	}
	if got := get(t, origin.URL+"/sumdb/other.example/supported"); got.status != http.StatusNotFound {
		t.Errorf("another database: expected 404, got %d", got.status)
	}
	before := get(t, base+"/latest").body
	if got := do(t, http.MethodPost, origin.URL+"/__grow?n=300", ""); got.status != http.StatusOK {
		t.Fatalf("POST /__grow: %d %s", got.status, got.body)
	}
	if after := get(t, base+"/latest").body; after == before {
		t.Error("the tree grew, and its head did not change")
	}
	if got := get(t, base+edge); got.status != http.StatusOK {
		t.Errorf("an older partial tile: expected 200, got %d", got.status)
	}
}
