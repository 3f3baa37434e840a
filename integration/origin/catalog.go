// The catalog: every module the origin has, and the answer to every path about them.

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// epoch is the origin's day zero. All times are fixed, so that two runs serve the same bytes.
var epoch = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)

// A release is one version of a module, as its author published it.
type release struct {
	version string
	time    time.Time
	files   []file // a version without go.mod gets the one that a proxy makes up

	branch     string // the branch whose tip this is; for pseudo-versions
	stored     bool   // an archive without compression
	unrecorded bool   // the checksum database has never heard of it
	tampered   bool   // the archive that is served is not the one that was recorded
}

// An answer is what a path gets. It never changes once it is in the catalog.
type answer struct {
	contentType  string
	cacheControl string
	etag         string
	body         body
}

// A published module: its releases in the order of their publication.
type published struct {
	escaped  string
	releases []release
}

// The catalog grows while the origin runs: a version may be published, never changed.
type catalog struct {
	mu      sync.RWMutex
	modules map[string]*published
	answers map[string]*answer
	sums    *checksums
}

func newCatalog(sums *checksums) *catalog {
	return &catalog{modules: map[string]*published{}, answers: map[string]*answer{}, sums: sums}
}

// find answers a path relative to the origin's base, decoded once; nil is "not here".
func (c *catalog) find(path string) *answer {
	c.mu.RLock()
	found := c.answers[path]
	c.mu.RUnlock()
	if found == nil {
		found = endless(path)
	}
	return found
}

// publish adds a version, and a record of it to the checksum database.
func (c *catalog) publish(modulePath string, r release) error {
	escaped, err := module.EscapePath(modulePath)
	if err != nil {
		return err
	}
	m := module.Version{Path: modulePath, Version: r.version}
	if err := module.Check(m.Path, m.Version); err != nil {
		return err
	}
	r.files = withMeta(modulePath, r.files)
	archive, err := archiveOf(m, r)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	entry := c.modules[modulePath]
	if entry == nil {
		entry = &published{escaped: escaped}
		c.modules[modulePath] = entry
	}
	for _, old := range entry.releases {
		if old.version == r.version {
			return fmt.Errorf("%s is published already", m)
		}
	}
	entry.releases = append(entry.releases, r)
	mod, hash := goMod(modulePath, r.files), hashArchive(m, r.files)
	if !r.unrecorded {
		c.sums.add(m, hash, hashMod(mod))
	}
	c.addFiles(entry, modulePath, r, mod, archive, hash)
	c.addQueries(entry, modulePath)
	return nil
}

func archiveOf(m module.Version, r release) (body, error) {
	files := r.files
	if r.tampered {
		files = tamper(files)
	}
	if r.stored {
		return stored(m, files)
	}
	return deflated(m, files)
}

// tamper changes what a module does and keeps it a module.
func tamper(files []file) []file {
	return append([]file{{"zz_tampered.go", []byte("package tampered\n")}}, files...)
}

func (c *catalog) addFiles(entry *published, modulePath string, r release, mod []byte, archive body, hash string) {
	version, err := module.EscapeVersion(r.version)
	if err != nil {
		return // module.Check has seen it
	}
	base := "/" + entry.escaped + "/@v/" + version
	c.answers[base+".info"] = immutable("application/json", info(modulePath, r))
	c.answers[base+".mod"] = immutable("text/plain; charset=utf-8", mod)
	c.answers[base+".zip"] = &answer{
		contentType:  "application/zip",
		cacheControl: immutableFor,
		etag:         `"` + hash[3:] + `"`,
		body:         archive,
	}
}

// addQueries writes list, @latest and what .info answers for branches, commits and prefixes of versions.
func (c *catalog) addQueries(entry *published, modulePath string) {
	base := "/" + entry.escaped
	var tags []string
	queries := map[string]release{}
	for _, r := range entry.releases {
		commit := commitOf(modulePath, r.version)
		for _, length := range []int{7, 12, 40} {
			queries[commit[:length]] = r
		}
		if r.branch != "" {
			queries[r.branch] = r
		}
		if module.IsPseudoVersion(r.version) {
			continue
		}
		tags = append(tags, r.version)
		for _, prefix := range []string{semver.Major(r.version), semver.MajorMinor(r.version)} {
			if best, ok := queries[prefix]; !ok || newer(r.version, best.version) {
				queries[prefix] = r
			}
		}
	}
	semver.Sort(tags)
	list := ""
	if len(tags) > 0 {
		list = strings.Join(tags, "\n") + "\n"
	}
	c.answers[base+"/@v/list"] = mutable("text/plain; charset=utf-8", []byte(list))
	c.answers[base+"/@latest"] = mutable("application/json", info(modulePath, latest(entry.releases)))
	for query, r := range queries {
		c.answers[base+"/@v/"+query+".info"] = mutable("application/json", info(modulePath, r))
	}
}

// newer orders versions as go's queries do: a release before any prerelease.
func newer(a, b string) bool {
	if pre := semver.Prerelease(a) == ""; pre != (semver.Prerelease(b) == "") {
		return pre
	}
	return semver.Compare(a, b) > 0
}

// latest is the newest release, or the newest prerelease, or the newest commit.
func latest(releases []release) release {
	best := releases[0]
	for _, r := range releases[1:] {
		pseudo, bestPseudo := module.IsPseudoVersion(r.version), module.IsPseudoVersion(best.version)
		if pseudo != bestPseudo {
			if bestPseudo {
				best = r
			}
		} else if newer(r.version, best.version) {
			best = r
		}
	}
	return best
}

