// The family: modules that need each other, and the program whose build needs them all.

package main

import (
	"bytes"
	"embed"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"golang.org/x/mod/module"
)

//go:embed templates/*.tmpl
var templateFiles embed.FS

var templates = template.Must(template.ParseFS(templateFiles, "templates/*.tmpl"))

// The family has layers: a module needs some of the layer below it, and one of the lowest.
var layers = []int{20, 18, 14, 8, 4}

const (
	familySize = 20 + 18 + 14 + 8 + 4
	levels     = 3 // every member has that many versions
)

// Members with something special about their path.
const (
	memberV2           = 7
	memberUpper        = 13
	memberIncompatible = 17
	memberV3           = 29
	memberUpperDir     = 33
)

// A member is one module of the family at one version.
type member struct {
	number, level int
}

// Name is the member's package name.
func (m member) Name() string { return fmt.Sprintf("lib%02d", m.number) }

// Number tells members apart.
func (m member) Number() int { return m.number }

// Path is the member's module path.
func (m member) Path() string {
	host, name := fmt.Sprintf("m%02d.example/", m.number), m.Name()
	switch m.number {
	case memberV2:
		return host + name + "/v2"
	case memberV3:
		return host + name + "/v3"
	case memberUpper:
		return host + "Lib13"
	case memberUpperDir:
		return host + "Team/" + name
	}
	return host + name
}

// Version is the member's version: level 0 is the oldest.
func (m member) Version() string {
	switch m.number {
	case memberV2:
		return fmt.Sprintf("v2.%d.0", m.level)
	case memberV3:
		return fmt.Sprintf("v3.%d.0", m.level)
	case memberIncompatible:
		return fmt.Sprintf("v2.%d.0+incompatible", m.level)
	}
	return fmt.Sprintf("v1.%d.0", m.level)
}

// Needs are the members that this one requires, at the versions it requires.
func (m member) Needs() []member {
	layer, index, below := m.place()
	if layer == 0 {
		return nil
	}
	width, numbers := layers[layer-1], map[int]bool{m.number * 5 % layers[0]: true}
	for i := index; i < width; i += layers[layer] {
		numbers[below+i] = true
	}
	numbers[below+(m.number*7+3)%width] = true
	var needs []member
	for number := range numbers {
		needs = append(needs, member{number, min(m.level, (m.number+number)%levels)})
	}
	slices.SortFunc(needs, func(a, b member) int { return a.number - b.number })
	return needs
}

// place is the member's layer, its index there, and the first number of the layer below.
func (m member) place() (layer, index, below int) {
	first := 0
	for layer, size := range layers {
		if m.number < first+size {
			return layer, m.number - first, below
		}
		below, first = first, first+size
	}
	panic("a member beyond the family")
}

// roots are what the program itself imports.
func roots() []member {
	all := []member{{number: 0, level: 0}}
	for number := familySize - layers[len(layers)-1]; number < familySize; number++ {
		all = append(all, member{number, levels - 1})
	}
	return all
}

// family publishes every member at every level.
func family(c *catalog) error {
	for number := range familySize {
		for level := range levels {
			m := member{number, level}
			files, err := m.files()
			if err != nil {
				return err
			}
			r := release{version: m.Version(), time: day(10*level + number%10), files: files}
			if err := c.publish(m.Path(), r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m member) files() ([]file, error) {
	random := rand.New(rand.NewPCG(uint64(m.number), uint64(m.level)))
	data := struct {
		member
		Odd   uint64
		Turn  int
		Table []uint64
	}{member: m, Odd: random.Uint64(), Turn: 1 + random.IntN(63)}
	for range 160 {
		data.Table = append(data.Table, random.Uint64())
	}
	var files []file
	if m.number != memberIncompatible {
		files = append(files, gomod(m.Path(), requirements(m.Needs())...))
	}
	for _, name := range []string{"lib.go", "table.go", "lib_test.go", "internal/mix/mix.go"} {
		var buf bytes.Buffer
		if err := templates.ExecuteTemplate(&buf, filepath.Base(name)+".tmpl", data); err != nil {
			return nil, err
		}
		files = append(files, file{name, buf.Bytes()})
	}
	return files, nil
}

func requirements(needs []member) []string {
	if len(needs) == 0 {
		return nil
	}
	lines := []string{"", "require ("}
	for _, need := range needs {
		lines = append(lines, "\t"+need.Path()+" "+need.Version())
	}
	return append(lines, ")")
}

// selected is the build list of the program, by minimal version selection: the highest level of each
// member that is required anywhere in the graph. graph is every member and level that was met.
func selected() (list []member, graph []member) {
	met, highest := map[member]bool{}, map[int]int{}
	queue := roots()
	for len(queue) > 0 {
		m := queue[0]
		queue = queue[1:]
		if met[m] {
			continue
		}
		met[m] = true
		graph = append(graph, m)
		highest[m.number] = max(highest[m.number], m.level)
		queue = append(queue, m.Needs()...)
	}
	for number, level := range highest {
		list = append(list, member{number, level})
	}
	slices.SortFunc(list, func(a, b member) int { return strings.Compare(a.Path(), b.Path()) })
	return list, graph
}

// writeProgram writes the program's go.mod and main.go to dir and, if withSum, a complete go.sum.
func writeProgram(c *catalog, dir string, withSum bool) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	var main bytes.Buffer
	list, graph := selected()
	direct := directOf(list)
	if err := templates.ExecuteTemplate(&main, "main.go.tmpl", map[string]any{"Needs": direct}); err != nil {
		return err
	}
	files := []file{{"go.mod", programGoMod(list, direct)}, {"main.go", main.Bytes()}}
	if withSum {
		files = append(files, file{"go.sum", programGoSum(c, list, graph)})
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// directOf picks the roots from the build list, at the versions that were selected.
func directOf(list []member) []member {
	var direct []member
	for _, m := range list {
		if slices.ContainsFunc(roots(), func(root member) bool { return root.number == m.number }) {
			direct = append(direct, m)
		}
	}
	return direct
}

func programGoMod(list, direct []member) []byte {
	var out strings.Builder
	out.WriteString("module hello.example\n\ngo 1.21\n")
	for _, line := range requirements(direct) {
		out.WriteString(line + "\n")
	}
	out.WriteString("\nrequire (\n")
	for _, m := range list {
		if !slices.Contains(direct, m) {
			out.WriteString("\t" + m.Path() + " " + m.Version() + " // indirect\n")
		}
	}
	out.WriteString(")\n")
	return []byte(out.String())
}

// programGoSum has both lines of what is built, and the go.mod line of whatever the graph meets.
func programGoSum(c *catalog, list, graph []member) []byte {
	var lines []string
	for _, m := range graph {
		record := c.sums.record(module.Version{Path: m.Path(), Version: m.Version()})
		for _, line := range strings.SplitAfter(record, "\n") {
			if line != "" && (slices.Contains(list, m) || strings.Contains(line, "/go.mod ")) {
				lines = append(lines, line)
			}
		}
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}
