// The modules that show what a module path, a version and an archive can be. README.md lists them.

package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/module"
)

// blockSize is the size of the noise that large archives are made of.
const blockSize = 1 << 20

// noise is a block of bytes that no compressor makes smaller, the same in every run.
var noise = sync.OnceValue(func() []byte {
	block := make([]byte, blockSize)
	source := rand.NewChaCha8([32]byte{'o', 'r', 'i', 'g', 'i', 'n'})
	_, _ = source.Read(block) // documented to fill the block and to return no error
	return block
})

// sizes are those that the command line sets.
type sizes struct {
	large, huge, bigMod int
}

var defaultSizes = sizes{large: 1 << 20, huge: 70_000_000, bigMod: 1_500_000}

// day is a time of the catalog.
func day(n int) time.Time { return epoch.AddDate(0, 0, n) }

// text makes a file from its lines.
func text(name string, lines ...string) file {
	return file{name, []byte(strings.Join(lines, "\n") + "\n")}
}

// gomod makes a go.mod file.
func gomod(path string, lines ...string) file {
	return text("go.mod", append([]string{"module " + path, "", "go 1.21"}, lines...)...)
}

// library is a package of one constant and one function, which says what version it is.
func library(name, version string) file {
	return text(name+".go",
		"// Package "+name+" says what version it is.",
		"package "+name,
		"",
		"// Version is the version of this module.",
		fmt.Sprintf("const Version = %q", version),
		"",
		"// Greeting says hello to whom.",
		`func Greeting(whom string) string { return "hello, " + whom + ", from " + Version }`,
	)
}

// everything fills the catalog.
func everything(c *catalog, size sizes) error {
	for _, add := range []func(*catalog) error{
		plain, majors, names, incompatible, untagged, retracted, prefixes, command, odd, toolchains,
		func(c *catalog) error { return heavy(c, size) },
		family,
	} {
		if err := add(c); err != nil {
			return err
		}
	}
	c.sums.grow(fillers)
	return nil
}

// tagged publishes a library under several tags, a day apart.
func tagged(c *catalog, path, name string, tags ...string) error {
	for i, tag := range tags {
		files := []file{gomod(path), library(name, tag)}
		if err := c.publish(path, release{version: tag, time: day(i), files: files}); err != nil {
			return err
		}
	}
	return nil
}

// commit publishes a library at an untagged commit, which is the tip of branch.
func commit(c *catalog, path, name, older, branch string, at time.Time) error {
	// Without an older tag this is v0.0.0-..., which gopkg.in's .v1 paths may carry too: they are older than modules.
	version := module.PseudoVersion("", older, at, commitOf(path, branch)[:12])
	files := []file{gomod(path), library(name, version)}
	return c.publish(path, release{version: version, time: at, files: files, branch: branch})
}

func plain(c *catalog) error {
	const path = "example.com/a"
	if err := tagged(c, path, "a", "v1.0.0", "v1.1.0", "v1.2.0", "v1.2.1", "v1.3.0-beta.1"); err != nil {
		return err
	}
	return commit(c, path, "a", "v1.2.1", "master", day(40))
}

func majors(c *catalog) error {
	if err := tagged(c, "example.com/a/v2", "a", "v2.0.0", "v2.1.0"); err != nil {
		return err
	}
	if err := tagged(c, "example.com/a/v3", "a", "v3.0.0"); err != nil {
		return err
	}
	if err := tagged(c, "gopkg.in/fixture.v2", "fixture", "v2.0.0", "v2.4.0"); err != nil {
		return err
	}
	return commit(c, "gopkg.in/old.v1", "old", "", "v1", day(3))
}

func names(c *catalog) error {
	return tagged(c, "example.com/Upper/Case", "upper", "v1.0.0-RC1", "v1.0.0", "v1.1.0")
}

func incompatible(c *catalog) error {
	for _, path := range []string{"example.com/legacy", "github.com/Example/Legacy"} {
		for i, version := range []string{"v1.0.0", "v2.0.0+incompatible", "v3.1.0+incompatible"} {
			files := []file{library("legacy", version)}
			if err := c.publish(path, release{version: version, time: day(i), files: files}); err != nil {
				return err
			}
		}
	}
	return nil
}

func untagged(c *catalog) error {
	const path = "example.com/untagged"
	if err := commit(c, path, "untagged", "", "old", day(1)); err != nil {
		return err
	}
	return commit(c, path, "untagged", "", "main", day(9))
}

func retracted(c *catalog) error {
	const path = "example.com/retracted"
	if err := tagged(c, path, "retracted", "v1.0.0", "v1.1.0"); err != nil {
		return err
	}
	err := c.publish(path, release{version: "v1.2.0", time: day(5), files: []file{
		gomod(path, "", "retract v1.1.0 // it rounds the wrong way"),
		library("retracted", "v1.2.0"),
	}})
	if err != nil {
		return err
	}
	const old = "example.com/deprecated"
	return c.publish(old, release{version: "v1.0.0", time: day(2), files: []file{
		text("go.mod", "// Deprecated: use example.com/a instead.", "module "+old, "", "go 1.21"),
		library("deprecated", "v1.0.0"),
	}})
}