// info is the .info document of a release, with the Origin that cmd/go understands.
func info(modulePath string, r release) []byte {
	type origin struct{ VCS, URL, Hash, Ref string }
	ref := "refs/tags/" + r.version
	if module.IsPseudoVersion(r.version) {
		ref = "refs/heads/" + r.branch
	}
	prefix, _, _ := module.SplitPathVersion(modulePath)
	data, err := json.Marshal(struct {
		Version string
		Time    time.Time
		Origin  origin
	}{r.version, r.time, origin{"git", "https://" + prefix, commitOf(modulePath, r.version), ref}})
	if err != nil {
		panic(err) // plain strings and a time in range
	}
	return data
}

// goMod is the module's go.mod, or the one that is made up where there is none.
func goMod(modulePath string, files []file) []byte {
	for _, f := range files {
		if f.name == "go.mod" {
			return f.data
		}
	}
	return []byte("module " + modulePath + "\n")
}

// withMeta adds what every well kept module has.
func withMeta(modulePath string, files []file) []file {
	return append([]file{
		{"LICENSE", []byte("Written for tests. Anybody may use it for anything.\n")},
		{"README.md", []byte("# " + modulePath + "\n\nA module of the test origin.\n")},
	}, files...)
}

// commitOf is the commit that a version was tagged at.
func commitOf(modulePath, version string) string {
	rev := version
	if module.IsPseudoVersion(version) {
		// The commit is part of the version: the rest of it only has to be stable.
		if short, err := module.PseudoVersionRev(version); err == nil {
			return short + fmt.Sprintf("%x", sha256.Sum256([]byte(short)))[:28]
		}
	}
	return fmt.Sprintf("%x", sha256.Sum256([]byte(modulePath+"@"+rev)))[:40]
}

const (
	immutableFor = "public, max-age=10800" // as proxy.golang.org says it
	mutableFor   = "public, max-age=60"
)

func immutable(contentType string, data []byte) *answer {
	return &answer{contentType, immutableFor, etagOf(data), bodyOf(data)}
}

func mutable(contentType string, data []byte) *answer {
	return &answer{contentType, mutableFor, etagOf(data), bodyOf(data)}
}

func etagOf(data []byte) string {
	return fmt.Sprintf(`"%x"`, sha256.Sum256(data))[:18] + `"`
}

// A listing is one module in GET /__modules.
type listing struct {
	Module   string   `json:"module"`
	Versions []string `json:"versions"`
}

func (c *catalog) listings() []listing {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []listing
	for path, entry := range c.modules {
		one := listing{Module: path}
		for _, r := range entry.releases {
			one.Versions = append(one.Versions, r.version)
		}
		semver.Sort(one.Versions)
		all = append(all, one)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Module < all[j].Module })
	return all
}

// republish publishes a further version of a module, with the files of its last one.
func (c *catalog) republish(modulePath, version string, at time.Time) error {
	c.mu.RLock()
	entry := c.modules[modulePath]
	c.mu.RUnlock()
	if entry == nil {
		return fmt.Errorf("module: expected one that the origin has, got %q", modulePath)
	}
	c.mu.RLock()
	last := entry.releases[len(entry.releases)-1]
	c.mu.RUnlock()
	var files []file
	for _, f := range last.files {
		if f.name != "LICENSE" && f.name != "README.md" {
			files = append(files, f)
		}
	}
	marker := "published as " + version + " while the origin ran\n"
	files = append(files, file{"PUBLISHED-" + strings.ReplaceAll(version, "+", "-"), []byte(marker)})
	return c.publish(modulePath, release{
		version: version, time: at, files: files, stored: last.stored, unrecorded: last.unrecorded,
	})
}

// tampered is a plausible lie about what an answer said: what the hashes must catch.
func (c *catalog) tampered(path string, honest *answer) *answer {
	lie := *honest
	lie.etag = ""
	switch {
	case strings.HasSuffix(path, ".zip"):
		if forged, ok := c.forgedArchive(path); ok {
			lie.body = forged
			return &lie
		}
	case strings.HasSuffix(path, ".mod"):
		lie.body = bodyOf(append(honest.body.bytes(), "// tampered\n"...))
		return &lie
	case strings.HasSuffix(path, ".info"):
		lie.body = bodyOf(bytes.Replace(honest.body.bytes(), []byte(`"Version":"v`), []byte(`"Version":"v99`), 1))
		return &lie
	case strings.Contains(path, "/lookup/"):
		lie.body = bodyOf(bytes.Replace(honest.body.bytes(), []byte("h1:"), []byte("h1:AAAA"), 1))
		return &lie
	}
	data := honest.body.bytes()
	if len(data) > 0 {
		data[len(data)/2] ^= 1
	}
	lie.body = bodyOf(data)
	return &lie
}

// forgedArchive is a valid archive of the module and version in path, with other content.
func (c *catalog) forgedArchive(path string) (body, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for modulePath, entry := range c.modules {
		rest, ok := strings.CutPrefix(path, "/"+entry.escaped+"/@v/")
		if !ok {
			continue
		}
		for _, r := range entry.releases {
			if version, err := module.EscapeVersion(r.version); err == nil && rest == version+".zip" {
				r.tampered = true
				forged, err := archiveOf(module.Version{Path: modulePath, Version: r.version}, r)
				return forged, err == nil
			}
		}
	}
	return body{}, false
}
