package main

import (
	"context"
	"go/format"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	"golang.org/x/mod/zip"
)

func TestEveryArchiveIsValidAndHashesToItsRecord(t *testing.T) {
	c, err := testCatalog()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "archive.zip")
	for path, entry := range c.modules {
		for _, r := range entry.releases {
			m := module.Version{Path: path, Version: r.version}
			version, _ := module.EscapeVersion(r.version)
			got := c.find("/" + entry.escaped + "/@v/" + version + ".zip")
			if err := os.WriteFile(name, got.body.bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
			if checked, err := zip.CheckZip(m, name); err != nil || checked.Err() != nil {
				t.Errorf("%s: %v %v", m, err, checked.Err())
			}
			hash, err := dirhash.HashZip(name, dirhash.Hash1)
			if err != nil {
				t.Fatal(err)
			}
			recorded := strings.Contains(c.sums.record(m), m.Path+" "+m.Version+" "+hash+"\n")
			if honest := !r.tampered && !r.unrecorded; recorded != honest {
				t.Errorf("%s: recorded %v, expected %v, with %s", m, recorded, honest, hash)
			}
		}
	}
}

func TestTwoCatalogsAreTheSame(t *testing.T) {
	first, err := testCatalog()
	if err != nil {
		t.Fatal(err)
	}
	second, err := makeCatalog(testSizes)
	if err != nil {
		t.Fatal(err)
	}
	one, err := first.sums.Signed(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	other, err := second.sums.Signed(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if string(one) != string(other) {
		t.Errorf("two trees of the same modules:\n%s\n%s", one, other)
	}
	for path, answer := range first.answers {
		if got := second.find(path); got == nil || string(got.body.bytes()) != string(answer.body.bytes()) {
			t.Errorf("%s differs between two catalogs", path)
		}
	}
}

func TestPathsAndWhatTheyAnswer(t *testing.T) {
	c, err := testCatalog()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/example.com/a/@v/list":                                   "v1.0.0\nv1.1.0\nv1.2.0\nv1.2.1\nv1.3.0-beta.1\n",
		"/example.com/a/@latest":                                   `"Version":"v1.2.1"`,
		"/example.com/a/@v/v1.info":                                `"Version":"v1.2.1"`,
		"/example.com/a/@v/v1.1.info":                              `"Version":"v1.1.0"`,
		"/example.com/a/@v/master.info":                            `"Version":"v1.2.2-0.20250711120000-`,
		"/example.com/untagged/@v/list":                            "",
		"/example.com/untagged/@latest":                            `"Version":"v0.0.0-20250610120000-`,
		"/example.com/!upper/!case/@v/v1.0.0-!r!c1.info":           `"Version":"v1.0.0-RC1"`,
		"/example.com/legacy/@v/v2.0.0+incompatible.mod":           "module example.com/legacy\n",
		"/example.com/retracted/@v/v1.2.0.mod":                     "retract v1.1.0",
		"/gopkg.in/fixture.v2/@v/list":                             "v2.0.0\nv2.4.0\n",
		"/gopkg.in/old.v1/@latest":                                 `"Version":"v0.0.0-`,
		"/m07.example/lib07/v2/@v/list":                            "v2.0.0\nv2.1.0\nv2.2.0\n",
		"/bench.example/n12345/@v/v1.0.0.mod":                      "module bench.example/n12345\n",
		"/golang.org/toolchain/@v/v0.0.1-go1.99.1.linux-amd64.mod": "module golang.org/toolchain\n",
	} {
		got := c.find(path)
		if got == nil {
			t.Errorf("%s: not found", path)
			continue
		}
		if body := string(got.body.bytes()); !strings.Contains(body, want) || (want == "" && body != "") {
			t.Errorf("%s: expected %q, got %q", path, want, body)
		}
	}
	for _, path := range []string{
		"/example.com/A/@v/list", "/a.example/b/@v/list", "/a.example/b/c/d/@v/list",
		"/bench.example/n01/@v/list", "/bench.example/n1/@v/v1.0.1.mod", "/bench.example/n99999999999/@v/list",
	} {
		if c.find(path) != nil {
			t.Errorf("%s: expected nothing", path)
		}
	}
	if size := c.find("/bench.example/n12345/@v/v1.0.0.mod").body.size; size != endlessMod {
		t.Errorf("an endless .mod: expected %d bytes, got %d", endlessMod, size)
	}
}

func TestTheProgramNeedsTheWholeFamily(t *testing.T) {
	list, graph := selected()
	if len(list) != familySize || familySize < 60 {
		t.Errorf("expected all %d members, at least 60, got %d", familySize, len(list))
	}
	if len(graph) <= len(list) {
		t.Errorf("expected members that are required at several versions, got %d of %d", len(graph), len(list))
	}
	var depth func(m member) int
	depth = func(m member) int {
		deepest := 0
		for _, need := range m.Needs() {
			deepest = max(deepest, depth(need))
		}
		return deepest + 1
	}
	if got := depth(member{familySize - 1, levels - 1}); got != len(layers) {
		t.Errorf("expected a graph %d deep, got %d", len(layers), got)
	}
}

func TestGeneratedSourceIsFormatted(t *testing.T) {
	for _, number := range []int{0, memberV3, familySize - 1} {
		files, err := member{number, 1}.files()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasSuffix(f.name, ".go") {
				continue
			}
			formatted, err := format.Source(f.data)
			if err != nil {
				t.Fatalf("%s: %v", f.name, err)
			}
			if string(formatted) != string(f.data) {
				t.Errorf("%s of member %d is not as gofmt writes it", f.name, number)
			}
		}
	}
}

func TestPublishing(t *testing.T) {
	c, err := makeCatalog(testSizes)
	if err != nil {
		t.Fatal(err)
	}
	size := c.sums.size()
	if err := c.republish("example.com/a", "v1.4.0", day(200)); err != nil {
		t.Fatal(err)
	}
	if list := string(c.find("/example.com/a/@v/list").body.bytes()); !strings.HasSuffix(list, "v1.4.0\n") {
		t.Errorf("expected v1.4.0 in the list, got %q", list)
	}
	if latest := string(c.find("/example.com/a/@latest").body.bytes()); !strings.Contains(latest, `"v1.4.0"`) {
		t.Errorf("expected v1.4.0 as the latest, got %s", latest)
	}
	if c.sums.size() != size+1 {
		t.Errorf("expected one more record than %d, got %d", size, c.sums.size())
	}
	if err := c.republish("example.com/a", "v1.4.0", day(201)); err == nil {
		t.Error("a version was published twice")
	}
	if err := c.republish("example.com/a", "v2.0.0", day(201)); err == nil {
		t.Error("a version of another major was published")
	}
}

func TestTheWrittenProgram(t *testing.T) {
	c, err := testCatalog()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := writeProgram(c, dir, true); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(sums)), "\n")
	if !slices.IsSorted(lines) || len(lines) < 2*familySize {
		t.Errorf("go.sum: expected at least %d sorted lines, got %d", 2*familySize, len(lines))
	}
}