func prefixes(c *catalog) error {
	const path = "a.example/b/c"
	for i, version := range []string{"v1.0.0", "v1.1.0"} {
		nested := library("d", version)
		nested.name = "d/" + nested.name
		deep := library("e", version)
		deep.name = "d/e/" + deep.name
		files := []file{gomod(path), library("c", version), nested, deep}
		if err := c.publish(path, release{version: version, time: day(i), files: files}); err != nil {
			return err
		}
	}
	return nil
}

func command(c *catalog) error {
	const path = "example.com/tool"
	for i, version := range []string{"v1.0.0", "v1.1.0"} {
		files := []file{
			gomod(path, "", "require example.com/a v1.1.0"),
			text("cmd/greet/main.go",
				"// Greet says hello.",
				"package main",
				"",
				"import (",
				`	"fmt"`,
				"",
				`	"example.com/a"`,
				")",
				"",
				fmt.Sprintf("func main() { fmt.Println(%q, a.Greeting(%q)) }", "greet "+version, "world"),
			),
		}
		if err := c.publish(path, release{version: version, time: day(i), files: files}); err != nil {
			return err
		}
	}
	return nil
}

// odd are the modules that something is wrong with.
func odd(c *catalog) error {
	for _, r := range []struct {
		path    string
		release release
	}{
		{"example.com/tampered", release{version: "v1.0.0", tampered: true}},
		{"private.example/secret", release{version: "v1.0.0", unrecorded: true}},
	} {
		name := r.path[strings.LastIndex(r.path, "/")+1:]
		r.release.time = day(1)
		r.release.files = []file{gomod(r.path), library(name, r.release.version)}
		if err := c.publish(r.path, r.release); err != nil {
			return err
		}
	}
	return nil
}

// toolchains are go1.99.0 and go1.99.1 for the machine the origin runs on, and for two more. Their commands
// are scripts, which is all that a switch asks of them.
func toolchains(c *catalog) error {
	platforms := []string{"linux-amd64", "linux-arm64", "darwin-arm64"}
	own := runtime.GOOS + "-" + runtime.GOARCH
	if !strings.Contains(strings.Join(platforms, " "), own) {
		platforms = append(platforms, own)
	}
	for i, goVersion := range []string{"go1.99.0", "go1.99.1"} {
		for _, platform := range platforms {
			r := release{
				version: "v0.0.1-" + goVersion + "." + platform,
				time:    day(i),
				files: []file{
					text("VERSION", goVersion, "time 2025-06-01T12:00:00Z"),
					text("bin/go",
						"#!/bin/sh",
						`if [ "$1" = version ]; then`,
						"\techo go version "+goVersion+" "+strings.ReplaceAll(platform, "-", "/"),
						"else",
						"\techo "+goVersion+`: "$@"`,
						"fi",
					),
					// A switch makes these executable, and fails where one of them is missing.
					text("bin/gofmt", "#!/bin/sh", "cat"),
					text("lib/README", "A toolchain of the test origin: its commands are scripts."),
					text("pkg/tool/README", "There are no tools."),
				},
			}
			if err := c.publish("golang.org/toolchain", r); err != nil {
				return err
			}
		}
	}
	return nil
}

// heavy are the modules that are known by their size.
func heavy(c *catalog, size sizes) error {
	const tenKiB = 10*1024 - 1000 // what is left of 10 KiB beside the other files
	for _, m := range []struct {
		path   string
		bytes  int
		stored bool
	}{
		{"example.com/tenk", tenKiB, false},
		{"example.com/large", size.large, false},
		{"example.com/huge", size.huge, true},
	} {
		name := m.path[strings.LastIndex(m.path, "/")+1:]
		files := append([]file{gomod(m.path), library(name, "v1.0.0")}, ballast(m.bytes)...)
		r := release{version: "v1.0.0", time: day(1), files: files, stored: m.stored}
		if err := c.publish(m.path, r); err != nil {
			return err
		}
	}
	const path = "example.com/bigmod"
	comment := "// " + strings.Repeat("This line makes a go.mod large. ", 3)
	mod := gomod(path, strings.Repeat(comment+"\n", size.bigMod/len(comment)))
	return c.publish(path, release{version: "v1.0.0", time: day(1), files: []file{mod, library("bigmod", "v1.0.0")}})
}

// ballast is n bytes of noise, in files of at most one block.
func ballast(n int) []file {
	var files []file
	for i := 0; n > 0; i++ {
		part := min(n, blockSize)
		files = append(files, file{fmt.Sprintf("testdata/noise%03d.bin", i), noise()[:part]})
		n -= part
	}
	return files
}
